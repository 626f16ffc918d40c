"""What Tune calls while it runs: its searcher, its scheduler and its stopper, which all ask the dispatcher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from sweeps.engine.dispatcher import Dispatcher
from sweeps.engine.ray_patches import OUT_OF_MEMORY


def _guarded(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook whose error is kept and stops the run; Tune would take it for the trial's own failure and go on."""

    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.dispatcher.error:
            return None
        try:
            return hook(self, *args, **kwargs)
        except Exception as error:
            self.dispatcher.error = error
            return None

    return guarded


class StageSearcher(Searcher):
    """Tune asks it for configurations; it gives the stage's tasks."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self.dispatcher = dispatcher

    def suggest(self, trial_id: str) -> Any:
        """The next task as a request to `SeedTrainable`; None while there is none."""
        config = self._next(trial_id)
        # Told that there is something to wait for, Tune would wait for minutes before it looks at our error.
        return Searcher.FINISHED if self.dispatcher.error else config

    @_guarded
    def _next(self, trial_id: str) -> Any:
        task = self.dispatcher.next_task(trial_id)
        if task is None:
            return Searcher.FINISHED if self.dispatcher.is_finished() else None
        return {
            "approach": task.approach,
            "params": task.params,
            "blocks": task.blocks,
            "splits": list(task.splits),
            "besides": list(task.besides),
            "shots": task.shots,
            "image_sets": self.dispatcher.work.image_sets,
        }

    @_guarded
    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Give the task back. Tune also calls this for a trial that it stops before it has run, which is lost then."""
        self.dispatcher.end(trial_id, is_lost=error or result is None)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class StageScheduler(FIFOScheduler):
    """Tune shows it every report; it has them journaled, and asks the stage whether to go on."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self.dispatcher = dispatcher

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Note Tune's own object of the trial, which knows its worker."""
        if trial.trial_id in self.dispatcher.running:
            self.dispatcher.running[trial.trial_id].trial = trial

    @_guarded
    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Note why the worker died, before the searcher is told that it did."""
        if trial.trial_id in self.dispatcher.running:
            self.dispatcher.running[trial.trial_id].why_lost = _why_lost(trial)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Journal a report, and stop the trial if it is losing."""
        return self._on_result(trial, result) or TrialScheduler.CONTINUE

    @_guarded
    def _on_result(self, trial: TuneTrial, result: dict[str, Any]) -> str | None:
        self.dispatcher.take(trial.trial_id, result)
        return TrialScheduler.STOP if self.dispatcher.is_losing(trial.trial_id) else None

    @_guarded
    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        """Journal the last report, which Tune shows here only."""
        self.dispatcher.take(trial.trial_id, result)

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _why_lost(trial: TuneTrial) -> str:
    """What Ray says of the death of a trial's worker, in our words; nothing if it does not know more."""
    text = Path(trial.error_file).read_text() if trial.error_file else ""
    return f"its machine {OUT_OF_MEMORY}" if OUT_OF_MEMORY in text or "low on memory" in text else ""


class StopOnError(tune.Stopper):
    """Tune asks it between events whether to stop everything; it is also the place to look after silent workers."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether to stop this one trial: the scheduler says that."""
        return False

    def stop_all(self) -> bool:
        """Whether a stage has failed. Asked in each round of Tune's loop."""
        self.dispatcher.interrupt()
        self.dispatcher.kill_the_silent()
        return self.dispatcher.error is not None

    def __getstate__(self) -> dict[str, Any]:
        return {}

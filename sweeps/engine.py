"""Ray as the engine: it starts the workers and runs an agenda's tasks on them. The only file that builds a Tuner.

Tune schedules and nothing more: a fresh Tuner each time, no restore, no checkpoints, no retries of its own. What a
worker reports goes into the record through the scheduler's two hooks, which together see every result.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from sweeps.agenda import Agenda, Task
from sweeps.bad_input import BadInput
from trainables.any_approach import AnyApproach
from trainables.protocol import ImageSet, SeedResult, SeedTrainable

STOP_SECONDS = 15.0
PACKAGES = ("trainables", "search_spaces", "sweeps")


def cluster_address(option: str | None) -> str | None:
    """Where the cluster is: as asked for, else as the environment says; None is this machine alone."""
    return option or os.environ.get("RAY_ADDRESS")


def start_ray(address: str | None, workers: int | None) -> None:
    """Start Ray here, or connect to a running cluster.

    Args:
        address: "host:port" of a cluster's head or "auto"; None is the one in RAY_ADDRESS, else this machine alone.
        workers: CPUs to use here; None is all. A cluster has its own.

    Raises:
        BadInput: No cluster answers there.
    """
    address = cluster_address(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not address:
            ray.init(address="local", num_cpus=workers or os.cpu_count() or 1, include_dashboard=False, **quiet)
            return
        check_address(address)
        try:
            ray.init(address=address, runtime_env=_runtime_env(), **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            first_line = str(error).strip().splitlines()[0]
            raise BadInput(
                f"Expected a Ray cluster at --address {address}; Ray says: {first_line.rstrip('.')}. "
                "RAY_AUTH_MODE must be the same here as where the cluster was started."
            ) from None


def stop_ray(code: int) -> None:
    """Shut Ray down if it runs.

    A signal to the whole process group has killed it already, and Ray would wait a minute for itself and then abort. So
    after `STOP_SECONDS` the process ends here and now, with the exit code it was about to have.
    """
    if not ray.is_initialized():
        return
    stopping = threading.Thread(target=ray.shutdown, daemon=True)
    stopping.start()
    stopping.join(STOP_SECONDS)
    if stopping.is_alive():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def slots(workers: int | None) -> int:
    """Trials at the same time: as many as asked for, for a cluster may grow on demand, else one for each CPU."""
    return workers or max(int(ray.cluster_resources().get("CPU", 0)), 1)


def check_address(address: str) -> None:
    """Refuse at once an address at which nothing listens; Ray itself tries for a long time.

    Raises:
        BadInput: It is not "auto", "local" or host:port, or nothing answers.
    """
    if address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise BadInput(f'Expected --address as host:port or "auto"; got {address!r}.')
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except (OSError, OverflowError, ValueError) as error:
        raise BadInput(
            f"Expected a Ray cluster at --address {address}; nothing answers there ({error}). "
            "Start one with `ray start --head`, or leave the option away to use this machine."
        ) from None


def _runtime_env() -> dict[str, Any]:
    """Send this code to the workers, unless a submitted job has done so already."""
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    here = Path(__file__).resolve().parent.parent
    return {"py_modules": [str(here / package) for package in PACKAGES], "env_vars": {"RAY_CHDIR_TO_TRIAL_DIR": "0"}}


class _Desk:
    """Between Tune's identities and the agenda's tasks; keeps the first error of the agenda, which ends the run."""

    def __init__(self, agenda: Agenda, watcher: Callable[[], None], interrupt: Callable[[], None]) -> None:
        self.agenda = agenda
        self.watcher = watcher
        self.interrupt = interrupt
        self.tasks: dict[str, Task] = {}
        self.error: Exception | None = None

    def take(self, trial_id: str, report: Mapping[str, Any]) -> None:
        """Record every seed of a report."""
        task = self.tasks.get(trial_id)
        if task is None:
            return
        for result in report.get("results", ()):
            self.agenda.take(task, SeedResult(**result))
        self.watcher()


def _guarded(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook whose error is kept and stops the run; Tune would take it for the trial's own failure and go on."""

    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.desk.error:
            return None
        try:
            return hook(self, *args, **kwargs)
        except Exception as error:
            self.desk.error = error
            return None

    return guarded


class _Search(Searcher):
    """Tune asks it for configurations; it gives the agenda's tasks."""

    def __init__(self, desk: _Desk) -> None:
        super().__init__()
        self.desk = desk

    def suggest(self, trial_id: str) -> Any:
        config = self._next(trial_id)
        # Told that there is something to wait for, Tune would wait for minutes before it looks at our error.
        return Searcher.FINISHED if self.desk.error else config

    @_guarded
    def _next(self, trial_id: str) -> Any:
        task = self.desk.agenda.next_task()
        if task is None:
            return Searcher.FINISHED if self.desk.agenda.is_finished() else None
        self.desk.tasks[trial_id] = task
        return {"approach": task.approach, "params": task.params, "blocks": task.blocks, "splits": list(task.splits)}

    @_guarded
    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        task = self.desk.tasks.pop(trial_id, None)
        if task is not None:
            # Tune also calls this for a trial it stops before it has run; that one is lost like one whose worker died.
            (self.desk.agenda.lost if error or result is None else self.desk.agenda.close)(task)
            self.desk.watcher()

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Scheduler(FIFOScheduler):
    """Tune shows it every report; it records them, and asks the agenda whether to go on."""

    def __init__(self, desk: _Desk) -> None:
        super().__init__()
        self.desk = desk

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        return self._on_result(trial, result) or TrialScheduler.CONTINUE

    @_guarded
    def _on_result(self, trial: TuneTrial, result: dict[str, Any]) -> str | None:
        self.desk.take(trial.trial_id, result)
        task = self.desk.tasks.get(trial.trial_id)
        return TrialScheduler.STOP if task and self.desk.agenda.is_losing(task) else None

    @_guarded
    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        self.desk.take(trial.trial_id, result)

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _StopOnError(tune.Stopper):
    def __init__(self, desk: _Desk) -> None:
        self.desk = desk

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        # Tune asks here in each round of its loop, between events.
        self.desk.interrupt()
        return self.desk.error is not None

    def __getstate__(self) -> dict[str, Any]:
        return {}


def run(
    agenda: Agenda,
    *,
    trainables: Mapping[str, type[SeedTrainable]],
    image_sets: Mapping[str, ImageSet],
    weights: Mapping[str, ray.ObjectRef],
    slots: int,
    watcher: Callable[[], None],
    interrupt: Callable[[], None],
) -> None:
    """Run the agenda's tasks until it is finished.

    Args:
        agenda: What to run, and where results go.
        trainables: Each approach's trainable by its name.
        image_sets: What the workers may see; the test split is among it in confirmation only.
        weights: State dicts of the backbones that are trained further.
        slots: Tasks at the same time, one CPU each.
        watcher: Called after each report.
        interrupt: Called about ten times a second where stopping harms nothing; what it raises ends the run.

    Raises:
        Exception: Whatever the agenda raised, for example because the journal cannot be written.
    """
    if agenda.is_finished():
        return
    desk = _Desk(agenda, watcher, interrupt)
    for name in ("ray.tune", "ray.train", "ray.air"):
        # Ray reports lost trials and missing log files here, which the record knows or never had.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Tune wants a place for files that we do not let it write.
    scratch = tempfile.mkdtemp(prefix="seedsweep-")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tune.Tuner(
                tune.with_parameters(
                    AnyApproach, image_sets=image_sets, trainables=dict(trainables), weights=dict(weights)
                ),
                tune_config=tune.TuneConfig(
                    num_samples=-1,
                    search_alg=_Search(desk),
                    scheduler=_Scheduler(desk),
                    # Without it Tune keeps one trial pending and uses one actor for all.
                    max_concurrent_trials=slots,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    name="sweep",
                    storage_path=scratch,
                    verbose=0,
                    stop=_StopOnError(desk),
                    failure_config=tune.FailureConfig(max_failures=0),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                ),
            ).fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if desk.error:
        raise desk.error

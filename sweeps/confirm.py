"""The confirmation: the winners of the search on fresh seeds, and on the test split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.study import Study
from optuna.trial import Trial, TrialState

from sweeps.agenda import CONFIRM_SEEDS_FROM, Agenda, Tally, Task, failure, in_blocks, mean_accuracy
from sweeps.challenge import Approach
from sweeps.record import CONFIRM, Record, TrialRecord, best_complete, confirmed_results
from trainables.protocol import TEST, VALIDATION


class ConfirmAgenda(Agenda):
    """Fresh seeds, validation and test, for the best configuration of each approach."""

    stage = CONFIRM

    def __init__(
        self,
        record: Record,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        seeds: int,
    ) -> None:
        """Queue what the record lacks of `seeds` fresh seeds for each approach's present winner."""
        super().__init__(record, approaches, on_closed)
        trials = record.trials([approach.name for approach in approaches])
        for approach in approaches:
            self.tallies[approach.name] = Tally(seconds_a_seed=approach.seconds_a_seed, seeds_left=0)
            best = best_complete(trials, approach.name)
            study = self.studies[approach.name]
            if best is None:
                continue
            own = Tally(seconds_a_seed=best.seconds / max(len(best.results), 1), seeds_left=0)
            self.tallies[approach.name] = own
            running = None
            for frozen in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                if frozen.user_attrs.get("of_trial") == best.number:
                    running = Trial(study, frozen._trial_id)
                else:
                    reason = "an extended search found a better configuration"
                    self.tell(approach.name, Trial(study, frozen._trial_id), state=TrialState.FAIL, reason=reason)
            results = confirmed_results(trials, approach.name, best.number)
            done = {result.seed for result in results if result.split == TEST or result.error}
            wanted = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + seeds)
            missing = [seed for seed in wanted if seed not in done]
            if running is None and missing and not any(result.error for result in results):
                running = self._new_trial(study, best.number, best.params, approach)
            if running is None:
                continue
            for block in in_blocks(missing):
                self.waiting.append(
                    Task(
                        approach=approach.name,
                        trial=running,
                        params=best.params,
                        blocks=[block],
                        splits=(VALIDATION, TEST),
                    )
                )
            own.seeds_left = len(missing)
            if not missing:
                self._end(approach.name, running)

    def _new_trial(self, study: Study, number: int, params: dict[str, Any], approach: Approach) -> Trial:
        study.enqueue_trial(params, user_attrs={"of_trial": number})
        trial = study.ask()
        approach.suggest(trial)
        return trial

    def close(self, task: Task) -> None:
        """End the trial when its last task is through; after a failure the tasks that wait are dropped."""
        super().close(task)
        self.tallies[task.approach].seeds_left -= self.missing(task).seeds
        if failure(task.trial) or "reason" in task.trial.user_attrs:
            for other in [t for t in self.waiting if t.trial is task.trial]:
                self.waiting.remove(other)
                self.tallies[task.approach].seeds_left -= other.seeds
        if not any(other.trial is task.trial for other in [*self.live, *self.waiting]):
            self._end(task.approach, task.trial)

    def give_up(self, task: Task, reason: str) -> None:
        """Fail the confirmation once no other task of it runs."""
        task.trial.set_user_attr("reason", reason)
        self.live.append(task)
        self.close(task)

    def _end(self, approach: str, trial: Trial) -> None:
        failed = failure(trial)
        reason = f"seed {failed.seed}: {failed.error}" if failed else trial.user_attrs.get("reason")
        if reason:
            self.tell(approach, trial, state=TrialState.FAIL, reason=reason)
        else:
            self.tell(approach, trial, value=mean_accuracy(trial))

"""Given configurations on given seeds: what confirmation and the study's own numbers have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from optuna.trial import Trial, TrialState

from sweeps.agenda import Agenda, Task, failure, in_blocks, mean_accuracy


class GivenAgenda(Agenda):
    """Tasks that are all known from the start. A trial's blocks of seeds run on several workers at the same time."""

    splits: ClassVar[tuple[str, ...]]

    def queue(self, approach: str, trial: Trial, params: Mapping[str, Any], seeds: Sequence[int]) -> None:
        """Queue these seeds of a trial; one that has failed already, or has no seeds left, is ended instead."""
        # A driver may have died between the last thing a trial needed and its end.
        missing = [] if failure(trial) or "reason" in trial.user_attrs else seeds
        for block in in_blocks(missing):
            self.waiting.append(
                Task(approach=approach, trial=trial, params=dict(params), blocks=[block], splits=self.splits)
            )
        self.tallies[approach].seeds_left += len(missing)
        if not missing:
            self._end(approach, trial)

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
        """Fail the trial once no other task of it runs."""
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

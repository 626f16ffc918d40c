"""What every stage does with its tasks and their results; search.py and confirm.py say which tasks those are.

An agenda hands out tasks and takes their results into the record. It knows Optuna and not Ray: the engine runs it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from optuna.trial import Trial, TrialState

from sweeps.challenge import Approach
from sweeps.record import Record, TrialRecord, seeds_of, trial_record, write_seed
from trainables.protocol import VALIDATION, SeedResult

SEARCH_SEEDS_FROM = 1000
CONFIRM_SEEDS_FROM = 2000
MOST_SEEDS = 1000
# Seeds of a confirmed configuration that one worker runs in one go; its other blocks run on other workers meanwhile.
BLOCK = 5
# A task whose worker was lost this often is given up.
MOST_ATTEMPTS = 3
# When so many workers are lost without a seed finished in between, it is not the configurations' fault.
MOST_LOSSES_IN_A_ROW = 12


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some seeds of one configuration, to run in one go on one worker."""

    approach: str
    trial: Trial
    params: dict[str, Any]
    blocks: list[list[int]]
    splits: tuple[str, ...]
    # How often its worker was lost.
    attempts: int = 0

    @property
    def seeds(self) -> int:
        """How many seeds it asks for."""
        return sum(map(len, self.blocks))


@dataclass
class Tally:
    """How far one approach is, for the progress line."""

    seconds_a_seed: float
    seeds_left: int
    seeds_done: int = 0
    seconds_done: float = 0.0

    def count(self, result: SeedResult, *, is_last: bool) -> None:
        """A result came in; the last one of a seed ends it."""
        self.seconds_done += result.seconds
        if is_last:
            self.seeds_done += 1
            self.seeds_left -= 1

    @property
    def seconds_left(self) -> float:
        """CPU seconds that the remaining seeds will take, by what the finished ones took."""
        mean = self.seconds_done / self.seeds_done if self.seeds_done else self.seconds_a_seed
        return self.seeds_left * mean


class Agenda:
    """Tasks not yet handed out, tasks being run, and what to do with their results. Subclasses say which tasks."""

    stage: str

    def __init__(self, record: Record, approaches: Sequence[Approach], on_closed: Callable[[TrialRecord], None]):
        """Begin with nothing to do. `on_closed` gets each finished trial."""
        self.on_closed = on_closed
        self.studies = {approach.name: record.study(approach.name, self.stage) for approach in approaches}
        self.tallies: dict[str, Tally] = {}
        self.waiting: deque[Task] = deque()
        self.live: list[Task] = []
        self.losses_in_a_row = 0

    def next_task(self) -> Task | None:
        """The next task, or None while there is nothing to start."""
        task = self.waiting.popleft() if self.waiting else self.new_task()
        if task is not None:
            self.live.append(task)
        return task

    @property
    def seeds_done(self) -> int:
        """Seeds in the record, those of earlier starts included."""
        return sum(tally.seeds_done for tally in self.tallies.values())

    @property
    def seeds_left(self) -> int:
        """Seeds still to run if no configuration is stopped early any more."""
        return sum(tally.seeds_left for tally in self.tallies.values())

    @property
    def seconds_left(self) -> float:
        """CPU seconds that those will take."""
        return sum(tally.seconds_left for tally in self.tallies.values())

    def best_so_far(self) -> str:
        """A word for the progress line."""
        return ""

    def new_task(self) -> Task | None:
        """A task that was never handed out before."""
        return None

    def is_finished(self) -> bool:
        """Whether nothing is left to start and nothing runs; what runs may come back."""
        return not self.live and not self.waiting and not self.has_new()

    def has_new(self) -> bool:
        """Whether `new_task` would give one."""
        return False

    def take(self, task: Task, result: SeedResult) -> None:
        """Write a finished seed into the record; one that is there already is not counted twice."""
        if write_seed(task.trial, result):
            self.losses_in_a_row = 0
            self.tallies[task.approach].count(result, is_last=ends_seed(task, result))

    def is_losing(self, task: Task) -> bool:
        """Whether this configuration need not go on. Asked after each step."""
        return False

    def close(self, task: Task) -> None:
        """The task has run to its end, was stopped as losing, or gave a failure."""
        self.live.remove(task)

    def lost(self, task: Task) -> None:
        """The task's worker died: it goes back in front of the queue with the seeds that are still missing."""
        self.losses_in_a_row += 1
        if self.losses_in_a_row >= MOST_LOSSES_IN_A_ROW:
            raise RuntimeError(f"{self.losses_in_a_row} workers were lost in a row without a finished seed")
        self.live.remove(task)
        again = replace(self.missing(task), attempts=task.attempts + 1)
        if again.attempts < MOST_ATTEMPTS:
            self.waiting.appendleft(again)
        else:
            self.give_up(again, f"its worker was lost {again.attempts} times")

    def missing(self, task: Task) -> Task:
        """The same task without the seeds that are in the record."""
        done = {result.seed for result in seeds_of(task.trial.user_attrs) if ends_seed(task, result)}
        blocks = [[seed for seed in block if seed not in done] for block in task.blocks]
        return replace(task, blocks=[block for block in blocks if block])

    def give_up(self, task: Task, reason: str) -> None:
        """Fail the trial; drop what it still asks for."""
        self.tallies[task.approach].seeds_left -= self.missing(task).seeds
        self.tell(task.approach, task.trial, state=TrialState.FAIL, reason=reason)

    def tell(
        self,
        approach: str,
        trial: Trial,
        *,
        value: float | None = None,
        state: TrialState | None = None,
        reason: str | None = None,
    ) -> None:
        """End a trial in the record, and say so."""
        if reason:
            trial.set_user_attr("reason", reason)
        study = self.studies[approach]
        study.tell(trial, value, state)
        self.on_closed(trial_record(approach, self.stage, study.get_trials(deepcopy=False)[trial.number]))


def ends_seed(task: Task, result: SeedResult) -> bool:
    """Whether no other result of this seed follows."""
    return result.split == task.splits[-1] or result.error is not None


def failure(trial: Trial) -> SeedResult | None:
    """The seed that failed, if one did."""
    return next((result for result in seeds_of(trial.user_attrs) if result.error), None)


def mean_accuracy(trial: Trial) -> float:
    """Mean validation accuracy over the trial's finished seeds."""
    accuracies = [r.accuracy for r in seeds_of(trial.user_attrs) if r.split == VALIDATION and r.accuracy is not None]
    return float(np.mean(accuracies))


def in_blocks(seeds: Sequence[int]) -> list[list[int]]:
    """The seeds in blocks of `BLOCK`."""
    return [list(seeds[start : start + BLOCK]) for start in range(0, len(seeds), BLOCK)]

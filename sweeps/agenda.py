"""What every stage does with its tasks and their results; search.py and confirm.py say which tasks those are.

An agenda hands out tasks and takes their results into the record. It knows Optuna and not Ray: the engine runs it.
"""

from __future__ import annotations

from collections import Counter, deque
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
# A task whose worker was lost this often, without a seed finished in between, is given up.
MOST_ATTEMPTS = 3
# When so many workers are lost for each task that runs, of several approaches and without a seed finished in between,
# it is not the configurations' fault. One node may take many workers with it. Fewer than `MOST_ATTEMPTS`, so that
# those that run at the same time do not fail first.
MOST_LOSSES_A_TASK = 2
LEAST_TASKS_TO_BLAME = 4


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some seeds of one configuration, to run in one go on one worker."""

    approach: str
    trial: Trial
    params: dict[str, Any]
    blocks: list[list[int]]
    splits: tuple[str, ...]
    # How often its worker was lost since a seed of it finished.
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
        # Workers lost since a seed finished, by approach, and how many tasks ran at the same time meanwhile.
        self.losses_in_a_row: Counter[str] = Counter()
        self.most_live = 0

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
            self.losses_in_a_row.clear()
            self.most_live = 0
            self.tallies[task.approach].count(result, is_last=ends_seed(task, result))

    def is_losing(self, task: Task) -> bool:
        """Whether this configuration need not go on. Asked after each step."""
        return False

    def close(self, task: Task) -> None:
        """The task has run to its end, was stopped as losing, or gave a failure."""
        self.live.remove(task)

    def lost(self, task: Task, why: str = "") -> None:
        """The task's worker died: it goes back in front of the queue with the seeds that are still missing.

        Raises:
            RuntimeError: So many workers were lost in a row that something else than the configurations is to blame.
        """
        self.losses_in_a_row[task.approach] += 1
        self.most_live = max(self.most_live, len(self.live), LEAST_TASKS_TO_BLAME)
        losses = self.losses_in_a_row.total()
        if losses >= MOST_LOSSES_A_TASK * self.most_live and len(self.losses_in_a_row) > 1:
            raise RuntimeError(f"{losses} workers were lost in a row without a finished seed{_because(why)}")
        self.live.remove(task)
        again = self.missing(task)
        has_moved = again.seeds < task.seeds
        again = replace(again, attempts=1 if has_moved else task.attempts + 1)
        if again.attempts < MOST_ATTEMPTS:
            self.waiting.appendleft(again)
        else:
            self.give_up(again, f"its worker was lost {again.attempts} times{_because(why)}")

    def expired(self, task: Task, reason: str) -> None:
        """A seed of it took too long, and would again: its trial fails at once."""
        self.live.remove(task)
        self.give_up(task, reason)

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


def _because(why: str) -> str:
    return f" ({why})" if why else ""


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

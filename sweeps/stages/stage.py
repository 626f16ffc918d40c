"""What every stage does with its tasks and their results; the other modules say which tasks those are.

A stage hands out tasks and takes their results into the journal. It knows Optuna and not Ray: the engine runs it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from optuna.trial import Trial, TrialState

from sweeps.core.challenge import Approach
from sweeps.stages.lost_workers import LostWorkers
from sweeps.stages.outcomes import Back, Outcome, outcome_of
from sweeps.stages.tasks import Tally, Task, ends_seed, mean_score
from sweeps.store.journal import Journal
from sweeps.store.openings import Openings
from sweeps.store.trials import (
    OF_TRIAL,
    TrialRecord,
    as_stored,
    note_reason,
    seeds_of,
    share_ranges,
    trial_record,
    write_seed,
)
from trainables.parts.protocol import TEST
from trainables.parts.results import SeedResult


class Stage:
    """Tasks not yet handed out, tasks being run, and what to do with their results. Subclasses say which tasks.

    Whoever runs a task calls `take` for each result, asks `is_losing` after each step, and gives the task back with one
    of `close`, `lost` and `expired`.
    """

    # Under which name the journal holds its trials.
    name: ClassVar[str]
    # What each seed is scored on; the first is what a trial's own score is of.
    splits: tuple[str, ...]

    def __init__(self, journal: Journal, approaches: Sequence[Approach], on_closed: Callable[[TrialRecord], None]):
        """Begin with nothing to do. `on_closed` gets each finished trial."""
        self.journal = journal
        self.ranked_by = journal.ranked_by
        self.on_closed = on_closed
        self.studies = {approach.name: journal.study(approach.name, self.name) for approach in approaches}
        self.tallies = {
            approach.name: Tally(seconds_per_seed=approach.seconds_per_seed, seeds_left=0) for approach in approaches
        }
        self.waiting: deque[Task] = deque()
        self.live: list[Task] = []
        # What was stopped at a look, as (approach, trial number), and how that ends it.
        self.raced_out: dict[tuple[str, int], Outcome] = {}
        self._lost_workers = LostWorkers()
        self._openings = Openings(journal)

    @property
    def seeds_done(self) -> int:
        """Seeds in the journal, those of earlier starts included."""
        return sum(tally.seeds_done for tally in self.tallies.values())

    @property
    def seeds_left(self) -> int:
        """Seeds still to run if no configuration is stopped early any more."""
        return sum(tally.seeds_left for tally in self.tallies.values())

    @property
    def seconds_left(self) -> float:
        """CPU seconds that those take which racing will not save, if it saves as large a part of them as so far."""
        return sum(tally.seconds_left for tally in self.tallies.values())

    def best_so_far(self) -> str:
        """A word for the progress line."""
        return ""

    def best_of(self, approach: str) -> str:
        """A word for the approach's own line."""
        return ""

    def next_task(self) -> Task | None:
        """The next task, or None while there is nothing to start."""
        task = self.waiting.popleft() if self.waiting else self.new_task()
        if task is not None:
            self.live.append(task)
        return task

    def new_task(self) -> Task | None:
        """A task that was never handed out before."""
        return None

    def has_new(self) -> bool:
        """Whether `new_task` would give one."""
        return False

    def is_finished(self) -> bool:
        """Whether nothing is left to start and nothing runs; what runs may come back."""
        return not self.live and not self.waiting and not self.has_new()

    def take(self, task: Task, result: SeedResult) -> None:
        """Write a finished seed into the journal; one that is there already is not counted twice."""
        if result.split == TEST:
            # Counted before the result is anywhere to be read.
            number = task.trial.user_attrs.get(OF_TRIAL, task.trial.number)
            self._openings.note(task.approach, number, task.params)
        if write_seed(task.trial, result, self.ranked_by):
            self._lost_workers.forget()
            self.tallies[task.approach].count(result, is_last=ends_seed(task, result))

    def is_losing(self, task: Task) -> bool:
        """Whether this configuration need not go on. Asked after each step."""
        return False

    def close(self, task: Task) -> None:
        """The task has run to its end, was stopped as losing, or gave a failure."""
        self._came_back(task, Back.ENDED)

    def lost(self, task: Task, why: str = "") -> None:
        """The task's worker died.

        Raises:
            RuntimeError: So many workers were lost in a row that something else than the configurations is to blame.
        """
        self._came_back(task, Back.LOST, why)

    def expired(self, task: Task, reason: str) -> None:
        """A seed of the task took too long, and would again."""
        self._came_back(task, Back.EXPIRED, reason)

    def missing(self, task: Task) -> Task:
        """The same task without the seeds that are in the journal."""
        done = {result.seed for result in seeds_of(task.trial.user_attrs) if ends_seed(task, result)}
        blocks = [[seed for seed in block if seed not in done] for block in task.blocks]
        return replace(task, blocks=[block for block in blocks if block])

    def _came_back(self, task: Task, back: Back, why: str = "") -> None:
        """Put the seeds that are still missing back in front of the queue, or end the trial."""
        left = self.missing(task)
        left = replace(left, attempts=1 if left.seeds < task.seeds else task.attempts + 1)
        raced_out = self.raced_out.get((task.approach, task.trial.number))
        outcome = outcome_of(
            task.trial,
            back,
            seeds_left=left.seeds,
            attempts=left.attempts,
            raced_out=raced_out,
            why=why,
        )
        if outcome.is_loss or back is Back.LOST:
            self._lost_workers.count(task.approach, len(self.live), why)
        self.live.remove(task)
        if outcome.goes_on:
            self.waiting.appendleft(left)
            return
        self.tallies[task.approach].seeds_left -= left.seeds
        if raced_out is not None:
            self.tallies[task.approach].seeds_saved += left.seeds
        self._end_with_its_last_task(task, outcome)

    def _end_with_its_last_task(self, task: Task, outcome: Outcome) -> None:
        """End the trial once no other task of it runs; if it failed, those that wait are dropped."""
        others = [other for other in self.waiting if other.trial is task.trial]
        if outcome.is_failure:
            for other in others:
                self.waiting.remove(other)
                self.tallies[task.approach].seeds_left -= other.seeds
            others = []
        if not others and all(other.trial is not task.trial for other in self.live):
            self.end(task.approach, task.trial, outcome)
        elif outcome.reason:
            note_reason(task.trial, outcome.reason)

    def end(self, approach: str, trial: Trial, outcome: Outcome) -> None:
        """End a trial in the journal, and say so."""
        study = self.studies[approach]
        with self.journal.together():
            if outcome.reason:
                note_reason(trial, outcome.reason)
            if outcome.state == TrialState.COMPLETE:
                # Without a state Optuna completes it, or lets it fail if it has no seeds and so no mean.
                study.tell(trial, mean_score(trial, self.ranked_by, self.splits[0]))
            else:
                study.tell(trial, state=outcome.state)
        stored = as_stored(trial)
        share_ranges(stored)
        self.on_closed(trial_record(approach, self.name, stored, self.ranked_by))

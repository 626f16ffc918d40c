"""The confirmation: the winners of the search on fresh seeds, and on the test split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from sweeps.core.challenge import Approach
from sweeps.core.seeds import CONFIRM_SEEDS_FROM
from sweeps.stages.fixed import FixedStage
from sweeps.stages.ranking import best_complete, confirmed_results
from sweeps.stages.robustness import ChangedImages
from sweeps.stages.tasks import Task
from sweeps.store.journal import Journal
from sweeps.store.trials import CONFIRM, TrialRecord
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult


class ConfirmationStage(FixedStage):
    """Fresh seeds, validation and test, for the best configuration of each approach."""

    name = CONFIRM
    splits = (VALIDATION, TEST)
    # The first of its block of seeds.
    seeds_from: ClassVar[int] = CONFIRM_SEEDS_FROM

    def __init__(
        self,
        journal: Journal,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        seeds: int,
        changed: ChangedImages | None = None,
    ) -> None:
        """Queue what the journal lacks of `seeds` fresh seeds for each approach's present winner.

        `changed` says what some of them are scored on, too, and takes those results.
        """
        super().__init__(journal, approaches, on_closed)
        self.changed = changed
        self.wanted = range(self.seeds_from, self.seeds_from + seeds)
        trials = journal.trials([approach.name for approach in approaches])
        for approach in approaches:
            winner = best_complete(trials, approach.name)
            if winner is not None:
                results = confirmed_results(trials, approach.name, winner.number, self.name)
                if changed is not None:
                    changed.look(trials, winner)
                self.queue_missing(approach, winner, results, next(iter(self.interrupted_of(approach, winner)), None))
                if changed is not None and any(task.besides for task in self.waiting if task.approach == approach.name):
                    changed.begin(approach, winner)

    def besides_of(self, approach: str, seed: int) -> tuple[str, ...]:
        """Changed images, if this seed is to meet them and has not."""
        return self.changed.splits if self.changed is not None and self.changed.lacks(approach, seed) else ()

    def take(self, task: Task, result: SeedResult) -> None:
        """Write a result into the journal, that on changed images as the robustness stage's own."""
        if self.changed is not None and result.split in task.besides:
            self.changed.take(task, result)
            self.tallies[task.approach].seconds_done += result.seconds
        else:
            super().take(task, result)

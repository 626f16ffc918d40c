"""The confirmation: the winners of the search on fresh seeds, and on the test split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from sweeps.core.challenge import Approach
from sweeps.core.seeds import CONFIRM_SEEDS_FROM
from sweeps.stages.fixed import FixedStage
from sweeps.stages.ranking import best_complete, confirmed_results
from sweeps.store.journal import Journal
from sweeps.store.trials import CONFIRM, TrialRecord
from trainables.parts.protocol import TEST, VALIDATION


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
    ) -> None:
        """Queue what the journal lacks of `seeds` fresh seeds for each approach's present winner."""
        super().__init__(journal, approaches, on_closed)
        self.wanted = range(self.seeds_from, self.seeds_from + seeds)
        trials = journal.trials([approach.name for approach in approaches])
        for approach in approaches:
            winner = best_complete(trials, approach.name)
            if winner is not None:
                results = confirmed_results(trials, approach.name, winner.number, self.name)
                self.queue_missing(approach, winner, results, next(iter(self.interrupted_of(approach, winner)), None))

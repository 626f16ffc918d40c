"""The shot curve: the winners of the search again, learning from other numbers of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna.trial import Trial

from sweeps.core.challenge import Approach
from sweeps.core.seeds import CONFIRM_SEEDS_FROM
from sweeps.stages.fixed import FixedStage
from sweeps.stages.outcomes import NOT_ASKED
from sweeps.stages.ranking import best_complete, results_at
from sweeps.store.journal import Journal
from sweeps.store.trials import CURVE, SHOTS, TrialRecord
from trainables.parts.protocol import VALIDATION


class ShotCurveStage(FixedStage):
    """The confirmation's seeds at other numbers of shots, for the best configuration of each approach.

    A trial for each approach and number of shots, on validation images only: the test split is not opened again. What
    the confirmation has at its own number of shots is a part of the curve and is not run again.
    """

    name = CURVE
    splits = (VALIDATION,)

    def __init__(
        self,
        journal: Journal,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        seeds: int,
        shots: Sequence[int],
    ) -> None:
        """Queue what the journal lacks of `seeds` fresh seeds at each of these numbers of shots for each winner."""
        super().__init__(journal, approaches, on_closed)
        self.wanted = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + seeds)
        trials = journal.trials([approach.name for approach in approaches])
        for approach in approaches:
            winner = best_complete(trials, approach.name)
            if winner is not None:
                left = self._interrupted(approach, winner, shots)
                for count in shots:
                    results = results_at(trials, approach.name, winner.number, count)
                    self.queue_missing(approach, winner, results, left.get(count), {SHOTS: count})

    def _interrupted(self, approach: Approach, winner: TrialRecord, shots: Sequence[int]) -> dict[int, Trial]:
        """The trials that a dead driver left of this winner, by their shots; those that are not wanted are ended."""
        found: dict[int, Trial] = {}
        for trial in self.interrupted_of(approach, winner):
            count = trial.user_attrs.get(SHOTS)
            if count is not None and count in shots:
                found[count] = trial
            else:
                self.end(approach.name, trial, NOT_ASKED)
        return found

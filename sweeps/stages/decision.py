"""The decision: those that the confirmation cannot tell from the best, on a second block of fresh seeds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sweeps.core.challenge import Approach
from sweeps.core.seeds import DECISION_SEEDS_FROM
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.fixed import left_by_a_driver
from sweeps.stages.outcomes import NOT_UNDECIDED
from sweeps.store.journal import Journal
from sweeps.store.trials import DECIDE, TrialRecord


class DecisionStage(ConfirmationStage):
    """As the confirmation, for some approaches only: what names the best must not measure it, too."""

    name = DECIDE
    seeds_from = DECISION_SEEDS_FROM

    def __init__(
        self,
        journal: Journal,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        seeds: int,
        members: Collection[str],
    ) -> None:
        """Queue what the journal lacks of `seeds` seeds for the winners of those approaches that are members.

        What an earlier start left of others is ended: after more seeds, or an extended search, they may be told apart.
        """
        left = {trial.approach for trial in journal.trials() if trial.stage == DECIDE and trial.state == "RUNNING"}
        others = [each for each in approaches if each.name in left and each.name not in members]
        super().__init__(journal, [each for each in approaches if each.name in members], on_closed, seeds=seeds)
        for approach in others:
            self.studies[approach.name] = journal.study(approach.name, DECIDE)
            for trial in left_by_a_driver(self.studies[approach.name]):
                self.end(approach.name, trial, NOT_UNDECIDED)

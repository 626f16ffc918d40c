"""The intensification: the search's best few on further seeds of it, before one of them is handed on.

What is the best of many on ten seeds owes much of its lead to them. More evidence for the few that may be handed on
(intensification: Hutter, Hoos and Leyton-Brown 2011, Sequential model-based optimization for general algorithm
configuration) costs little, since the many need none. `benchmarks/search_lengths.py` has what it gains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sweeps.core.challenge import Approach
from sweeps.core.seeds import further_search_seeds
from sweeps.stages.fixed import FixedStage
from sweeps.stages.ranking import confirmed_results, finalists
from sweeps.store.journal import Journal
from sweeps.store.trials import INTENSIFY, OF_TRIAL, TrialRecord
from trainables.parts.protocol import VALIDATION


class IntensificationStage(FixedStage):
    """As many seeds again of the search's block, validation images only, for the finalists of each approach."""

    name = INTENSIFY
    splits = (VALIDATION,)

    def __init__(
        self,
        journal: Journal,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        number: int,
        seeds: int,
        search_seed: int,
    ) -> None:
        """Queue what the journal lacks of the further seeds of each finalist, the best one first.

        Args:
            journal: Where results go.
            approaches: Whose finalists run.
            on_closed: Told of each finished trial.
            number: Finalists of each approach; with 1 nothing runs.
            seeds: Of each configuration in the search, and as many further ones.
            search_seed: It says which block of seeds is used.
        """
        super().__init__(journal, approaches, on_closed)
        self.wanted = further_search_seeds(search_seed, seeds)
        trials = journal.trials([approach.name for approach in approaches])
        for approach in approaches:
            found = finalists(trials, approach.name, number)
            left = {trial.user_attrs[OF_TRIAL]: trial for trial in self.interrupted_of(approach, *found)}
            for finalist in found:
                results = confirmed_results(trials, approach.name, finalist.number, self.name)
                self.queue_missing(approach, finalist, results, left.get(finalist.number))

"""The robustness stage: the confirmed winners on test images changed as other scanners and files change them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sweeps.core.challenge import Approach
from sweeps.core.seeds import CONFIRM_SEEDS_FROM
from sweeps.inputs import changed_images
from sweeps.stages.fixed import FixedStage
from sweeps.stages.ranking import best_complete, confirmed_results, confirmed_trials
from sweeps.store.journal import Journal
from sweeps.store.trials import ROBUSTNESS, TrialRecord
from trainables.parts.protocol import TEST

# The first of the confirmation's seeds; each is trained again and scored on all changed images.
SEEDS = 10


def seeds_of_stage(confirm_seeds: int) -> range:
    """The seeds that are scored on changed images."""
    return range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + min(SEEDS, confirm_seeds))


class RobustnessStage(FixedStage):
    """Some of the test images as they are and after each change, for each winner that has been scored on all of them.

    So it opens the test split for no configuration that the confirmation has not opened it for.
    """

    name = ROBUSTNESS

    def __init__(
        self,
        journal: Journal,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        confirm_seeds: int,
        smoke: bool,
    ) -> None:
        """Queue what the journal lacks of the first of `confirm_seeds` seeds for each confirmed winner."""
        super().__init__(journal, approaches, on_closed)
        self.splits = changed_images.splits(smoke=smoke)
        self.wanted = seeds_of_stage(confirm_seeds)
        trials = journal.trials([approach.name for approach in approaches])
        for approach in approaches:
            winner = best_complete(trials, approach.name)
            if winner is not None and _is_confirmed(trials, approach.name, winner.number):
                results = confirmed_results(trials, approach.name, winner.number, ROBUSTNESS)
                self.queue_missing(approach, winner, results, next(iter(self.interrupted_of(approach, winner)), None))


def _is_confirmed(trials: Sequence[TrialRecord], approach: str, number: int) -> bool:
    """Whether the confirmation has scored it on the test split, and has not failed."""
    results = [result for trial in confirmed_trials(trials, approach, number) for result in trial.results]
    return any(result.split == TEST for result in results) and not any(result.error for result in results)

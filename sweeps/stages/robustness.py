"""The robustness stage: the confirmed winners on test images changed as other scanners and files change them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna.trial import Trial

from sweeps.core.challenge import Approach
from sweeps.core.seeds import CONFIRM_SEEDS_FROM
from sweeps.inputs import changed_images
from sweeps.stages.fixed import FixedStage, begin_trial, left_by_a_driver
from sweeps.stages.outcomes import NOT_CONFIRMED
from sweeps.stages.ranking import best_complete, confirmed_results, confirmed_trials
from sweeps.stages.tasks import Task
from sweeps.store.journal import Journal
from sweeps.store.trials import OF_TRIAL, ROBUSTNESS, TrialRecord, write_seed
from trainables.parts.protocol import TEST
from trainables.parts.results import SeedResult

# The first of the confirmation's seeds; each is scored on all changed images.
SEEDS = 10


def seeds_of_stage(confirm_seeds: int) -> range:
    """The seeds that are scored on changed images."""
    return range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + min(SEEDS, confirm_seeds))


class RobustnessStage(FixedStage):
    """Some of the test images as they are and after each change, for each winner that has been scored on all of them.

    So it opens the test split for no configuration that the confirmation has not opened it for. Most of it is done when
    it begins, since what confirms a seed scores it on changed images, too (`ChangedImages`). Seeds that were confirmed
    without, or not at all since their workers were lost, are trained here.
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
            if winner is None or not _is_confirmed(trials, approach.name, winner.number):
                for trial in left_by_a_driver(self.studies[approach.name]):
                    self.end(approach.name, trial, NOT_CONFIRMED)
                continue
            results = confirmed_results(trials, approach.name, winner.number, ROBUSTNESS)
            self.queue_missing(approach, winner, results, next(iter(self.interrupted_of(approach, winner)), None))


class ChangedImages:
    """Changed images for what confirms the same seeds, so that nothing is trained twice.

    Results go where the stage has its own, which takes them up as it does what a dead driver left.
    """

    def __init__(self, journal: Journal, *, confirm_seeds: int, smoke: bool) -> None:
        """Begin with nothing; the arguments are the stage's."""
        self.splits = changed_images.splits(smoke=smoke)
        self._wanted = seeds_of_stage(confirm_seeds)
        self._journal = journal
        # By approach: the seeds that the stage lacks of its winner, and the stage's trial of that.
        self._lacking: dict[str, set[int]] = {}
        self._trials: dict[str, Trial] = {}

    def look(self, trials: Sequence[TrialRecord], winner: TrialRecord) -> None:
        """See what the stage has of this winner; one that has failed there once is left at that."""
        results = confirmed_results(trials, winner.approach, winner.number, ROBUSTNESS)
        done = {result.seed for result in results if result.split == self.splits[-1]}
        has_failed = any(result.error for result in results)
        self._lacking[winner.approach] = set() if has_failed else {*self._wanted} - done

    def lacks(self, approach: str, seed: int) -> bool:
        """Whether this seed of the winner is to be scored on changed images."""
        return seed in self._lacking[approach]

    def begin(self, approach: Approach, winner: TrialRecord) -> None:
        """Begin the stage's trial of this winner, unless a dead driver did."""
        study = self._journal.study(approach.name, ROBUSTNESS)
        left = [trial for trial in left_by_a_driver(study) if trial.user_attrs.get(OF_TRIAL) == winner.number]
        for trial in left:
            # The driver may have died while it got its parameters.
            approach.suggest(trial)
        found = left or [begin_trial(study, approach, winner.params, {OF_TRIAL: winner.number})]
        self._trials[approach.name] = found[0]

    def take(self, task: Task, result: SeedResult) -> None:
        """Write a result of a task of the confirmation into the journal."""
        write_seed(self._trials[task.approach], result, self._journal.ranked_by)


def _is_confirmed(trials: Sequence[TrialRecord], approach: str, number: int) -> bool:
    """Whether the confirmation has scored it on the test split, and has not failed."""
    results = [result for trial in confirmed_trials(trials, approach, number) for result in trial.results]
    return any(result.split == TEST for result in results) and not any(result.error for result in results)

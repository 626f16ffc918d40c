"""The reproduction: the study's own settings on the study's own seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search_spaces.published.settings import Setting
from sweeps.core.challenge import Approach
from sweeps.core.seeds import STUDY_SEEDS_FROM
from sweeps.stages.fixed import FixedStage
from sweeps.store.journal import Journal
from sweeps.store.trials import SEARCH, SEEDS_WANTED, TrialRecord, attributes_of_seeds, seeds_of
from trainables.parts.protocol import VALIDATION

# How many seeds the study is taken to have where it does not state their number.
USUAL_SEEDS = 50
# And in a smoke run.
SMOKE_SEEDS = 3


def study_seeds(setting: Setting, *, smoke: bool) -> range:
    """The seeds of one of the study's numbers."""
    count = setting.seeds or USUAL_SEEDS
    return range(STUDY_SEEDS_FROM, STUDY_SEEDS_FROM + (min(count, SMOKE_SEEDS) if smoke else count))


class ReproductionStage(FixedStage):
    """Every approach at each of its published settings, on validation images only."""

    name = SEARCH
    splits = (VALIDATION,)

    def __init__(
        self,
        journal: Journal,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        smoke: bool,
    ) -> None:
        """Queue what the journal lacks. A new journal's trial 0 is the main setting; the variants follow.

        A setting that was given up, since its workers were lost or a seed took too long, gets a new trial, which has
        the seeds that were finished.
        """
        super().__init__(journal, approaches, on_closed)
        for approach in approaches:
            study = self.studies[approach.name]
            for setting in approach.published_settings.values():
                given_up = _given_up(study, setting)
                kept = attributes_of_seeds(given_up.user_attrs) if given_up else {}
                wanted = len(study_seeds(setting, smoke=smoke))
                study.enqueue_trial(
                    dict(setting.params), user_attrs={SEEDS_WANTED: wanted, **kept}, skip_if_exists=given_up is None
                )
            for trial in self._unfinished(approach):
                done = {result.seed for result in seeds_of(trial.user_attrs)}
                missing = [seed for seed in range(trial.user_attrs[SEEDS_WANTED]) if seed not in done]
                self.queue(approach.name, trial, trial.params, missing)

    def _unfinished(self, approach: Approach) -> list[Trial]:
        """The trials that a dead driver left, and then the new ones, with all their parameters."""
        study = self.studies[approach.name]
        interrupted = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        new = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        trials = [*(Trial(study, frozen._trial_id) for frozen in interrupted), *(study.ask() for _ in new)]
        for trial in trials:
            # Of an interrupted one the journal may lack some parameters; all are given, none is drawn.
            approach.suggest(trial)
        return trials


def _given_up(study: Study, setting: Setting) -> FrozenTrial | None:
    """The last trial of a setting, if it failed and none of its seeds did."""
    # What Optuna keeps of a trial that was queued, also before it begins.
    queued = [each for each in study.get_trials(deepcopy=False) if each.system_attrs["fixed_params"] == setting.params]
    if not queued or queued[-1].state != TrialState.FAIL:
        return None
    return None if any(result.error for result in seeds_of(queued[-1].user_attrs)) else queued[-1]

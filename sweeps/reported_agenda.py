"""The study's own settings on the study's own seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna.trial import Trial, TrialState

from search_spaces.reported import Variant
from sweeps.agenda import Tally
from sweeps.challenge import Approach
from sweeps.given import GivenAgenda
from sweeps.record import SEARCH, Record, TrialRecord, seeds_of
from trainables.protocol import VALIDATION

# The study's seeds where it does not state their number; it begins with seed 0.
USUAL_SEEDS = 50
# And in a smoke run.
SMOKE_SEEDS = 3


def study_seeds(setting: Variant, *, smoke: bool) -> range:
    """The seeds of one of the study's numbers."""
    count = setting.seeds or USUAL_SEEDS
    return range(min(count, SMOKE_SEEDS) if smoke else count)


class ReportedAgenda(GivenAgenda):
    """Every approach at each of its published settings, on validation images only."""

    stage = SEARCH
    splits = (VALIDATION,)

    def __init__(
        self,
        record: Record,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        smoke: bool,
    ) -> None:
        """Queue what the record lacks. A new record's trial 0 is the main setting; the variants follow."""
        super().__init__(record, approaches, on_closed)
        for approach in approaches:
            self.tallies[approach.name] = Tally(seconds_a_seed=approach.seconds_a_seed, seeds_left=0)
            study = self.studies[approach.name]
            for setting in approach.reported.settings().values():
                count = len(study_seeds(setting, smoke=smoke))
                study.enqueue_trial(dict(setting.params), user_attrs={"seeds": count}, skip_if_exists=True)
            interrupted = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            new = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            for trial in [*(Trial(study, frozen._trial_id) for frozen in interrupted), *(study.ask() for _ in new)]:
                # Of an interrupted one the record may lack some parameters; all are given, none is drawn.
                approach.suggest(trial)
                done = {result.seed for result in seeds_of(trial.user_attrs)}
                wanted = range(trial.user_attrs["seeds"])
                self.queue(approach.name, trial, trial.params, [seed for seed in wanted if seed not in done])

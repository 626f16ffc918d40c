"""The control: what costs next to nothing, on the fresh seeds and on many others, to tell lucky seeds from others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sweeps.core.challenge import Approach
from sweeps.core.seeds import CONFIRM_SEEDS_FROM, CONTROL_SEEDS, DECISION_SEEDS_FROM
from sweeps.stages.fixed import FixedStage, begin_trial, left_by_a_driver
from sweeps.store.journal import Journal
from sweeps.store.trials import CONTROL, TrialRecord
from trainables.parts.protocol import VALIDATION
from trainables.pixel_baseline import PixelBaseline

if TYPE_CHECKING:
    from optuna import Trial

PARAMS: Mapping[str, Any] = {"representation": "zscore", "classifier": "ridge", "ridge_alpha": 1.0}


class _Space:
    """One configuration."""

    def suggest(self, trial: Trial) -> None:
        for name, value in PARAMS.items():
            trial.suggest_categorical(name, [value])


# Good configurations of two approaches correlate with it by .35 and .46 over seeds (benchmarks/lucky_seeds.py).
ZSCORE_RIDGE = Approach(name="zscore_ridge", learner=PixelBaseline, space=_Space(), seconds_per_seed=0.02)


def seeds_of_stage(confirm_seeds: int, *, is_decided: bool) -> list[int]:
    """The fresh seeds, those of a second block only if there is one, and the others."""
    first, second = (range(start, start + confirm_seeds) for start in (CONFIRM_SEEDS_FROM, DECISION_SEEDS_FROM))
    return [*first, *(second if is_decided else ()), *CONTROL_SEEDS]


def scores(trials: Sequence[TrialRecord], ranked_by: str) -> dict[int, float]:
    """The control's score by seed, fractions."""
    results = [result for trial in trials if trial.stage == CONTROL for result in trial.results]
    return {result.seed: getattr(result, ranked_by) for result in results if result.error is None}


class ControlStage(FixedStage):
    """The control on some seeds; it is no approach of the sweep and stands in no table."""

    name = CONTROL
    splits = (VALIDATION,)

    def __init__(self, journal: Journal, *, seeds: Collection[int]) -> None:
        """Queue those of the seeds that the journal lacks; a control that has failed once is left at that."""
        # MLflow has no run of it.
        super().__init__(journal, [ZSCORE_RIDGE], lambda record: None)
        results = [result for trial in journal.trials([ZSCORE_RIDGE.name]) for result in trial.results]
        done = {result.seed for result in results}
        missing = [seed for seed in seeds if seed not in done]
        # What a dead driver left; it may lack parameters.
        trial = next(iter(left_by_a_driver(self.studies[ZSCORE_RIDGE.name])), None)
        if trial is not None:
            ZSCORE_RIDGE.suggest(trial)
        elif missing and not any(result.error for result in results):
            trial = begin_trial(self.studies[ZSCORE_RIDGE.name], ZSCORE_RIDGE, PARAMS, {})
        if trial is not None:
            self.queue(ZSCORE_RIDGE.name, trial, PARAMS, missing)

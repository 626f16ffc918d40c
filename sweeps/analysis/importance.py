"""Which hyperparameters mattered, by PED-ANOVA, and how far that can be believed.

PED-ANOVA asks how differently a parameter's values are spread among the best configurations and among all that were
tried (Watanabe et al. 2023, https://arxiv.org/abs/2304.10255). It is Optuna's; two choices are ours:

- "All" are complete and raced-out configurations; Optuna by itself takes the complete ones alone. A parameter that
  decides who is raced out would seem useless among those that were not. Raced-out ones rank below all complete ones,
  since their means are over fewer seeds.
- "The best" are the best fifth, of 50 configurations ten, where Optuna's default of a tenth would leave five; or all
  complete ones where racing left fewer.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, create_trial

from sweeps.store.trials import TrialRecord, has_same_results, searched

# Configurations below which nothing is said: complete ones, and with the raced-out ones.
LEAST_COMPLETE, LEAST_TRIED = 5, 20
BEST_SHARE = 0.2
# Of either kind. Optuna takes about 12 ms for each, and a report has up to a dozen approaches.
RESAMPLES = 12


@dataclass(frozen=True, kw_only=True)
class Importance:
    """One parameter's share of what PED-ANOVA finds, which is 1 for all parameters of an approach together.

    `low` to `high` is the range of the resamples, drawn out to the share where that lies outside; `chance` is the most
    that this parameter got, on the same scale, where it had no effect.
    """

    param: str
    share: float
    low: float
    high: float
    chance: float


def is_enough(complete: int, tried: int) -> bool:
    """Whether so many complete configurations, of so many complete and raced-out ones, say anything of importance."""
    return complete >= LEAST_COMPLETE and tried >= LEAST_TRIED


def importances(trials: Iterable[TrialRecord], approach: str) -> list[Importance]:
    """The approach's parameters that have several values, most important first; empty with too few configurations.

    Resamples are bootstrap resamples of the configurations (drawn with replacement); for `chance`, configurations whose
    scores are shuffled. Both are drawn from a fixed seed, so the same journal gives the same numbers.
    """
    tried = [trial for trial in searched(trials, approach) if trial.state in ("COMPLETE", "PRUNED")]
    # What was stopped since another has its results is as good as that one, not a loser.
    own = [trial for trial in tried if len(trial.scores) and not has_same_results(trial.reason)]
    complete = sum(trial.state == "COMPLETE" for trial in own)
    if not is_enough(complete, len(own)):
        return []
    best_share = min(BEST_SHARE, complete / len(own))
    values_N = np.array([trial.scores.mean() - (trial.state == "PRUNED") for trial in own])
    rng = np.random.default_rng(0)
    values: dict[str, set[object]] = {}
    for trial in own:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(value)
    names = sorted(name for name, tried_of_it in values.items() if len(tried_of_it) > 1)
    whole_P = _evaluate(own, values_N, names, best_share)
    if whole_P.sum() <= 0:
        return []
    drawn_RP = np.empty((RESAMPLES, len(names)))
    shuffled_RP = np.empty((RESAMPLES, len(names)))
    for row in range(RESAMPLES):
        picked = rng.integers(len(own), size=len(own))
        drawn_P = _evaluate([own[index] for index in picked], values_N[picked], names, best_share)
        drawn_RP[row] = drawn_P / max(drawn_P.sum(), 1e-12)
        shuffled_RP[row] = _evaluate(own, rng.permutation(values_N), names, best_share) / whole_P.sum()
    found = [
        Importance(
            param=name,
            share=float(share),
            low=float(min(drawn_R.min(), share)),
            high=float(max(drawn_R.max(), share)),
            chance=float(shuffled_R.max()),
        )
        for name, share, drawn_R, shuffled_R in zip(
            names, whole_P / whole_P.sum(), drawn_RP.T, shuffled_RP.T, strict=True
        )
    ]
    return sorted(found, key=lambda each: (-each.share, each.param))


def _evaluate(
    trials: Sequence[TrialRecord], values_N: np.ndarray, names: Sequence[str], best_share: float
) -> np.ndarray:
    """Optuna's importance of each parameter, unscaled; 0 for one that these configurations do not have."""
    # Not at the top: it imports scikit-learn, which takes a second at each start of a command.
    from optuna.importance import PedAnovaImportanceEvaluator

    study = optuna.create_study(direction="maximize")
    study.add_trials([_frozen(trial, value) for trial, value in zip(trials, values_N, strict=True)])
    with warnings.catch_warnings():
        # A resample may leave a conditional parameter with one configuration, of which Optuna warns.
        warnings.simplefilter("ignore")
        found = PedAnovaImportanceEvaluator(target_quantile=best_share).evaluate(study)
    return np.array([found.get(name, 0.0) for name in names])


def _frozen(trial: TrialRecord, value: float) -> FrozenTrial:
    return create_trial(params=dict(trial.params), distributions=dict(trial.distributions), value=float(value))

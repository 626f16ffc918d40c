"""How much choosing flattered the winner of a search, with the difficulty of the search's seeds taken out.

The estimand is the expected flattery of choosing among these configurations on so many seeds: the mean, over draws of
the search's seeds, of the chosen configuration's mean on them less its true mean. A block of seeds that is easy for all
configurations is as often a hard one, so that it counts for nothing here.

It is estimated from the search's own seeds, by choosing again with more noise (the coupled bootstrap: Oliveira, Lei and
Tibshirani 2021, Unbiased risk estimation in the normal means problem via coupled bootstrap techniques). With the means
`m` of the configurations over S seeds, and `Z` normal noise of the covariance that the seeds show of these means,
`m + sqrt(a) Z` and `m - Z / sqrt(a)` are independent, and both have the true means. Who is chosen by the first is on
average flattered by

    E[(sqrt(a) + 1 / sqrt(a)) Z of the chosen],

without bias whatever the true means are, but in a search whose noise has 1 + a times the variance. With the noise of
the search itself the flattery is less, by (1 + a)^.8 in simulations: between the .5 of equal configurations and the 1
or more of those that differ by much, so that it is too little where noise is far greater than all differences.
Configurations that were raced out stand beside the others with the mean of the seeds that they have, and with the noise
that all S seeds would leave. The interval is of the delete-one jackknife over the seeds, with the quantile of Student's
t. What it is worth is in `benchmarks/optimism.py`.

Shapes: C configurations, S seeds, D draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from sweeps.store.trials import TrialRecord

# Seeds below which the noise's covariance says nothing.
LEAST_SEEDS = 3
# Of the search's variance, how much noise is added, and the power of the whole by which flattery grows.
ADDED, POWER = 1.0, 0.8
DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Optimism:
    """By how much choosing is expected to have flattered the winner, with its 95 % interval; fractions.

    `regret` is how much worse the winner is expected to be than the best configuration that was searched.
    """

    mean: float
    low: float
    high: float
    regret: float


def optimism(in_search: Sequence[TrialRecord]) -> Optimism | None:
    """Of the winner of one approach's search; None if it was not chosen among others.

    That needs two different configurations that are complete, on three seeds. Exact repeats of a configuration count
    once.

    Args:
        in_search: Its search trials.
    """
    scores_CS = scores(in_search)
    if (~np.isnan(scores_CS)).all(1).sum() < 2 or scores_CS.shape[1] < LEAST_SEEDS:
        return None
    return flattery(scores_CS)


def scores(in_search: Sequence[TrialRecord]) -> np.ndarray:
    """What ranks (C, S), of each different configuration that is complete or raced out, NaN where it has no seed."""
    different: dict[tuple[tuple[str, object], ...], TrialRecord] = {}
    for trial in sorted(in_search, key=lambda trial: (trial.state != "COMPLETE", trial.number)):
        if trial.state in ("COMPLETE", "PRUNED") and trial.scores_by_seed:
            different.setdefault(tuple(sorted(trial.params.items())), trial)
    complete = [set(trial.scores_by_seed) for trial in different.values() if trial.state == "COMPLETE"]
    seeds = sorted(set.intersection(*complete)) if complete else []
    rows = [[trial.scores_by_seed.get(seed, math.nan) for seed in seeds] for trial in different.values()]
    found = np.array(rows, dtype=float).reshape(len(rows), len(seeds))
    # One seed shows no noise, and none would be left without it.
    return found[(~np.isnan(found)).sum(1) >= LEAST_SEEDS]


def flattery(scores_CS: np.ndarray) -> Optimism:
    """Of choosing among configurations by their means over the seeds.

    Args:
        scores_CS: What ranks, NaN where a configuration was raced out; two complete rows and three seeds at least.
    """
    seeds = scores_CS.shape[1]
    half_DS = np.random.default_rng(0).normal(size=(DRAWS // 2, seeds))
    normal_DS = np.concatenate([half_DS, -half_DS])
    # Choosing the greatest mean never harms on average.
    mean = max(_flattery(scores_CS, normal_DS), 0.0)
    without_S = [_flattery(np.delete(scores_CS, at, 1), np.delete(normal_DS, at, 1)) for at in range(seeds)]
    # Fewer seeds are noisier by themselves.
    error = math.sqrt((seeds - 1) * float(np.var(without_S))) * math.sqrt((seeds - 1) / seeds)
    half = float(scipy.stats.t.ppf(0.975, seeds - 1)) * error
    return Optimism(mean=mean, low=max(mean - half, 0.0), high=mean + half, regret=regret(scores_CS))


def _flattery(scores_CS: np.ndarray, normal_DS: np.ndarray) -> float:
    mean_C, noise_DC = _noise(scores_CS, normal_DS)
    root = math.sqrt(ADDED)
    chosen_D = (mean_C + root * noise_DC).argmax(1)
    of_chosen_D = noise_DC[np.arange(len(noise_DC)), chosen_D]
    return float((root + 1 / root) * of_chosen_D.mean() / (1 + ADDED) ** POWER)


def regret(scores_CS: np.ndarray) -> float:
    """By how much the chosen configuration is expected to be worse than the best of these, in what ranks.

    The mean of `max(t) - t of the chosen` over draws of noise on true means `t`. Observed means differ by more than
    true ones, by their noise: so they are drawn together until their variance is what is left without it (constrained
    empirical Bayes: Ghosh 1992).

    Args:
        scores_CS: As for `flattery`.
    """
    normal_DS = np.random.default_rng(0).normal(size=(DRAWS, scores_CS.shape[1]))
    mean_C, noise_DC = _noise(scores_CS, normal_DS)
    share_C = scores_CS.shape[1] / (~np.isnan(scores_CS)).sum(1)
    of_noise = float((noise_DC.var(0) * share_C).mean())
    kept = math.sqrt(max(1 - of_noise / max(float(mean_C.var(ddof=1)), 1e-12), 0.0))
    true_C = mean_C.mean() + kept * (mean_C - mean_C.mean())
    return float(true_C.max() - true_C[(true_C + noise_DC).argmax(1)].mean())


def _noise(scores_CS: np.ndarray, normal_DS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each configuration's mean (C,), and draws (D, C) of the noise that means over all seeds have."""
    mean_C, difficulty_S = additive(scores_CS)
    # A seed's difficulty for all is chosen by nobody.
    off_CS = np.nan_to_num(scores_CS - mean_C[:, None] - difficulty_S)
    degrees_C = (~np.isnan(scores_CS)).sum(1) - 1
    noise_DC: np.ndarray = normal_DS @ (off_CS / np.sqrt(scores_CS.shape[1] * np.maximum(degrees_C, 1))[:, None]).T
    return mean_C, noise_DC


def additive(scores_CS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each configuration's mean (C,) without the difficulty of its seeds, and each seed's difficulty (S,).

    Least squares of a sum of both where some scores are missing (NaN); the difficulties' mean is 0.
    """
    has_CS = ~np.isnan(scores_CS)
    known_CS, difficulty_S = np.nan_to_num(scores_CS), np.zeros(scores_CS.shape[1])
    seeds_C, configurations_S = has_CS.sum(1), has_CS.sum(0)
    for _ in range(20 if not has_CS.all() else 1):
        mean_C = (known_CS.sum(1) - has_CS @ difficulty_S) / seeds_C
        difficulty_S = (known_CS.sum(0) - mean_C @ has_CS) / configurations_S
        difficulty_S = difficulty_S - difficulty_S.mean()
    return mean_C, difficulty_S

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
the search itself the flattery is less: by sqrt(1 + a) among equal configurations, by more among those that differ. By
how much is simulated: it is the ratio of the flattery with either noise among means that are spread as the true ones
of the upper half seem to be, since only good ones are chosen, and poor ones lie far below.

Where finalists met further seeds, the choice is made again in these two steps: `m + sqrt(a) Z` names the finalists, and
further noise of variance 1 + a around such means is added with the weight that further seeds have. What the finalists
got on these is not used, since others are finalists in other draws. The chosen one is flattered by both noises, each
with its weight.

Configurations that were raced out stand beside the others with the mean of the seeds that they have, three at least,
and with the noise that all S seeds would leave. The interval is made for the root of the flattery, by the delete-one
jackknife over the search's seeds with the quantile of Student's t, and its ends are squared: flattery is in proportion
to the noise that it is estimated from, so that its own errors grow with it, and those of its root less. What it is
worth is in `benchmarks/optimism.py`.

Shapes: C configurations, S seeds, D draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from sweeps.store.trials import TrialRecord
from trainables.parts.results import SeedResult

# Seeds below which the noise's covariance says nothing.
LEAST_SEEDS = 3
# Fewer configurations with so many seeds do not stand for those that were stopped before.
LEAST_CHOSEN_AMONG = 3
# Of the search's variance, how much noise is added.
ADDED = 1.0
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


@dataclass(frozen=True, kw_only=True)
class Finalists:
    """How many configurations met further seeds before one was handed on, and how many of these each."""

    number: int
    seeds: int

    @classmethod
    def of(cls, further: Sequence[Sequence[SeedResult]]) -> Finalists | None:
        """By the further results of each that has them all; None if nobody has."""
        return cls(number=len(further), seeds=min(map(len, further))) if further else None


def optimism(in_search: Sequence[TrialRecord], finalists: Finalists | None = None) -> Optimism | None:
    """Of the winner of one approach's search; None if it was not chosen among others.

    That needs two different configurations that are complete, on three seeds that are not all alike; and three with so
    many seeds where others, which were chosen among too, have fewer. Exact repeats of a configuration count once.

    Args:
        in_search: Its search trials.
        finalists: Who met further seeds, if anybody did; the winner is flattered on all its seeds.
    """
    scores_CS = scores(in_search)
    if (~np.isnan(scores_CS)).all(1).sum() < 2 or scores_CS.shape[1] < LEAST_SEEDS:
        return None
    has_enough_C = (~np.isnan(scores_CS)).sum(1) >= LEAST_SEEDS
    if has_enough_C.sum() < LEAST_CHOSEN_AMONG and not has_enough_C.all():
        return None
    # Seeds that are all alike, as where all scores are 100 %, show no noise.
    if np.nanmax(scores_CS.max(1) - scores_CS.min(1)) < 1e-12:
        return None
    return flattery(scores_CS, finalists)


def scores(in_search: Sequence[TrialRecord]) -> np.ndarray:
    """What ranks (C, S), of each different configuration that is complete or raced out, NaN where it has no seed."""
    different: dict[tuple[tuple[str, object], ...], TrialRecord] = {}
    for trial in sorted(in_search, key=lambda trial: (trial.state != "COMPLETE", trial.number)):
        if trial.state in ("COMPLETE", "PRUNED") and trial.scores_by_seed:
            different.setdefault(tuple(sorted(trial.params.items())), trial)
    complete = [set(trial.scores_by_seed) for trial in different.values() if trial.state == "COMPLETE"]
    seeds = sorted(set.intersection(*complete)) if complete else []
    rows = [[trial.scores_by_seed.get(seed, math.nan) for seed in seeds] for trial in different.values()]
    return np.array(rows, dtype=float).reshape(len(rows), len(seeds))


def flattery(scores_CS: np.ndarray, finalists: Finalists | None = None) -> Optimism:
    """Of choosing among configurations by their means over the seeds.

    Args:
        scores_CS: What ranks, NaN where a configuration was raced out; two complete rows and three seeds at least.
        finalists: Who met further seeds; None where the greatest mean over these was handed on.
    """
    # One seed shows no noise, and none would be left without it.
    scores_CS = scores_CS[(~np.isnan(scores_CS)).sum(1) >= LEAST_SEEDS]
    seeds, rng = scores_CS.shape[1], np.random.default_rng(0)
    normal_2DS = np.stack([np.concatenate([half, -half]) for half in rng.normal(size=(2, DRAWS // 2, seeds))])
    root = _root(scores_CS, normal_2DS, finalists)
    without_S = [_root(np.delete(scores_CS, at, 1), np.delete(normal_2DS, at, 2), finalists) for at in range(seeds)]
    # Fewer seeds are noisier by themselves.
    of_seeds = math.sqrt((seeds - 1) * float(np.var(without_S))) * math.sqrt((seeds - 1) / seeds)
    half = float(scipy.stats.t.ppf(0.975, seeds - 1)) * of_seeds
    low, high = max(root - half, 0.0) ** 2, min((root + half) ** 2, 1.0)
    return Optimism(mean=root**2, low=low, high=high, regret=regret(scores_CS, finalists))


def _root(scores_CS: np.ndarray, normal_2DS: np.ndarray, finalists: Finalists | None) -> float:
    # Choosing the greatest mean never harms on average.
    return math.sqrt(max(_flattery(scores_CS, normal_2DS, finalists), 0.0))


def _flattery(scores_CS: np.ndarray, normal_2DS: np.ndarray, finalists: Finalists | None) -> float:
    noise, root = _Noise(scores_CS), math.sqrt(ADDED)
    noise_DC = noise.of_all(normal_2DS[0])
    spread_C = noise.upper(noise_DC)

    def flattered(mean_C: np.ndarray, added: float, whole: float, of_first: float) -> float:
        """With `added` times the noise on the means, `whole` times on further ones, `of_first` times in the result."""
        chosen = noise.chosen(mean_C + added * noise_DC, spread_C, whole, normal_2DS[1], finalists)
        first_D = of_first * noise_DC[np.arange(len(noise_DC)), chosen.number]
        return float((chosen.weight * first_D + (1 - chosen.weight) * chosen.noise).mean())

    more = math.sqrt(1 + ADDED)
    ratio = flattered(spread_C, 1.0, 1.0, 1.0) / max(flattered(spread_C, more, more, more), 1e-12)
    return flattered(noise.mean_C, root, more, root + 1 / root) * min(ratio, 1 / more)


def regret(scores_CS: np.ndarray, finalists: Finalists | None = None) -> float:
    """By how much the chosen configuration is expected to be worse than the best of these, in what ranks.

    The mean of `max(t) - t of the chosen` over draws of noise on true means `t`, in both steps where there are two.
    Observed means differ by more than true ones, by their noise: so they are drawn together until their variance is
    what is left without it (constrained empirical Bayes: Ghosh 1992).

    Args:
        scores_CS: As for `flattery`.
        finalists: As for `flattery`.
    """
    normal_2DS = np.random.default_rng(0).normal(size=(2, DRAWS, scores_CS.shape[1]))
    noise = _Noise(scores_CS)
    noise_DC = noise.of_all(normal_2DS[0])
    true_C = noise.true(noise_DC)
    seen_DC = true_C + noise_DC
    chosen_D = noise.chosen(seen_DC, true_C, 1.0, normal_2DS[1], finalists).number
    return float(true_C.max() - true_C[chosen_D].mean())


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """What each draw chooses in two steps (D,), the noise of its further mean (D,), and the first mean's weight."""

    number: np.ndarray
    noise: np.ndarray
    weight: float


class _Noise:
    """Each configuration's mean (C,), and the noise that means over all seeds have."""

    def __init__(self, scores_CS: np.ndarray) -> None:
        self.mean_C, difficulty_S = additive(scores_CS)
        self.runs_C = (~np.isnan(scores_CS)).sum(1)
        self.seeds = scores_CS.shape[1]
        # A seed's difficulty for all is chosen by nobody.
        off_CS = np.nan_to_num(scores_CS - self.mean_C[:, None] - difficulty_S)
        self._root_CS = off_CS / np.sqrt(self.seeds * np.maximum(self.runs_C - 1, 1))[:, None]

    def of_all(self, normal_DS: np.ndarray) -> np.ndarray:
        """Draws of it (D, C)."""
        noise_DC: np.ndarray = normal_DS @ self._root_CS.T
        return noise_DC

    def true(self, noise_DC: np.ndarray) -> np.ndarray:
        """Means (C,) that differ by as much as true ones do."""
        return self._drawn_together(float(self.mean_C.mean()), float(self.mean_C.var(ddof=1)), noise_DC)

    def upper(self, noise_DC: np.ndarray) -> np.ndarray:
        """Means (C,) of which the upper half differs by as much as true ones of it do."""
        middle = float(np.median(self.mean_C))
        above = self.mean_C[self.mean_C > middle]
        return self._drawn_together(middle, float(((above - middle) ** 2).sum()) / max(len(above), 1), noise_DC)

    def _drawn_together(self, middle: float, variance: float, noise_DC: np.ndarray) -> np.ndarray:
        """Means (C,) around that middle whose variance is what is left of this one without their noise."""
        of_noise = float((noise_DC.var(0) * self.seeds / self.runs_C).mean())
        drawn_C: np.ndarray = middle + math.sqrt(max(1 - of_noise / max(variance, 1e-12), 0.0)) * (self.mean_C - middle)
        return drawn_C

    def chosen(
        self,
        seen_DC: np.ndarray,
        true_C: np.ndarray,
        factor: float,
        normal_DS: np.ndarray,
        finalists: Finalists | None,
    ) -> _Chosen:
        """The greatest mean over all seeds, of those with the greatest means over the first ones.

        Args:
            seen_DC: Means over the first seeds.
            true_C: True means, which the further seeds are drawn around.
            factor: How many times the search's noise, at as many seeds, the further seeds have.
            normal_DS: Draws for that noise.
            finalists: How many, on how many seeds; None if there are no further ones.
        """
        if finalists is None:
            return _Chosen(number=seen_DC.argmax(1), noise=np.zeros(len(seen_DC)), weight=1.0)
        number, draws = min(finalists.number, seen_DC.shape[1]), np.arange(len(seen_DC))[:, None]
        best_DF = np.argpartition(-seen_DC, number - 1, axis=1)[:, :number]
        factor *= math.sqrt(self.seeds / finalists.seeds)
        noise_DF = factor * np.einsum("dfs,ds->df", self._root_CS[best_DF], normal_DS)
        weight = self.seeds / (self.seeds + finalists.seeds)
        at_D = (weight * seen_DC[draws, best_DF] + (1 - weight) * (true_C[best_DF] + noise_DF)).argmax(1)[:, None]
        return _Chosen(number=best_DF[draws, at_D][:, 0], noise=noise_DF[draws, at_D][:, 0], weight=weight)


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

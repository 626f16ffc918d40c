"""What stands for training in replayed searches: a random forest that answers for any configuration of a space.

A surrogate benchmark (Eggensperger and others 2015, "Efficient Benchmarking of Hyperparameter Optimizers via
Surrogates"): a table of real results has no answer for what a sampler suggests, so a forest is fitted to it. For a
configuration x the forest gives each of the table's configurations a weight (those in the same leaves, as quantile
forests have it), and with weights w:

- mean(x) = sum of w times their means: the truth by which searches are judged.
- score(x, seed) = mean(x) + common(x, seed) + own(x, seed). `common` is the weighted mean of their deviations on a real
  seed, so that seeds are as difficult for x as for those like it; `own` is what the forest does not explain of one of
  them, drawn with w, on another seed. It is scaled so that a seed's standard deviation is that configuration's.

Seeds of a search are drawn from the table's with replacement, so that they err as seeds do that nobody has seen.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from make_table import APPROACHES
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import stats
from sklearn.ensemble import RandomForestRegressor
from tables import Table, read_all

from sweeps.core.challenge import Approach
from sweeps.stages.sampling import replayed

TREES = 200
FOLDS = 10


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """Parameters as numbers: one for each choice of a category, logarithms where the space has them, -1 if absent."""

    distributions: Mapping[str, BaseDistribution]

    @classmethod
    def of(cls, approach: Approach, configurations: Sequence[Mapping[str, Any]]) -> Encoding:
        """Of all parameters that any of these configurations has."""
        found: dict[str, BaseDistribution] = {}
        for params in configurations:
            found |= replayed(approach, params)[0].distributions
        return cls(distributions=dict(sorted(found.items())))

    def __call__(self, params: Mapping[str, Any]) -> np.ndarray:
        """The numbers (D,), each from 0 to 1 where the parameter is there."""
        return np.concatenate([_encoded(each, params.get(name)) for name, each in self.distributions.items()])


def _encoded(distribution: BaseDistribution, value: Any) -> np.ndarray:
    if isinstance(distribution, CategoricalDistribution):
        return np.array([float(value == choice) if value is not None else -1.0 for choice in distribution.choices])
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if value is None:
        return np.array([-1.0])
    low, high, at = distribution.low, distribution.high, value
    if distribution.log:
        low, high, at = np.log(low), np.log(high), np.log(at)
    return np.array([(at - low) / (high - low)])


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Of one configuration: its true mean in points and CPU seconds a seed, and what seeds (S,) do to it.

    `common` is by seed of the table; `own` is what its own noise is drawn from.
    """

    mean: float
    seconds: float
    common: np.ndarray
    own: np.ndarray

    def scores(self, seeds_N: np.ndarray, key: int) -> np.ndarray:
        """Accuracies (N,) on these seeds of the table, in points, of a thousand images; `key` starts its own noise."""
        own = np.random.default_rng([key, *seeds_N]).choice(self.own, len(seeds_N))
        return np.clip(np.round(self.mean + self.common[seeds_N] + own, 1), 0, 100)


class Surrogate:
    """A forest on one approach's table."""

    def __init__(self, approach: Approach, table: Table) -> None:
        self.encoding = Encoding.of(approach, table.params)
        self.encoded = np.stack([self.encoding(params) for params in table.params])
        self.means = table.accuracies.mean(axis=1)
        self.deviations = table.accuracies - self.means[:, None]
        self.seconds = table.seconds.mean(axis=1)
        self.forest = _Forest(self.encoded, self.means)
        # What the trees that have not seen a configuration say of its deviations.
        unseen = self.forest.weights_of_unseen()
        common = unseen @ self.deviations
        own = self.deviations - common
        own = own - own.mean(axis=1, keepdims=True)
        wanted = np.maximum(self.deviations.var(axis=1) - common.var(axis=1), 0.0)
        self.own = own * np.sqrt(wanted / np.maximum(own.var(axis=1), 1e-9))[:, None]

    def __call__(self, params: Mapping[str, Any]) -> Answer:
        """What the forest says of a configuration."""
        weights = self.forest.weights(self.encoding(params))
        like = np.random.default_rng(key(params)).choice(len(weights), p=weights)
        return Answer(
            mean=float(weights @ self.means),
            seconds=float(weights @ self.seconds),
            common=weights @ self.deviations,
            own=self.own[like],
        )


@cache
def fitted(approach: str, tables: tuple[Path, ...]) -> tuple[Surrogate, Table]:
    """The surrogate of an approach, on one half of its table's seeds, and the table of the other half.

    It stands here, since what a script itself caches cannot be sent to other processes, each of which fits it once.
    """
    table = read_all(tables)[approach]
    return Surrogate(APPROACHES[approach], table.half(1)), table.half(0)


class _Forest:
    """The weights that a random forest of one target gives the configurations that it was fitted to."""

    def __init__(self, encoded_CD: np.ndarray, target_C: np.ndarray) -> None:
        forest = RandomForestRegressor(TREES, random_state=0).fit(encoded_CD, target_C)
        self.trees = [each.tree_ for each in forest.estimators_]
        self.encoded = np.float32(encoded_CD)
        # Of each leaf, the share (C,) that each configuration has in it.
        self.shares: list[np.ndarray] = []
        self.is_unseen = np.ones((len(self.trees), len(target_C)), dtype=bool)
        for at, (tree, drawn) in enumerate(zip(self.trees, forest.estimators_samples_, strict=True)):
            shares = np.zeros((tree.node_count, len(target_C)))
            np.add.at(shares, (tree.apply(self.encoded[drawn]), drawn), 1.0)
            self.shares.append(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0))
            self.is_unseen[at, drawn] = False

    def weights(self, encoded_D: np.ndarray) -> np.ndarray:
        """Of the configurations (C,) for one more; they add up to one."""
        row = np.float32(encoded_D)[None]
        total = sum(shares[tree.apply(row)[0]] for tree, shares in zip(self.trees, self.shares, strict=True))
        return np.asarray(total / len(self.trees))

    def weights_of_unseen(self) -> np.ndarray:
        """Of the configurations for each of themselves (C, C), by the trees that were grown without it."""
        total = np.zeros((len(self.encoded),) * 2)
        for tree, shares, is_unseen in zip(self.trees, self.shares, self.is_unseen, strict=True):
            total += shares[tree.apply(self.encoded)] * is_unseen[:, None]
        return total / self.is_unseen.sum(axis=0)[:, None]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good a surrogate is, by what it says of configurations that were left out in cross-validation.

    Attributes:
        scores: (C, S), of the table's configurations on as many seeds as it has, in points.
        r2: Of the variance of configurations' means, the part that it explains.
        rank_correlation: Spearman's, of the same.
        sd: Of a configuration over seeds, really and by the surrogate; medians, in points.
        correlation: Of two configurations over seeds, really and by the surrogate; medians.
    """

    scores: np.ndarray
    r2: float
    rank_correlation: float
    sd: tuple[float, float]
    correlation: tuple[float, float]


def quality(approach: Approach, table: Table) -> Quality:
    """Cross-validate a surrogate of this table."""
    real = table.accuracies
    means = real.mean(axis=1)
    predicted, scores = np.empty_like(means), np.empty_like(real)
    folds = np.random.default_rng(0).permutation(len(means)) % FOLDS
    for fold in range(FOLDS):
        left_out = np.flatnonzero(folds == fold)
        surrogate = Surrogate(approach, table.without(left_out))
        for number in left_out:
            answer = surrogate(table.params[number])
            predicted[number] = answer.mean
            scores[number] = answer.scores(np.arange(real.shape[1]), key(table.params[number]))
    return Quality(
        scores=scores,
        r2=1 - float(((means - predicted) ** 2).mean() / means.var()),
        rank_correlation=float(stats.spearmanr(means, predicted).statistic),
        sd=(float(np.median(real.std(axis=1))), float(np.median(scores.std(axis=1)))),
        correlation=(_correlation(real), _correlation(scores)),
    )


def _correlation(scores_CS: np.ndarray) -> float:
    """The median over pairs of configurations."""
    return float(np.nanmedian(np.corrcoef(scores_CS)[np.triu_indices(len(scores_CS), 1)]))


def key(params: Mapping[str, Any]) -> int:
    """A number of the configuration's own, for what is drawn for it."""
    return zlib.crc32(json.dumps(params, sort_keys=True).encode())

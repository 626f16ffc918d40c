"""Which hyperparameters mattered, by PED-ANOVA, and how far that can be believed.

PED-ANOVA asks how differently a parameter's values are spread among the best configurations and among all that were
tried (Watanabe et al. 2023, https://arxiv.org/abs/2304.10255; with parameters that only some configurations have:
https://arxiv.org/abs/2601.20800).

Three choices of ours:

- "All" are complete and raced-out configurations; Optuna's own evaluator takes the complete ones alone. A parameter
  that decides who is raced out would seem useless among those that were not. Raced-out ones rank below all complete
  ones, since their means are over fewer seeds.
- "The best" are the best fifth: of 50 configurations ten, where Optuna's default of a tenth would leave five.
- A parameter that only some configurations have is judged among those that have it, and counts by how many they are.

The number for the whole search is Optuna's `PedAnovaImportanceEvaluator`'s, which a test holds. It is computed here
for many resamples at once, as Optuna's takes 10 ms for each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.special import ndtr

from sweeps.record import SEARCH, TrialRecord

# Complete configurations below which nothing is said.
LEAST_COMPLETE = 10
BEST_SHARE = 0.2
RESAMPLES = 200
GRID = 50
# A group of configurations with the parameter, or without, must be so large to say something; as in Optuna.
LEAST_IN_GROUP = 2


@dataclass(frozen=True, kw_only=True)
class Importance:
    """One parameter's share of what PED-ANOVA finds, which is 1 for all parameters of an approach together.

    `low` to `high` is where 90 % of the resamples lie, drawn out to the share where that lies outside; `chance` is
    what a parameter without any effect stays below in 95 of 100 cases, on the same scale.
    """

    param: str
    share: float
    low: float
    high: float
    chance: float


def importances(trials: Iterable[TrialRecord], approach: str) -> list[Importance]:
    """The approach's parameters, most important first; empty with fewer than `LEAST_COMPLETE` complete configurations.

    Resamples are bootstrap resamples of the configurations (drawn with replacement), and for `chance` shuffles of who
    is among the best. Both are drawn from a fixed seed, so the same record gives the same numbers.
    """
    own = [trial for trial in trials if trial.approach == approach and trial.stage == SEARCH]
    own = [trial for trial in own if trial.state in ("COMPLETE", "PRUNED") and len(trial.values("accuracy"))]
    complete = sum(trial.state == "COMPLETE" for trial in own)
    if complete < LEAST_COMPLETE:
        return []
    values_N = np.array([trial.values("accuracy").mean() - (trial.state == "PRUNED") for trial in own])
    best_share = min(BEST_SHARE, complete / len(own))
    rng = np.random.default_rng(0)
    n = len(own)
    whole_N = np.ones(n, dtype=int)
    drawn_RN = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    counts_RN = np.vstack([whole_N, drawn_RN])
    best_RN = np.vstack([_best(values_N, counts_N, best_share) for counts_N in counts_RN])
    shuffled_RN = rng.permuted(np.tile(best_RN[0], (RESAMPLES, 1)), axis=1)
    params = sorted({name for trial in own for name in trial.params})
    found_PR = np.array([_divergence(own, name, counts_RN, best_RN) for name in params])
    by_chance_PR = np.array([_divergence(own, name, np.tile(whole_N, (RESAMPLES, 1)), shuffled_RN) for name in params])
    total = found_PR[:, 0].sum()
    if total <= 0:
        return []
    shares_PR = found_PR / np.maximum(found_PR.sum(axis=0), 1e-12)
    low_P, high_P = np.quantile(shares_PR[:, 1:], [0.05, 0.95], axis=1)
    chance_P = np.quantile(by_chance_PR, 0.95, axis=1) / total
    found = [
        Importance(
            param=name, share=share, low=min(float(low), share), high=max(float(high), share), chance=float(chance)
        )
        for name, share, low, high, chance in zip(
            params, shares_PR[:, 0].tolist(), low_P, high_P, chance_P, strict=True
        )
    ]
    return sorted(found, key=lambda each: (-each.share, each.param))


def _best(values_N: np.ndarray, counts_N: np.ndarray, share: float) -> np.ndarray:
    """Which configurations are among the best, where each occurs `counts_N` times; equals all are or all are not."""
    order = np.argsort(-values_N, kind="stable")
    reached = np.cumsum(counts_N[order]) >= math.ceil(share * counts_N.sum())
    best: np.ndarray = values_N >= values_N[order[np.argmax(reached)]]
    return best


def _divergence(trials: Sequence[TrialRecord], param: str, counts_RN: np.ndarray, best_RN: np.ndarray) -> np.ndarray:
    """How far the best configurations' values of a parameter are from all configurations', in each resample.

    Args:
        trials: N configurations.
        param: The parameter.
        counts_RN: How often each configuration occurs in each of R resamples.
        best_RN: Whether it is among the best there.
    """
    found_R = np.zeros(len(counts_RN))
    all_R, all_best_R = counts_RN.sum(axis=1), (counts_RN * best_RN).sum(axis=1)
    distributions = dict.fromkeys(trial.distributions[param] for trial in trials if param in trial.params)
    for distribution in distributions:
        has_N = np.array([trial.distributions.get(param) == distribution for trial in trials])
        if distribution.single():
            continue
        cells = _cells(distribution, [trial.params[param] for trial, has in zip(trials, has_N, strict=True) if has])
        size = int(_grid_size(distribution))
        in_cell_NG = np.eye(size, dtype=int)[cells]
        tried_RG = counts_RN[:, has_N] @ in_cell_NG
        best_RG = (counts_RN * best_RN)[:, has_N] @ in_cell_NG
        tried_R, in_best_R = tried_RG.sum(axis=1), best_RG.sum(axis=1)
        is_usable_R = (tried_R >= LEAST_IN_GROUP) & (in_best_R > 0)
        if not is_usable_R.any():
            continue
        density = _categorical_density if isinstance(distribution, CategoricalDistribution) else _numeric_density
        tried_density_RG = density(tried_RG[is_usable_R]) + 1e-12
        best_density_RG = density(best_RG[is_usable_R]) + 1e-12
        pearson_R = (tried_density_RG * (best_density_RG / tried_density_RG - 1) ** 2).sum(axis=1)
        of_best_R = (in_best_R / all_best_R)[is_usable_R]
        of_all_R = (tried_R / all_R)[is_usable_R]
        found_R[is_usable_R] += of_best_R**2 / of_all_R * pearson_R
    scaled: np.ndarray = found_R * (all_best_R / all_R) ** 2
    return scaled


def _grid_size(distribution: BaseDistribution) -> int:
    """Cells that a parameter's range is cut into."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if isinstance(distribution, IntDistribution) and distribution.log:
        return min(math.ceil(math.log(distribution.high - distribution.low + 1) / math.log(2)) + 1, GRID)
    if distribution.step is not None:
        return min(round((distribution.high - distribution.low) / distribution.step) + 1, GRID)
    return GRID


def _cells(distribution: BaseDistribution, values: Sequence[Any]) -> np.ndarray:
    """The cell of each value."""
    if isinstance(distribution, CategoricalDistribution):
        return np.array([int(distribution.to_internal_repr(value)) for value in values])
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    scale = np.log if distribution.log else np.asarray
    low, high = float(scale(distribution.low)), float(scale(distribution.high))
    size = _grid_size(distribution)
    places_N = (scale(np.array(values, dtype=float)) - low) / ((high - low) / (size - 1))
    # The middle between two cells belongs to the lower one, as in Optuna.
    return np.clip(np.ceil(places_N - 0.5).astype(int), 0, size - 1)


def _categorical_density(counts_RG: np.ndarray) -> np.ndarray:
    """Shares of the choices, drawn a little towards equal ones: each observed choice is a kernel, and one is equal."""
    size = counts_RG.shape[1]
    prior_R1 = 1 / ((counts_RG > 0).sum(axis=1, keepdims=True) + 1)
    row_sum_R1 = 1 + size * prior_R1
    total_R1 = counts_RG.sum(axis=1, keepdims=True)
    kernels_RG = (counts_RG + total_R1 * prior_R1) / row_sum_R1
    density: np.ndarray = (kernels_RG + 1 / size) / (total_R1 + 1)
    return density


def _numeric_density(counts_RG: np.ndarray) -> np.ndarray:
    """Kernel density on the cells: normal kernels cut to the range, with Scott's bandwidth, and one wide one.

    Scott 1992, Multivariate Density Estimation.
    """
    size = counts_RG.shape[1]
    cells_G = np.arange(size)
    total_R = counts_RG.sum(axis=1)
    mean_R = counts_RG @ cells_G / total_R
    spread_R = np.sqrt((counts_RG * (cells_G - mean_R[:, None]) ** 2).sum(axis=1) / np.maximum(1, total_R - 1))
    reached_RG = np.cumsum(counts_RG, axis=1)
    lower_R = np.argmax(reached_RG >= np.maximum(total_R // 4, 1)[:, None], axis=1)
    upper_R = np.argmax(reached_RG > (total_R * 3 // 4)[:, None], axis=1)
    bandwidth_R = 1.059 * np.minimum((upper_R - lower_R) / 1.34, spread_R) * total_R**-0.2
    # At least so wide that 90 % of a kernel lie in its own cell, as in Optuna.
    bandwidth_R = np.maximum(bandwidth_R, 0.5 / 1.64)
    # A kernel's mass in a cell depends on their distance alone, so 2 size + 1 borders are enough for all of them.
    borders_RB = ndtr((np.arange(-size, size + 1) + 0.5) / bandwidth_R[:, None])
    mass_RD = np.diff(borders_RB, axis=1)
    # Its whole mass within the range, from -.5 to size - .5.
    inside_RG = borders_RB[:, size + size - 1 - cells_G] - borders_RB[:, size - 1 - cells_G]
    weights_RG = counts_RG / inside_RG
    distance_GG = cells_G[:, None] - cells_G[None, :] + size - 1
    kernels_RG = np.einsum("rm,rxm->rx", weights_RG, mass_RD[:, distance_GG])
    wide_G = np.diff(ndtr((np.arange(size + 1) - 0.5 - (size - 1) / 2) / size))
    density: np.ndarray = (kernels_RG + wide_G / wide_G.sum()) / (total_R + 1)[:, None]
    return density

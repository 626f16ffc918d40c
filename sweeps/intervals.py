"""Means over seeds with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over `n` seeds. `sd` is the spread of single seeds, `low` to `high` the 95 % interval of the mean.

    `iqm` is the interquartile mean: what is left after cutting a quarter of the seeds off either end; it is less moved
    by a few unlucky draws of ten images. With one seed `sd`, `low` and `high` are None.
    """

    n: int
    mean: float
    iqm: float
    sd: float | None
    low: float | None
    high: float | None


def estimate(values_N: np.ndarray) -> Estimate | None:
    """Summarise one value a seed; None if there is none. The interval is Student's t, cut to 0..1."""
    n = len(values_N)
    if n == 0:
        return None
    mean, iqm = float(np.mean(values_N)), float(stats.trim_mean(values_N, 0.25))
    if n == 1:
        return Estimate(n=n, mean=mean, iqm=iqm, sd=None, low=None, high=None)
    sd = float(np.std(values_N, ddof=1))
    half = _half_width(values_N)
    return Estimate(n=n, mean=mean, iqm=iqm, sd=sd, low=max(mean - half, 0.0), high=min(mean + half, 1.0))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """By how much one approach is better than another on the same `n` seeds, with the 95 % interval of the mean."""

    n: int
    mean: float
    low: float
    high: float


def paired_difference(values_N: np.ndarray, others_N: np.ndarray) -> Difference | None:
    """The mean of `values_N - others_N`, one value a seed; None with fewer than two seeds. Student's t."""
    differences_N = values_N - others_N
    n = len(differences_N)
    if n < 2:
        return None
    mean, half = float(np.mean(differences_N)), _half_width(differences_N)
    return Difference(n=n, mean=mean, low=mean - half, high=mean + half)


def _half_width(values_N: np.ndarray) -> float:
    """Half of the 95 % interval of the mean, by Student's t."""
    return float(stats.t.ppf(0.975, len(values_N) - 1) * stats.sem(values_N))

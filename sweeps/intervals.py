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
    half = float(stats.t.ppf(0.975, n - 1)) * sd / np.sqrt(n)
    return Estimate(n=n, mean=mean, iqm=iqm, sd=sd, low=max(mean - half, 0.0), high=min(mean + half, 1.0))

"""Means over seeds with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from trainables.parts.metrics import METRICS
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult

# All seeds validate on images of one pool of 2000. Had it been another 2000, every mean would have moved together, by
# this much as a standard error (measured on PneumoniaMNIST with this protocol; other images may have another). More
# seeds do not make it smaller.
POOL_ERROR = 0.0048


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over `n` seeds. `sd` is the spread of single seeds, `low` to `high` the 95 % interval of the mean.

    `iqm` is the interquartile mean: what is left after cutting a quarter of the seeds off either end; it is less moved
    by a few unlucky draws of ten images. `images_error` is the standard error, included in the interval, that comes
    from scoring all seeds on the same images; 0 where the interval speaks of the seeds alone. With one seed `sd`, `low`
    and `high` are None.
    """

    n: int
    mean: float
    iqm: float
    sd: float | None
    low: float | None
    high: float | None
    images_error: float


def estimate(values_N: np.ndarray, images_error: float = 0.0) -> Estimate | None:
    """Summarise one value per seed; None if there is none.

    The interval is Student's t over seeds, widened by `images_error` as independent errors add (the root of the sum of
    squares), and cut to 0..1.
    """
    n = len(values_N)
    if n == 0:
        return None
    mean, iqm = float(np.mean(values_N)), float(stats.trim_mean(values_N, 0.25))
    if n == 1:
        return Estimate(n=n, mean=mean, iqm=iqm, sd=None, low=None, high=None, images_error=images_error)
    sd = float(np.std(values_N, ddof=1))
    of_seeds = float(stats.t.ppf(0.975, n - 1) * stats.sem(values_N))
    half = math.hypot(of_seeds, float(stats.norm.ppf(0.975)) * images_error)
    low, high = max(mean - half, 0.0), min(mean + half, 1.0)
    return Estimate(n=n, mean=mean, iqm=iqm, sd=sd, low=low, high=high, images_error=images_error)


def estimates(results: Iterable[SeedResult], split: str, test_counts: tuple[int, ...]) -> dict[str, Estimate]:
    """Each metric over the seeds that have it on this split.

    Args:
        results: Of one configuration.
        split: Validation or test.
        test_counts: Images of each class of the test split.
    """
    found = sorted((r for r in results if r.split == split and r.error is None), key=lambda r: r.seed)
    values = {metric: np.array([getattr(r, metric) for r in found], dtype=float) for metric in METRICS}
    if not found:
        return {}
    errors = {VALIDATION: _pool_errors, TEST: lambda: _test_errors(values, test_counts)}[split]()
    summaries = {metric: estimate(of_metric, errors.get(metric, 0.0)) for metric, of_metric in values.items()}
    return {metric: value for metric, value in summaries.items() if value is not None}


def _pool_errors() -> dict[str, float]:
    # On balanced images the two are the same number. Of the other metrics the pool's part was not measured.
    return {"accuracy": POOL_ERROR, "balanced_accuracy": POOL_ERROR}


def _test_errors(values: dict[str, np.ndarray], counts: tuple[int, ...]) -> dict[str, float]:
    """Binomial standard errors of proportions of test images; of AUROC and the Brier score there is none."""
    normal, pneumonia = counts
    sensitivity = _binomial(values["sensitivity"].mean(), pneumonia)
    specificity = _binomial(values["specificity"].mean(), normal)
    return {
        "accuracy": _binomial(values["accuracy"].mean(), normal + pneumonia),
        "balanced_accuracy": math.hypot(sensitivity, specificity) / 2,
        "sensitivity": sensitivity,
        "specificity": specificity,
    }


def _binomial(share: float, count: int) -> float:
    return math.sqrt(share * (1 - share) / count)

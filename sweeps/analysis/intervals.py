"""Means over seeds with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from sweeps.analysis.hits import Hits, hits_of
from sweeps.analysis.image_error import SEEDS_ALONE, ImagesError, least_share, with_images
from sweeps.store.spec import Spec
from trainables.parts.metrics import metric_names, metrics_of, recall_names
from trainables.parts.protocol import VALIDATION
from trainables.parts.results import SeedResult


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over `n` seeds. `sd` is the spread of single seeds, `low` to `high` the 95 % interval of the mean.

    `iqm` is the interquartile mean: what is left after cutting a quarter of the seeds off either end; it is less moved
    by a few unlucky draws of images to learn from. `images_error` is the standard error, included in the interval, that
    comes from the choice of the images that all seeds share; 0 where the interval speaks of the seeds alone. With one
    seed `sd`, `low` and `high` are None.
    """

    n: int
    mean: float
    iqm: float
    sd: float | None
    low: float | None
    high: float | None
    images_error: float


def estimate(values_N: np.ndarray, images: ImagesError = SEEDS_ALONE) -> Estimate | None:
    """Summarise one value per seed; None if there is none.

    Where the images' error is known, the interval is Wilson's for a share of as many independent hits as have the same
    standard error, `m (1 - m) / error^2`, with Student's quantile, since an error that is estimated from few hits is
    small just where the mean is too great (Wilson 1927; Korn and Graubard 1998). If all hits are alike, there are as
    many as there are images. Of the seeds alone it is Student's t, cut to 0..1.

    Where all seeds have one value, such as an AUROC of 1, their spread says nothing of others. At least a share
    `s = least_share(n)` of seeds has that value `m`, and the others have any, so that the interval reaches from `s m`
    to `1 - s (1 - m)` at least: of an AUROC of 1 from .929 with 50 seeds, from .692 with 10.

    Args:
        values_N: Between 0 and 1.
        images: What the choice of the images adds to the standard error over seeds.
    """
    n = len(values_N)
    if n == 0:
        return None
    mean, iqm = float(np.mean(values_N)), float(scipy.stats.trim_mean(values_N, 0.25))
    if n == 1:
        return Estimate(n=n, mean=mean, iqm=iqm, sd=None, low=None, high=None, images_error=images.error)
    sd = float(np.std(values_N, ddof=1))
    error, degrees = with_images(float(scipy.stats.sem(values_N)), n, images)
    quantile = float(scipy.stats.t.ppf(0.975, degrees))
    if images is SEEDS_ALONE:
        low, high = mean - quantile * error, mean + quantile * error
    else:
        # Rounding leaves equal values a spread of about 1e-17, and may leave an end on the wrong side of the mean.
        hits = mean * (1 - mean) / error**2 if error > 1e-12 else 0.0
        low, high = _wilson(mean, hits or images.degrees, quantile)
        low, high = min(low, mean), max(high, mean)
    if sd < 1e-12:
        share = least_share(n)
        low, high = min(low, share * mean), max(high, 1 - share * (1 - mean))
    low, high = max(low, 0.0), min(high, 1.0)
    return Estimate(n=n, mean=mean, iqm=iqm, sd=sd, low=low, high=high, images_error=images.error)


def _wilson(share: float, hits: float, quantile: float) -> tuple[float, float]:
    """The ends of Wilson's interval of a share of so many independent hits."""
    squared = quantile**2 / hits
    middle, half = share + squared / 2, quantile * math.sqrt(share * (1 - share) / hits + squared / 4 / hits)
    return (middle - half) / (1 + squared), (middle + half) / (1 + squared)


def estimates(
    results: Sequence[SeedResult],
    split: str,
    stage: str,
    spec: Spec,
    metrics: Sequence[str] | None = None,
    of_images: Sequence[str] | None = None,
) -> dict[str, Estimate]:
    """Each metric over the seeds that have it on this split, by the names that `metric_names` gives.

    The error that the images add is estimated from the seeds' hits, where at least two seeds have some. AUROC and the
    Brier score are no shares of hits, so that their intervals speak of the seeds alone.

    Args:
        results: Of one configuration in one stage.
        split: Validation or test.
        stage: In which the seeds were run.
        spec: Of the sweep.
        metrics: Which; all of them by default.
        of_images: Of which of them the images' error is wanted, which takes its time; of all by default.
    """
    found = sorted((r for r in results if r.split == split and r.error is None), key=lambda r: r.seed)
    if not found:
        return {}
    hits = hits_of(found, split, stage, spec)
    summaries = {}
    classes = spec.protocol.classes
    measured = {result.seed: metrics_of(result, classes) for result in found}
    for metric in metrics or metric_names(classes):
        values = {seed: value for seed, of_seed in measured.items() if (value := of_seed[metric]) is not None}
        is_wanted = of_images is None or metric in of_images
        images = _images_error(metric, hits, values) if hits and values and is_wanted else SEEDS_ALONE
        summary = estimate(np.array(list(values.values()), dtype=float), images)
        if summary is not None:
            summaries[metric] = summary
    return summaries


def score(results: Sequence[SeedResult], stage: str, spec: Spec) -> Estimate | None:
    """What ranks, on validation images, of one configuration's seeds of one stage; None if there is none."""
    return estimates(results, VALIDATION, stage, spec, (spec.ranked_by,)).get(spec.ranked_by)


def _images_error(metric: str, hits: Hits, values: Mapping[int, float]) -> ImagesError:
    """Of a metric's mean over seeds, from those of them that have hits."""
    weights_K = _weights(metric, hits.shares, hits.protocol.classes)
    if weights_K is None:
        return SEEDS_ALONE
    table = hits.table(weights_K)
    known = [seed for seed in table.seeds if seed in values]
    return table.of(known).error(np.array([values[seed] for seed in known]))


def _weights(metric: str, share_K: np.ndarray, classes: Sequence[str]) -> np.ndarray | None:
    """What the recall of each class counts in a metric; None if the metric is no sum of recalls."""
    if metric == "accuracy":
        return share_K
    if metric == "balanced_accuracy":
        return np.full(len(share_K), 1 / len(share_K))
    names = recall_names(classes)
    return (np.arange(len(share_K)) == names.index(metric)).astype(float) if metric in names else None

"""Means over seeds with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sweeps.analysis.image_error import SEEDS_ALONE, Hits, ImagesError, hits_of, with_images
from sweeps.store.spec import Spec
from trainables.parts.metrics import RECALL, metric_names, metrics_of
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

    The interval is Student's t, with the standard error over seeds and that of the images as `with_images` adds them,
    cut to 0..1.
    """
    n = len(values_N)
    if n == 0:
        return None
    mean, iqm = float(np.mean(values_N)), float(stats.trim_mean(values_N, 0.25))
    if n == 1:
        return Estimate(n=n, mean=mean, iqm=iqm, sd=None, low=None, high=None, images_error=images.error)
    sd = float(np.std(values_N, ddof=1))
    error, degrees = with_images(float(stats.sem(values_N)), n, images)
    half = float(stats.t.ppf(0.975, degrees)) * error
    low, high = max(mean - half, 0.0), min(mean + half, 1.0)
    return Estimate(n=n, mean=mean, iqm=iqm, sd=sd, low=low, high=high, images_error=images.error)


def estimates(
    results: Sequence[SeedResult], split: str, stage: str, spec: Spec, metrics: Sequence[str] | None = None
) -> dict[str, Estimate]:
    """Each metric over the seeds that have it on this split, by the names that `metric_names` gives.

    The error that the images add is estimated from the seeds' hits, where at least two seeds have some. AUROC and the
    Brier score are no shares of hits, so that their intervals speak of the seeds alone.

    Args:
        results: Of one configuration in one stage.
        split: Validation or test.
        stage: Search or confirmation.
        spec: Of the sweep.
        metrics: Which; all of them by default.
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
        images = _images_error(metric, hits, values) if hits and values else SEEDS_ALONE
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
    table = hits.table(weights_K) if weights_K is not None else None
    if table is None:
        return SEEDS_ALONE
    known = [seed for seed in table.seeds if seed in values]
    return table.of(known).error(np.array([values[seed] for seed in known]))


def _weights(metric: str, share_K: np.ndarray, classes: Sequence[str]) -> np.ndarray | None:
    """What the recall of each class counts in a metric; None if the metric is no sum of recalls."""
    if metric == "accuracy":
        return share_K
    if metric == "balanced_accuracy":
        return np.full(len(share_K), 1 / len(share_K))
    of_class = {"specificity": 0, "sensitivity": 1, **{f"{RECALL}{name}": at for at, name in enumerate(classes)}}
    return (np.arange(len(share_K)) == of_class[metric]).astype(float) if metric in of_class else None

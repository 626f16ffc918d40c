"""How sure a rank is: in what share of resamples of seeds and images each approach comes first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sweeps.analysis.hits import Hits

RESAMPLES = 2000


def first_shares(
    scores: Mapping[str, Mapping[int, float]], hits: Mapping[str, Hits | None] | None = None
) -> dict[str, float]:
    """By approach, the share of resamples in which its mean over the common seeds is the greatest; of equals, shares.

    Seeds get random weights, and so do the images, or groups, that they are scored on, independent of each other and
    the same for all approaches: the Bayesian bootstrap (Rubin 1981, The Bayesian bootstrap; of both at once, Owen 2007,
    The pigeonhole bootstrap). The weights are the same at each call.

    Args:
        scores: Of each approach, what ranks, by seed.
        hits: Of each approach, if what ranks is the share of right images; seeds alone are resampled where any lacks.

    Returns:
        Nothing for fewer than two approaches or two common seeds.
    """
    common = sorted(set.intersection(*(set(each) for each in scores.values()))) if scores else []
    if len(scores) < 2 or len(common) < 2:
        return {}
    rng = np.random.default_rng(0)
    seeds_BS = rng.exponential(size=(RESAMPLES, len(common))).astype(np.float32)
    seeds_BS /= seeds_BS.sum(1, keepdims=True)
    known = {name: own for name, own in (hits or {}).items() if own is not None and {*common} <= {*own.seeds}}
    if known.keys() == scores.keys():
        units = {int(own.units.max()) + 1 for own in known.values()}
        images_BU = rng.exponential(size=(RESAMPLES, max(units))).astype(np.float32)
        means = [_resampled(known[name], common, seeds_BS, images_BU) for name in scores]
    else:
        means = [seeds_BS @ np.array([own[seed] for seed in common]) for own in scores.values()]
    means_BA = np.stack(means, 1).astype(float)
    is_first_BA = means_BA >= means_BA.max(1, keepdims=True) - 1e-7
    shares_A = (is_first_BA / is_first_BA.sum(1, keepdims=True)).mean(0)
    return {name: float(share) for name, share in zip(scores, shares_A, strict=True)}


def _resampled(hits: Hits, seeds: list[int], seeds_BS: np.ndarray, images_BU: np.ndarray) -> np.ndarray:
    """The accuracy of each resample (B,): recalls of the weighted hits, weighted as classes are scored."""
    rows = np.searchsorted(hits.seeds, seeds)
    images_BN = images_BU[:, hits.units]
    one_hot_NK = (hits.labels[:, None] == np.arange(len(hits.shares))).astype(np.float32)
    right_BK = (seeds_BS @ hits.hits[rows] * images_BN) @ one_hot_NK
    scored_BK = (seeds_BS @ hits.scored[rows].astype(np.float32) * images_BN) @ one_hot_NK
    found: np.ndarray = right_BK / scored_BK @ hits.shares
    return found

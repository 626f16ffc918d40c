"""Approaches compared with each other on the same seeds: by how much, and whether the seeds show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import scipy
from pydantic import computed_field
from pydantic.dataclasses import dataclass

from sweeps.analysis.image_error import FEW_SEEDS, SEEDS_ALONE, ImagesError, ImageTable, least_share, with_images

# Which block of fresh seeds a comparison is of.
FIRST_BLOCK, SECOND_BLOCK = "confirmation", "decision"
# Of all claims of a sweep together: the chance that one of them is wrong.
ERROR = 0.05


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the seeds that both have say of two approaches; `better` has the greater mean, or was named first.

    Attributes:
        better: The approach with the greater mean.
        worse: The other one.
        n: Common seeds.
        mean: Mean of `better` less `worse`, one difference per seed.
        sd: Standard deviation of these differences.
        images_error: The part of the mean's standard error that comes from the choice of the images that all seeds
            share; 0 where interval and test speak of the seeds alone.
        low: Lower end of the mean's 95 % interval, by Student's t, for other draws and, where the images' error is
            known, other images; this pair's own, without correction. Where no seed shows a difference it is as
            `compare` says. No end is beyond -1 or 1.
        high: Its upper end.
        p: Of the paired t test with the same error, two-sided.
        p_holm: The same after Holm's correction for all pairs of the sweep.
        probability: That `better` is better on average over all draws and images, given these seeds and no opinion
            beforehand: the posterior of a normal mean under a flat prior, which is Student's t.
        wins: Share of the seeds on which it was better; a tie counts half.
        block: Of fresh seeds: the confirmation's, or the decision's.
    """

    better: str
    worse: str
    n: int
    mean: float
    sd: float
    images_error: float
    low: float
    high: float
    p: float
    p_holm: float
    probability: float
    wins: float
    block: str = FIRST_BLOCK

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_shown(self) -> bool:
        """Whether the seeds show the difference, corrected for all pairs."""
        return self.p_holm < ERROR


def compare(
    better: str, worse: str, values_N: np.ndarray, others_N: np.ndarray, images: ImagesError = SEEDS_ALONE
) -> Comparison | None:
    """Compare two approaches with one value per seed of each; None with fewer than two seeds.

    The test is the paired t test, because it speaks of the mean difference, as the interval does; the standard error
    over seeds and that of the images add as `with_images` says. Where all seeds show the same difference, their error
    is as if one of them had shown none: the difference over `n`. If none shows any, at least `least_share` of all
    images show none, or of all seeds where those are few and fewer or hits are not known, and the others any. `p_holm`
    is `p`, as of a single pair.

    Args:
        better: One approach.
        worse: The other one.
        values_N: Of the first, between 0 and 1.
        others_N: Of the second, on the same seeds.
        images: What the choice of the images adds to the standard error over seeds.
    """
    differences_N = np.asarray(values_N) - np.asarray(others_N)
    n = len(differences_N)
    if n < 2:
        return None
    if differences_N.mean() < 0:
        better, worse, differences_N = worse, better, -differences_N
    mean = float(differences_N.mean())
    of_seeds = float(scipy.stats.sem(differences_N))
    # Rounding leaves differences that are the same on all seeds a spread of about 1e-17. A few scored images, of which
    # an accuracy is so many hits, often make them the same.
    if of_seeds <= 1e-12 < mean:
        of_seeds = mean / n
    error, degrees = with_images(of_seeds, n, images)
    half = float(scipy.stats.t.ppf(0.975, degrees)) * error
    if error <= 1e-12:
        # Of few seeds the lesser number of both, as their degrees of freedom.
        of_images = images.degrees if n >= FEW_SEEDS else min(n, images.degrees)
        half = 1 - least_share(n if images is SEEDS_ALONE else of_images)
    t = mean / error if error > 1e-12 else 0.0
    p = float(2 * scipy.stats.t.sf(t, degrees))
    wins = float(np.mean((differences_N > 0) + 0.5 * (differences_N == 0)))
    return Comparison(
        better=better,
        worse=worse,
        n=n,
        mean=mean,
        sd=float(differences_N.std(ddof=1)),
        images_error=images.error,
        low=max(mean - half, -1.0),
        high=min(mean + half, 1.0),
        p=p,
        p_holm=p,
        probability=1 - p / 2,
        wins=wins,
    )


def compare_all(
    values: Mapping[str, Mapping[int, float]], tables: Mapping[str, ImageTable | None] | None = None
) -> list[Comparison]:
    """Compare every pair of approaches on their common seeds, clearest first.

    Args:
        values: Of each approach, its value by seed.
        tables: Of approaches whose hits are known; a pair with another one is reckoned with the seeds alone.
    """
    found = []
    for one, other in combinations(values, 2):
        common = sorted(values[one].keys() & values[other].keys())
        own, others = (np.array([values[each][seed] for seed in common]) for each in (one, other))
        images = _images_error((tables or {}).get(one), (tables or {}).get(other), common, own - others)
        pair = compare(one, other, own, others, images)
        if pair is not None:
            found.append(pair)
    adjusted = holm([pair.p for pair in found])
    return sorted(
        (replace(pair, p_holm=p) for pair, p in zip(found, adjusted, strict=True)),
        key=lambda pair: (pair.p_holm, pair.p),
    )


def _images_error(
    one: ImageTable | None, other: ImageTable | None, seeds: Sequence[int], differences_S: np.ndarray
) -> ImagesError:
    """Of the mean difference over these seeds, from those of them whose hits are known of both."""
    if one is None or other is None:
        return SEEDS_ALONE
    known = sorted({*one.seeds} & {*other.seeds} & {*seeds})
    return one.of(known).less(other.of(known)).error(differences_S[np.searchsorted(seeds, known)])


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the least p times their number, the next times one less, never falling.

    With it the chance that any true "no difference" among them falls below a level is at most that level, whatever
    their dependence. Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * factors), 1.0)
    return [float(p) for p in adjusted]

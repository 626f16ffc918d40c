"""What the choice of the images adds to the error of a mean over seeds, estimated from each seed's hits.

All seeds of a sweep draw from one pool of images: they are scored on them, and they learn from a few of them. Another
pool would move all of them together, which their own spread cannot show. What a mean over all seeds of a pool owes to
image `j` is, to first order (Hoeffding 1948, A class of statistics with asymptotically normal distribution),

    w p_j / N + k g_j / N,

with the images `N` of its class in the pool, the weight `w` of the class's recall in the metric, the share `p_j` of
seeds that are right about it, the shots `k`, and `g_j`, by how much a seed is better that learns from it. The variance
of the mean over pools is the sum of the variances of these. What is left, of seeds within this pool, is `s^2 / S`.

Both variances, and their covariance, are estimated from products of two *different* seeds, in which the noise of either
has mean 0, so that nothing need be known of it and an image that one seed alone has scored just has no such product.
Of the hits `x_si` of a seed, less its class's recall, and its metric `d_s`, less the mean over seeds:

    var(p)    = mean of x_si x_ti       over images i, and seeds s and t that were scored on it
    var(g)    = slope of d_s d_t        over pairs of seeds, on the number of shots that both have
    cov(p, g) = mean of x_si d_t        over images i, seeds s that were scored on it and t that learned from it

A seed is not scored on what it learns from, and so seems better with shots that are hard. What its shots would have
added to its metric, by the hits of other seeds, is therefore a part of `d_s`.

With all images scored by all seeds the first is that of a two-way analysis of variance; of other designs see Gao and
Owen 2017, Efficient moment calculations for variance components in large unbalanced crossed random effects models. A
paired difference is treated alike, with the differences of hits and of metrics. Groups of images, such as a patient's,
stand together in the place of single images. Of a class of which a seed was scored on one image or group alone nothing
can be estimated; the variance of independent hits stands there in its place, which is the most that it can be.

Which images a seed was scored on and learned from is in `hits.py`.

Shapes: S seeds, U units that were scored, G units that are learned from. A unit is a group, or an image that stands for
itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, kw_only=True)
class ImagesError:
    """A standard error that more seeds do not make smaller, and the degrees of freedom of its estimate."""

    error: float
    degrees: float


SEEDS_ALONE = ImagesError(error=0.0, degrees=1.0)
# With fewer fresh seeds than these the width of an interval is luck itself. With ten it is right to within two fifths,
# in nine of ten sweeps: the quantiles of chi^2 / 9 are .61^2 and 1.37^2, with three seeds they are .23^2 and 1.73^2.
FEW_SEEDS = 10


def with_images(of_seeds: float, n: int, images: ImagesError) -> tuple[float, float]:
    """The whole standard error of a mean over `n` seeds, and its degrees of freedom.

    The two add as independent errors do, and the degrees are those of Welch and Satterthwaite: as if the seeds stood
    alone where the images add nothing. Of few seeds they are the lesser ones of both, which never are too many (Mickey
    and Brown 1966, Bounds on the distribution functions of the Behrens-Fisher statistic): where the images are nearly
    all of an estimated error because the seeds happen to be alike, Welch's are far too many.
    """
    error = math.hypot(of_seeds, images.error)
    if images is SEEDS_ALONE:
        return error, n - 1
    if error == 0:
        return error, images.degrees
    if n < FEW_SEEDS:
        return error, min(n - 1, images.degrees)
    return error, error**4 / (of_seeds**4 / (n - 1) + images.error**4 / images.degrees)


def least_share(n: float) -> float:
    """The least share of all that is like `n` independent ones which are all alike, `.025^(1/n)`.

    Were it less, so many would all be alike with a chance of 2.5 % at most, whatever the others are: the exact bound of
    Clopper and Pearson 1934, The use of confidence or fiducial limits illustrated in the case of the binomial.
    """
    return 0.025 ** (1 / n)


@dataclass(frozen=True, kw_only=True)
class Variances:
    """What the images add to the variance of a mean over seeds: as scored ones, as shots, and as both at once."""

    scored: float
    learned: float
    both: float

    @property
    def whole(self) -> float:
        """All of it."""
        return max(self.scored + self.learned + self.both, 0.0)


@dataclass(frozen=True, kw_only=True)
class ImageTable:
    """What each unit adds to a metric of each seed.

    Attributes:
        seeds: The S seeds.
        parts: (S, U), what a unit adds to the metric, beyond what others of its class would; 0 if it is not scored.
        weights: (S, U), the weight that its images have in the metric of that seed.
        share: (U,), the mean of that over seeds that do not learn from the unit.
        shots: (S, G), how many images of a unit a seed learns from.
        drawn: (G,), the mean of that over all seeds.
        bound: The most variance of a mean over all seeds by classes of too few scored units to estimate it.
        kept: (G,), by how much seeds with an image of the unit differ from all, as a share of what the image does.
        degrees: Degrees of freedom of the estimates over units.
        is_pool: Whether U and G are the same units.
    """

    seeds: tuple[int, ...]
    parts: np.ndarray
    weights: np.ndarray
    share: np.ndarray
    shots: np.ndarray
    drawn: np.ndarray
    kept: np.ndarray
    bound: float
    degrees: float
    is_pool: bool

    def of(self, seeds: Sequence[int]) -> ImageTable:
        """Its rows of those seeds, all of which it has."""
        if tuple(seeds) == self.seeds:
            return self
        rows = np.searchsorted(self.seeds, seeds)
        return replace(
            self,
            seeds=tuple(seeds),
            parts=self.parts[rows],
            weights=self.weights[rows],
            shots=self.shots[rows],
        )

    def less(self, other: ImageTable) -> ImageTable:
        """Of the difference between two approaches' metrics, of the same seeds and images."""
        return replace(self, parts=self.parts - other.parts, bound=self.bound + other.bound)

    def error(self, values_S: np.ndarray) -> ImagesError:
        """The standard error that the choice of the images gives the mean of these values, of this table's seeds."""
        if len(self.seeds) < 2:
            return SEEDS_ALONE
        variance = self.variances(values_S).whole
        return ImagesError(error=math.sqrt(variance), degrees=self.degrees)

    def variances(self, values_S: np.ndarray) -> Variances:
        """Its parts; two seeds at least."""
        whole_S = values_S + self._unscored()
        off_S = whole_S - whole_S.mean()
        seeds = len(off_S)
        scored = max(_of_two(self.parts), 0.0) / (seeds * (seeds - 1))
        learned = self._learned(off_S)
        if not self.is_pool:
            return Variances(scored=scored + self.bound, learned=learned, both=0.0)
        product = float(self.parts.sum(0) @ ((off_S @ self.shots) / self.kept))
        pairs = float(self.weights.sum(0) @ self.shots.sum(0))
        both = 2 * _ratio(product, pairs) * float(self.weights.mean(0) @ self.drawn)
        most = 2 * math.sqrt(scored * learned)
        # The estimate is rough. What the scored images show by themselves is left, whatever it says.
        return Variances(scored=scored + self.bound, learned=learned, both=min(max(both, -most, -learned), most))

    def _unscored(self) -> np.ndarray:
        """What its own shots would have added to each seed's metric (S,), had they been scored as by others."""
        if not self.is_pool:
            return np.zeros(len(self.seeds))
        weight_U = self.weights.sum(0)
        mean_U = np.divide(self.parts.sum(0), weight_U, out=np.zeros_like(weight_U), where=weight_U > 0)
        unscored_S: np.ndarray = (self.shots > 0) @ (mean_U * self.share)
        return unscored_S

    def _learned(self, off_S: np.ndarray) -> float:
        """The variance of the mean that comes from which units can be learned from.

        The slope is a rough estimate where pools are large and seeds few. It lies between 0 and what it would be if the
        shots were the only reason why seeds differ; without an opinion beforehand where, the posterior mean is taken.
        """
        shared_SS = self.shots @ self.shots.T
        is_pair_SS = ~np.eye(len(off_S), dtype=bool)
        mean = float(shared_SS[is_pair_SS].mean())
        off_SS = (shared_SS - mean) * is_pair_SS
        variance = _squares(off_S) / (len(off_S) - 1)
        most = _ratio(variance, float(np.trace(shared_SS)) / len(off_S) - mean)
        # Each pair stands in it twice.
        precision = _squares(off_SS) / 2
        slope = _ratio(float(off_S @ off_SS @ off_S), 2 * precision)
        return _between(most, slope, _ratio(precision, variance**2)) * _squares(self.drawn)


def _of_two(values_SU: np.ndarray) -> float:
    """The sum, over units and pairs of different seeds, of the products of both."""
    return float(np.square(values_SU.sum(0, dtype=float)).sum()) - _squares(values_SU)


def _squares(values: np.ndarray) -> float:
    return float(np.square(values, dtype=float).sum())


def _between(most: float, estimate: float, precision: float) -> float:
    """The posterior mean under a flat prior from 0 to `most`, of a normal estimate with this precision."""
    grid_M = np.linspace(0.0, most, 201)
    log_M = -0.5 * precision * np.square(grid_M - estimate)
    return float(np.average(grid_M, weights=np.exp(log_M - log_M.max())))


def _ratio(one: float, other: float) -> float:
    """Their ratio; 0 where the second says nothing."""
    return one / other if other > 0 else 0.0

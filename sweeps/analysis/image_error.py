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

With all images scored by all seeds the first is that of a two-way analysis of variance; of other designs see Gao and
Owen 2017, Efficient moment calculations for variance components in large unbalanced crossed random effects models. A
paired difference is treated alike, with the differences of hits and of metrics. Groups of images, such as a patient's,
stand together in the place of single images. Of a class of which a seed was scored on one image or group alone nothing
can be estimated; the variance of independent hits stands there in its place, which is the most that it can be.

Shapes: S seeds, N images, K classes, U units that were scored, G units that are learned from. A unit is a group, or an
image that stands for itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from sweeps.core.errors import BadInput
from sweeps.store.spec import Spec
from sweeps.store.trials import FRESH
from trainables.parts.protocol import VALIDATION, Protocol
from trainables.parts.results import SeedResult, unpacked_hits


@dataclass(frozen=True, kw_only=True)
class ImagesError:
    """A standard error that more seeds do not make smaller, and the degrees of freedom of its estimate."""

    error: float
    degrees: float


SEEDS_ALONE = ImagesError(error=0.0, degrees=1.0)
# Scored images, or groups, of a class from which its variance can be estimated.
LEAST_UNITS = 2
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
class Hits:
    """The hits of seeds on one split, and which of the images they had.

    Attributes:
        seeds: Those that have hits, ascending.
        hits: (S, N), float32, of each image of the pool or of the test split, class by class; 0 if it was not scored.
        scored: (S, N), whether a seed was scored on it.
        labels: (N,), the class of each image.
        units: (N,), which of the U units each image belongs to.
        protocol: Of the seeds.
        is_pool: Whether the images are those that are learned from, too.
    """

    seeds: tuple[int, ...]
    hits: np.ndarray
    scored: np.ndarray
    labels: np.ndarray
    units: np.ndarray
    protocol: Protocol
    is_pool: bool

    @property
    def shares(self) -> np.ndarray:
        """The share of each class among the images that are scored (K,): the weights of recalls in the accuracy."""
        scored_K: np.ndarray = self._scored_of_class.mean(0)
        return scored_K / scored_K.sum()

    @cached_property
    def _one_hot(self) -> np.ndarray:
        return (self.labels[:, None] == np.arange(len(self.protocol.classes))).astype(np.float32)

    @cached_property
    def _scored_of_class(self) -> np.ndarray:
        scored_SK: np.ndarray = self.scored.astype(np.float32) @ self._one_hot
        return scored_SK

    @cached_property
    def _recalls(self) -> np.ndarray:
        recall_SK: np.ndarray = self.hits @ self._one_hot / self._scored_of_class
        return recall_SK

    @cached_property
    def _shots(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return _shots(self.protocol, self.seeds)

    @cached_property
    def _alone(self) -> tuple[np.ndarray, np.ndarray]:
        """How many images each seed was scored on of each class (S, K), and how many there are (K,).

        Where images stand in groups, the number of equal groups that would weigh as the groups do: what counts for an
        image's part in its class's recall.
        """
        units = int(self.units.max()) + 1
        if units == len(self.units):
            return self._scored_of_class, self._one_hot.sum(0)
        of_class = [self.labels == label for label in range(len(self.protocol.classes))]
        scored_KSU = [_by_unit(self.scored[:, own], self.units[own], units) for own in of_class]
        there_KU = [np.bincount(self.units[own], minlength=units) for own in of_class]
        return np.stack([_alike(scored_SU) for scored_SU in scored_KSU], 1), np.array([_alike(own) for own in there_KU])

    def table(self, weights_K: np.ndarray) -> ImageTable:
        """What each unit adds to a metric that is so weighted a sum of recalls."""
        protocol, is_NK, scored_SK = self.protocol, self._one_hot, self._scored_of_class
        alone_SK, units_K = self._alone
        # A seed's recall over one unit leaves nothing of it.
        is_known_K = alone_SK.min(0) >= LEAST_UNITS
        images_K, shots_K = is_NK.sum(0), np.array(protocol.shots) * self.is_pool
        known_K = np.where(is_known_K, weights_K, 0.0)
        weight_SN = (known_K / scored_SK)[:, self.labels] * self.scored
        # Less the recall, which the image itself is a part of, it is a little smaller.
        there_K = np.maximum(units_K, LEAST_UNITS)
        kept_SK = np.where(is_known_K, (1 - 1 / alone_SK) * np.sqrt(there_K / (there_K - 1)), 1.0)
        parts_SN = weight_SN * (self.hits - self._recalls[:, self.labels]) / kept_SK[:, self.labels]
        # The images that a seed learns from are not scored, which moves its metric the other way.
        share_N = (known_K / (images_K - shots_K))[self.labels]
        units = int(self.units.max()) + 1
        shots_SG, drawn_G, kept_G = self._shots
        return ImageTable(
            seeds=self.seeds,
            parts=_by_unit(parts_SN, self.units, units),
            weights=_by_unit(weight_SN, self.units, units),
            share=_by_unit(share_N[None], self.units, units)[0],
            shots=shots_SG,
            drawn=drawn_G,
            kept=kept_G,
            bound=self._bound(np.where(is_known_K, 0.0, weights_K)),
            degrees=_degrees(np.square(weights_K) / images_K, self.labels, self.units),
            is_pool=self.is_pool,
        )

    def _bound(self, weights_K: np.ndarray) -> float:
        """The most variance that classes of so few scored units can give: of independent hits, p (1 - p) for each unit.

        The share p is that of all seeds and one hit and one miss more (Laplace's rule of succession), since one image
        that all get right does not show that others would be.
        """
        if not weights_K.any():
            return 0.0
        was_scored_N = self.scored.any(0)
        scored_K = np.array([_alike(np.bincount(self.units[was_scored_N & own])) for own in self._one_hot.T > 0])
        share_K = (self._recalls.mean(0) * scored_K + 1) / (scored_K + 2)
        return float((np.square(weights_K) * share_K * (1 - share_K) / scored_K).sum())


@dataclass(frozen=True, kw_only=True)
class ImageTable:
    """What each unit adds to a metric of each seed.

    Attributes:
        seeds: The S seeds.
        parts: (S, U), what a unit adds to the metric, beyond what others of its class would; 0 if it is not scored.
        weights: (S, U), the weight that its images have in the metric of that seed.
        share: (U,), the weight that they have in the mean over all seeds.
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
        off_S = values_S - values_S.mean()
        scored = max(_ratio(_of_two(self.parts), _of_two(self.weights)) * _squares(self.share), 0.0)
        learned = self._learned(off_S)
        if not self.is_pool:
            return Variances(scored=scored + self.bound, learned=learned, both=0.0)
        product = float(self.parts.sum(0) @ ((off_S @ self.shots) / self.kept))
        pairs = float(self.weights.sum(0) @ self.shots.sum(0))
        both = 2 * _ratio(product, pairs) * float(self.share @ self.drawn)
        most = 2 * math.sqrt(scored * learned)
        return Variances(scored=scored + self.bound, learned=learned, both=min(max(both, -most), most))

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


def hits_of(results: Sequence[SeedResult], split: str, stage: str, spec: Spec) -> Hits | None:
    """The hits of one configuration's seeds on a split; None if fewer than two seeds have any.

    Args:
        results: Of the configuration; those of other splits, and those without hits, do not count.
        split: Validation or test.
        stage: In which the seeds were run, since it says how many images they were scored on.
        spec: Of the sweep.

    Raises:
        BadInput: Hits are not of as many images as the spec says.
    """
    found = sorted((r for r in results if r.split == split and r.hits is not None), key=lambda r: r.seed)
    if len(found) < 2:
        return None
    protocol = spec.protocol.for_confirmation() if stage in FRESH else spec.protocol
    is_pool = split == VALIDATION
    counts = protocol.pool if is_pool else spec.test_counts
    images = sum(counts)
    hits_SN = np.zeros((len(found), images), np.float32)
    scored_SN = np.zeros((len(found), images), bool)
    for row, result in enumerate(found):
        images_of_seed = split_of(protocol, result.seed)[1] if is_pool else np.arange(images)
        assert result.hits is not None
        try:
            hits_SN[row, images_of_seed] = unpacked_hits(result.hits, len(images_of_seed))
        except ValueError as error:
            raise BadInput(
                f"Expected each seed's hits in the journal as this version writes them; those of seed {result.seed} on "
                f"the {split} images are not ({error}). It is damaged, or of another version: begin a new sweep."
            ) from None
        scored_SN[row, images_of_seed] = True
    groups = protocol.groups if is_pool else spec.test_groups
    groups_N = np.array(groups) if groups else np.arange(images)
    return Hits(
        seeds=tuple(result.seed for result in found),
        hits=hits_SN,
        scored=scored_SN,
        labels=np.repeat(np.arange(len(counts)), counts),
        units=np.unique(groups_N, return_inverse=True)[1],
        protocol=protocol,
        is_pool=is_pool,
    )


# All configurations of a sweep are run on the same seeds, of which there are some sixty.
@lru_cache(maxsize=1024)
def split_of(protocol: Protocol, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """As `Protocol.split`, remembered."""
    return protocol.split(seed)


def _shots(protocol: Protocol, seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many images of each unit a seed learns from (S, G), their mean over all seeds (G,), and `kept`."""
    labels_N = protocol.labels
    groups_N = np.array(protocol.groups) if protocol.groups else np.arange(len(labels_N))
    units_N = np.unique(groups_N, return_inverse=True)[1]
    units = int(units_N.max()) + 1
    shots_SN = np.zeros((len(seeds), len(labels_N)), np.float32)
    for row, seed in enumerate(seeds):
        shots_SN[row, split_of(protocol, seed)[0]] = 1
    pool_K, shots_K = np.array(protocol.pool), np.array(protocol.shots)
    # A seed that has one image lacks others, whose effects are, on average, the other way round.
    kept_K = (pool_K - shots_K) / np.sqrt((pool_K - 1) * pool_K)
    drawn_N, kept_N = (shots_K / pool_K)[labels_N], kept_K[labels_N]
    drawn_G = np.bincount(units_N, drawn_N, units)
    return _by_unit(shots_SN, units_N, units), drawn_G, np.bincount(units_N, kept_N, units) / np.bincount(units_N)


def _by_unit(values_SN: np.ndarray, units_N: np.ndarray, units: int) -> np.ndarray:
    """Sums over the images of each unit, (S, U)."""
    if units == len(units_N) and (units_N == np.arange(units)).all():
        return values_SN.astype(np.float32)
    return np.stack([np.bincount(units_N, row, units) for row in values_SN]).astype(np.float32)


def _alike(counts: np.ndarray) -> np.ndarray:
    """How many units of one size would weigh as these of several sizes (..., U) do."""
    found: np.ndarray = np.square(counts.sum(-1, dtype=float)) / np.square(counts, dtype=float).sum(-1)
    return found


def _degrees(variance_K: np.ndarray, labels_N: np.ndarray, units_N: np.ndarray) -> float:
    """Welch and Satterthwaite's, of a sum over classes whose images have equal variances."""
    units_K = np.array([len(np.unique(units_N[labels_N == label])) for label in range(len(variance_K))])
    return float(np.square(variance_K.sum()) / (np.square(variance_K) / np.maximum(units_K - 1, 1)).sum())


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

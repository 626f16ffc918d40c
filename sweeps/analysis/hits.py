"""Which images each seed was scored on, learned from and right about, and what each image adds to a metric.

Shapes: S seeds, N images, K classes, U units that were scored, G units that are learned from. A unit is a group, or an
image that stands for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from sweeps.analysis.image_error import ImageTable
from sweeps.core.errors import BadInput
from sweeps.store.spec import Spec
from sweeps.store.trials import FRESH
from trainables.parts.protocol import VALIDATION, Protocol
from trainables.parts.results import SeedResult, unpacked_hits

# Scored images, or groups, of a class from which its variance can be estimated.
LEAST_UNITS = 2


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
    def _left(self) -> np.ndarray:
        """How many images of each class (K,) can be scored, on average over seeds: of units that are not learned from.

        A group that a seed learns one image of is not scored at all.
        """
        there_K: np.ndarray = self._one_hot.sum(0)
        if not self.is_pool:
            return there_K
        shots_SG = self._shots[0]
        there_GK = np.stack([np.bincount(self.units, own, shots_SG.shape[1]) for own in self._one_hot.T], 1)
        return there_K - ((shots_SG > 0) @ there_GK).mean(0)

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
        is_NK, scored_SK = self._one_hot, self._scored_of_class
        alone_SK, units_K = self._alone
        # A seed's recall over one unit leaves nothing of it.
        is_known_K = alone_SK.min(0) >= LEAST_UNITS
        known_K = np.where(is_known_K, weights_K, 0.0)
        weight_SN = (known_K / scored_SK)[:, self.labels] * self.scored
        # Less the recall, which the image itself is a part of, it is a little smaller.
        there_K = np.maximum(units_K, LEAST_UNITS)
        kept_SK = np.where(is_known_K, (1 - 1 / alone_SK) * np.sqrt(there_K / (there_K - 1)), 1.0)
        parts_SN = weight_SN * (self.hits - self._recalls[:, self.labels]) / kept_SK[:, self.labels]
        share_N = (known_K / self._left)[self.labels]
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
            degrees=_degrees(np.square(weights_K) / is_NK.sum(0), self.labels, self.units),
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
    # Of a class; its shots are of different ones.
    units_K = _units_of_classes(labels_N, units_N)
    # A seed that has one unit lacks others, whose effects are, on average, the other way round.
    kept_K = (units_K - shots_K) / np.sqrt((units_K - 1) * units_K)
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
    units_K = _units_of_classes(labels_N, units_N)
    return float(np.square(variance_K.sum()) / (np.square(variance_K) / np.maximum(units_K - 1, 1)).sum())


def _units_of_classes(labels_N: np.ndarray, units_N: np.ndarray) -> np.ndarray:
    """How many units have an image of each class (K,)."""
    return np.array([len(np.unique(units_N[labels_N == label])) for label in range(labels_N.max() + 1)])

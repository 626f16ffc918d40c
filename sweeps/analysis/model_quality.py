"""How good a kept model is on images that it has not learned from, and whether its probabilities are what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainables.parts.exported import decided
from trainables.parts.metrics import auroc

# Sides of the bins of the reliability table.
BINS = 10


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The images whose predicted class has a probability from `low` to `high`.

    `said` is the mean of these probabilities, and `was` the share of images that are of the predicted class.
    """

    low: float
    high: float
    images: int
    said: float
    was: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a model says of images that it has not learned from.

    Attributes:
        images: How many of each class.
        recalls: The share of each class's images that get it.
        auroc: Of more than two classes the mean over classes against the rest.
        brier: Half the sum over classes of (p - truth)^2, averaged over the classes' means, so that each counts the
            same.
        bins: The reliability table (DeGroot and Fienberg 1983), without empty bins.
    """

    images: tuple[int, ...]
    recalls: tuple[float, ...]
    auroc: float
    brier: float
    bins: tuple[Bin, ...]

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the recalls."""
        return float(np.mean(self.recalls))


def measured(probabilities_NK: np.ndarray, labels_N: np.ndarray) -> Measured:
    """Measure probabilities on images of all classes.

    Args:
        probabilities_NK: Of each class.
        labels_N: From 0, all classes present.
    """
    classes = probabilities_NK.shape[1]
    is_NK = labels_N[:, None] == np.arange(classes)
    found_N = decided(probabilities_NK)
    columns = [1] if classes == 2 else range(classes)
    return Measured(
        images=tuple(is_NK.sum(0).tolist()),
        recalls=tuple(float(np.mean(found_N[is_N] == label)) for label, is_N in enumerate(is_NK.T)),
        auroc=float(np.mean([auroc(is_NK[:, label], probabilities_NK[:, label]) for label in columns])),
        brier=brier(probabilities_NK, labels_N),
        bins=reliability(probabilities_NK, labels_N),
    )


def brier(probabilities_NK: np.ndarray, labels_N: np.ndarray) -> float:
    """The Brier score as `Measured` has it."""
    is_NK = labels_N[:, None] == np.arange(probabilities_NK.shape[1])
    of_image_N = np.square(probabilities_NK - is_NK).sum(1) / 2
    return float(np.mean([of_image_N[is_N].mean() for is_N in is_NK.T]))


def reliability(probabilities_NK: np.ndarray, labels_N: np.ndarray) -> tuple[Bin, ...]:
    """The images by the probability of their predicted class, in tenths."""
    found_N = decided(probabilities_NK)
    said_N = probabilities_NK[np.arange(len(labels_N)), found_N]
    place_N = np.minimum((said_N * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(
            low=place / BINS,
            high=(place + 1) / BINS,
            images=int(np.count_nonzero(place_N == place)),
            said=float(said_N[place_N == place].mean()),
            was=float(np.mean((found_N == labels_N)[place_N == place])),
        )
        for place in range(BINS)
        if (place_N == place).any()
    )

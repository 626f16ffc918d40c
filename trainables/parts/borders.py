"""Borders between classes of unlike numbers of images, where no class should be called for its number alone.

A class mean is off its true place by chance, by the spread inside classes over the class's number of images: an image
is farther from the mean of two images than from that of eight, whichever class it is of. So margins lean to the larger
class, however the classes are weighted. Of N images in many more dimensions than N that is most of what decides. The
remedies take off what is expected of the images' own share (Chan and Hall 2009, for distances; Nakayama, Yata and
Aoshima 2017 and 2020, for support vector machines, linear and with a Gaussian kernel).

Shapes: N = images that are learned from, D = length of a vector, K = classes.
"""

from __future__ import annotations

import numpy as np


def are_uneven(labels_N: np.ndarray) -> bool:
    """Whether classes have unlike numbers of images."""
    counts_K = np.bincount(labels_N)
    return bool(counts_K.min() < counts_K.max())


def border(kernel_NN: np.ndarray, labels_N: np.ndarray, margins_N: np.ndarray, weight: float) -> float:
    """The margin in the middle of what new images of classes 0 and 1 have on average, 0 if there were no bias.

    A class's own images have more of a margin than new ones, since each is part of its own machine: by the variance
    inside classes, times the class's summed weights, over its number of images.

    Args:
        kernel_NN: Inner products of the images.
        labels_N: 0 or 1.
        margins_N: Of the images, positive for class 1.
        weight: Of class 1, summed over its images, in the normal vector of the border; class 0 has minus as much.
    """
    counts_K, variance = np.bincount(labels_N), variance_inside(kernel_NN, labels_N)
    own_K = np.array([margins_N[labels_N == label].mean() for label in (0, 1)])
    return float(np.mean(own_K + variance * weight / counts_K * np.array([1, -1])))


def variance_inside(kernel_NN: np.ndarray, labels_N: np.ndarray) -> float:
    """The mean squared distance of an image to its class's true mean, estimated from inner products."""
    counts_K = np.bincount(labels_N)
    squares = 0.0
    for label, count in enumerate(counts_K):
        of_class = kernel_NN[np.ix_(labels_N == label, labels_N == label)]
        squares += of_class.trace() - count * of_class.mean()
    return float(squares / max(len(labels_N) - len(counts_K), 1))


def image_weights(vectors_ND: np.ndarray, logits_N: np.ndarray) -> np.ndarray:
    """The weights (N,), or (N, K), of images in the normal vectors of linear logits; they sum to 0.

    They are found from what the logits say of the images, so it does not matter how these were learned.
    """
    inverse_DN = np.linalg.pinv(vectors_ND - vectors_ND.mean(0), rcond=1e-6)
    weights: np.ndarray = inverse_DN.T @ (inverse_DN @ (logits_N - logits_N.mean(0)))
    return weights


def lean(vectors_ND: np.ndarray, labels_N: np.ndarray, logits_N: np.ndarray) -> np.ndarray:
    """What linear logits (N,) or (N, K) lack on average, () or (K,), to have their border in the middle for new images.

    Of two classes it is meant for margins whose class means over their own images are even, as those of distances to
    means are.
    """
    weights_N, counts_K = image_weights(vectors_ND, logits_N), np.bincount(labels_N)
    variance = variance_inside(vectors_ND @ vectors_ND.T, labels_N)
    # By class of the images, and of more than two classes by logit.
    of_class = np.stack([weights_N[labels_N == label].sum(0) for label in range(len(counts_K))])
    short = variance * (of_class.T / counts_K).T
    if short.ndim == 1:
        return np.asarray(short.mean())
    # What new images of each class have. Of logits k and l those of classes k and l alone tell where their border is; a
    # logit gets the mean over l.
    new = np.stack([logits_N[labels_N == label].mean(0) for label in range(len(counts_K))]) - short
    lacking_K: np.ndarray = (new.mean(1) - np.diag(new) - new.mean(0) + np.diag(new).mean()) / 2
    return lacking_K

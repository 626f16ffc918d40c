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

"""What needs no network: a classical classifier on pixels, HOG or scattering. Every other approach must beat it.

Shapes: N = images that are learned from, M = images that are classified, K = classes, D = length of a vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.parts.borders import are_uneven
from trainables.parts.learner import Classifier, Learner, Support
from trainables.parts.normalisation import normalise, unit, zscore
from trainables.parts.scattering import scattering
from trainables.parts.streams import Streams

# scikit-learn and scikit-image are imported where they are used: that takes a second, and the driver never fits.

# Images (N, 28, 28) or (N, 3, 28, 28) -> vectors (N, D).
Representation = Callable[[Tensor], np.ndarray]
# Vectors (M, D) -> margins of any scale: of class 1 of two (M,), where 0 is at the border, or of more (M, K), of which
# the greatest decides.
Decision = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class PixelBaselineConfig:
    """A representation, a classifier, and the own hyperparameters of both (None where they have none)."""

    representation: str
    classifier: str
    hog_cell_px: int | None = None
    scattering_share: float | None = None
    ridge_alpha: float | None = None
    logistic_c: float | None = None
    svm_c: float | None = None
    svm_gamma_factor: float | None = None


class Remembered:
    """What a slow function makes of images, kept until `most_bytes` are full; from then on, what is new is not kept.

    Seeds draw from the same images in any order, so a worker soon has all of them, or as many as fit. A cache that let
    go of its oldest entries would have let go of most images before a seed comes back to them.
    """

    def __init__(self, compute: Callable[..., np.ndarray], most_bytes: int) -> None:
        self.compute = compute
        self.most_bytes = most_bytes
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self.found: dict[tuple[Any, ...], np.ndarray] = {}
        self.bytes = 0

    def __call__(self, image: np.ndarray, *options: Any) -> np.ndarray:
        """The function's vector of this image with these options, read-only."""
        key = (image.tobytes(), image.shape, *options)
        if key in self.found:
            return self.found[key]
        vector = self.compute(image, *options)
        vector.setflags(write=False)
        size = vector.nbytes + image.nbytes
        if self.bytes + size <= self.most_bytes:
            self.found[key] = vector
            self.bytes += size
        return vector


def represent(config: PixelBaselineConfig, images: Tensor) -> np.ndarray:
    """Images (N, 28, 28), or of colours (N, 3, 28, 28), as vectors (N, D), each by itself.

    HOG (Dalal and Triggs 2005): 8 orientations, cells of `hog_cell_px`, blocks of 2 x 2 cells, L2-Hys; it normalises
    contrast by itself, and of colours it takes the one with the greatest gradient at each pixel. "scattering" is the
    logarithm of scattering coefficients (see `scattering`), those of the colours one behind the other; without the
    logarithm a ridge classifier on them is right 12 points less often. "zscore_scattering" is that of the first order,
    of images whose contrast is normalised.
    """
    if config.representation == "hog":
        return np.stack([hog_of(image, config.hog_cell_px) for image in images.numpy()])
    if config.representation == "scattering":
        return np.stack([scattering_of(image) for image in images.numpy()])
    if config.representation == "zscore_scattering":
        return np.stack([first_order_of(image) for image in images.numpy()])
    vectors: np.ndarray = normalise(config.representation, unit(images)).flatten(1).numpy().astype(np.float64)
    return vectors


def _hog(image: np.ndarray, cell_px: int) -> np.ndarray:
    from skimage.feature import hog

    vector: np.ndarray = hog(
        image,
        orientations=8,
        pixels_per_cell=(cell_px, cell_px),
        cells_per_block=(2, 2),
        channel_axis=0 if image.ndim == 3 else None,
    )
    return vector


def _scattering(image: np.ndarray) -> np.ndarray:
    # Each colour as an image by itself.
    unit_CHW = unit(torch.from_numpy(image[None].copy()))[0]
    vector: np.ndarray = (scattering(unit_CHW) + 1e-3).log().flatten().numpy()
    return vector


def _first_order(image: np.ndarray) -> np.ndarray:
    """Logarithms of the first order's coefficients of one uint8 image, or of each colour, after its z-score.

    With the second it takes nearly four times as long, and `cnn_hog` is no better. That of order 0 may be negative.
    """
    colours_CHW = zscore(unit(torch.from_numpy(image.copy())[None]))[0].reshape(-1, *image.shape[-2:])
    first_COO = scattering(colours_CHW, order=1)[:, 1:]
    vector: np.ndarray = (first_COO + 1e-3).log().flatten().numpy()
    return vector


# HOG of an image takes half a millisecond, and a seed's other work less for all images. That of 2624 images, as many as
# the study's, in both cell sizes takes 35 MB.
hog_of = Remembered(_hog, 1 << 27)
# Scattering takes two milliseconds for each colour, and 44 MB for 2624 grey images, in single precision; the first
# order alone half a millisecond and 8 MB.
scattering_of = Remembered(_scattering, 1 << 27)
first_order_of = Remembered(_first_order, 1 << 26)


def representation(config: PixelBaselineConfig, support_images: Tensor) -> Representation:
    """The configuration's representation: `represent`, or "hog_scattering", which is two of them side by side.

    These are HOG and "zscore_scattering", each less its mean over the images that are learned from. They are scaled so
    that these have a mean squared length of 1, of which `scattering_share` is scattering's and the rest HOG's. A
    Gaussian kernel on both is the product of one on each.
    """
    if config.representation != "hog_scattering":
        return partial(represent, config)
    assert config.scattering_share is not None
    hog_part, scattering_part = (replace(config, representation=name) for name in ("hog", "zscore_scattering"))
    parts = [
        centred(partial(represent, hog_part), support_images, 1 - config.scattering_share),
        centred(partial(represent, scattering_part), support_images, config.scattering_share),
    ]
    return lambda images: np.concatenate([part(images) for part in parts], axis=1)


def centred(part: Representation, support_images: Tensor, share: float) -> Representation:
    """The same less its mean over the images that are learned from, whose mean squared length then is `share`."""
    vectors_ND = part(support_images).astype(np.float64)
    mean_D = vectors_ND.mean(0)
    scale = np.sqrt(share / max(np.square(vectors_ND - mean_D).sum(1).mean(), 1e-12))
    return lambda images: scale * (part(images) - mean_D)


def nearest_centroid(vectors_ND: np.ndarray, labels_N: np.ndarray) -> Decision:
    """Logits under spherical Gaussians at the class means with the pooled within-class variance.

    Of one image a class there is no such variance, and that of all images stands for it. It decides no class.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    means_KD = np.stack([vectors_ND[labels_N == label].mean(0) for label in range(labels_N.max() + 1)])
    centres_ND = means_KD[labels_N] if len(vectors_ND) > len(means_KD) else vectors_ND.mean(0)
    variance = np.square(vectors_ND - centres_ND).mean()

    def decide(queries_MD: np.ndarray) -> np.ndarray:
        squared_MK = euclidean_distances(queries_MD, means_KD, squared=True)
        return nearer(squared_MK) / (2 * max(variance, 1e-12))

    return decide


def nearer(distances_MK: np.ndarray) -> np.ndarray:
    """Margins by the distances to something of each class: how much nearer class 1 is of two, (M,), or minus each."""
    return distances_MK[:, 0] - distances_MK[:, 1] if distances_MK.shape[1] == 2 else -distances_MK


def nearest_neighbour(vectors_ND: np.ndarray, labels_N: np.ndarray) -> Decision:
    """Minus the distance to the nearest image of each class, or the difference of two such distances."""
    from sklearn.neighbors import NearestNeighbors

    neighbours = [
        NearestNeighbors(n_neighbors=1).fit(vectors_ND[labels_N == label]) for label in range(labels_N.max() + 1)
    ]

    def decide(queries_MD: np.ndarray) -> np.ndarray:
        return nearer(np.stack([each.kneighbors(queries_MD)[0][:, 0] for each in neighbours], axis=1))

    return decide


def logistic_regression(vectors_ND: np.ndarray, labels_N: np.ndarray, inverse_penalty: float | None) -> Decision:
    """Logistic regression on the vectors less their mean.

    The optimum is the same, since the intercept has no penalty. But far from 0, as the logarithms of scattering are,
    the solver stops long before it with a strong penalty.
    """
    from sklearn.linear_model import LogisticRegression

    mean_D = vectors_ND.mean(0, dtype=np.float64)
    model = LogisticRegression(C=inverse_penalty, max_iter=1000, class_weight="balanced")
    decide = model.fit(vectors_ND - mean_D, labels_N).decision_function
    return lambda queries_MD: decide(queries_MD - mean_D)


def support_vector_machine(vectors_ND: np.ndarray, labels_N: np.ndarray, price: float | None, gamma: float) -> Decision:
    """A support vector machine with a Gaussian kernel; with borders moved where classes have unlike numbers of images.

    Of more than two classes each is told from each other one, and these answers are added up by class.
    """
    from sklearn.multiclass import OneVsOneClassifier
    from sklearn.svm import SVC

    # The fit is not random, but without a random state sklearn draws from numpy's global one.
    options: dict[str, Any] = {"C": price, "gamma": gamma, "class_weight": "balanced", "random_state": 0}
    if not are_uneven(labels_N):
        model = SVC(decision_function_shape="ovr", **options)
    else:
        from trainables.parts.even_svc import EvenSVC

        model = EvenSVC(**options)
        if labels_N.max() > 1:
            model = OneVsOneClassifier(model)
    decide: Decision = model.fit(vectors_ND, labels_N).decision_function
    return decide


def decision(config: PixelBaselineConfig, vectors_ND: np.ndarray, labels_N: np.ndarray) -> Decision:
    """The configuration's classifier, fitted. Every class counts the same, however many images it has.

    Raises:
        ValueError: There is no classifier of that name.
    """
    from sklearn.linear_model import RidgeClassifier

    match config.classifier:
        case "centroid":
            return nearest_centroid(vectors_ND, labels_N)
        case "1nn":
            return nearest_neighbour(vectors_ND, labels_N)
        case "ridge":
            model = RidgeClassifier(alpha=config.ridge_alpha, class_weight="balanced")
        case "logistic":
            return logistic_regression(vectors_ND, labels_N, config.logistic_c)
        case "svm":
            # sklearn's "scale", 1 / (D * variance), times a factor.
            gamma = (config.svm_gamma_factor or 1.0) / (vectors_ND.shape[1] * max(vectors_ND.var(), 1e-12))
            return support_vector_machine(vectors_ND, labels_N, config.svm_c, gamma)
        case unknown:
            raise ValueError(f"Expected a classifier from centroid, 1nn, ridge, logistic, svm; got {unknown!r}.")
    decide: Decision = model.fit(vectors_ND, labels_N).decision_function
    return decide


class PixelBaseline(Learner):
    """A classical classifier on pixels, HOG or scattering coefficients. Nothing in it is random."""

    Config = PixelBaselineConfig

    @classmethod
    def gives_margins(cls, config: PixelBaselineConfig) -> bool:
        """Always: even the logits of logistic regression are as large as its penalty lets them be, not log-odds."""
        return True

    @classmethod
    def fit(cls, config: PixelBaselineConfig, support: Support, streams: Streams) -> Classifier:
        """Fit the classifier to the images' vectors."""
        seen = representation(config, support.images)
        decide = decision(config, seen(support.images), support.labels.numpy())
        return lambda images: torch.from_numpy(decide(seen(images)))

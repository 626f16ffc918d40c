"""What needs no network: a classical classifier on pixels, HOG or scattering. Every other approach must beat it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch
from skimage.feature import hog
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC
from torch import Tensor

from trainables.parts.learner import Classifier, Learner, Support
from trainables.parts.normalisation import normalise, unit, zscore
from trainables.parts.scattering import scattering
from trainables.parts.streams import Streams

# Images (N, 28, 28) -> vectors (N, D).
Representation = Callable[[Tensor], np.ndarray]
# Vectors (M, D) -> log-odds of pneumonia (M,); a classifier without probabilities gives a margin, 0 at its border.
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


def represent(config: PixelBaselineConfig, images_NHW: Tensor) -> np.ndarray:
    """Images (N, 28, 28) as vectors (N, D), each by itself.

    HOG (Dalal and Triggs 2005): 8 orientations, cells of `hog_cell_px`, blocks of 2 x 2 cells, L2-Hys; it normalises
    contrast by itself. "scattering" is the logarithm of scattering coefficients (see `scattering`); without it a ridge
    classifier on them is right 12 points less often. "zscore_scattering" is that of the first order, of images whose
    contrast is normalised.
    """
    if config.representation == "hog":
        images = images_NHW.numpy()
        return np.stack([hog_of(image.tobytes(), image.shape, config.hog_cell_px) for image in images])
    if config.representation == "scattering":
        return np.stack([scattering_of(image.tobytes(), image.shape) for image in images_NHW.numpy()])
    if config.representation == "zscore_scattering":
        return np.stack([first_order_of(image.tobytes(), image.shape) for image in images_NHW.numpy()])
    vectors: np.ndarray = normalise(config.representation, unit(images_NHW)).flatten(1).numpy().astype(np.float64)
    return vectors


# All seeds draw from the same 2624 images, so a worker soon has them all, for both cell sizes in some 50 MB.
@lru_cache(maxsize=2 * 2624)
def hog_of(pixels: bytes, shape: tuple[int, int], cell_px: int) -> np.ndarray:
    """HOG of one uint8 image, remembered: it takes half a millisecond, and a seed's other work less for all images."""
    image = np.frombuffer(pixels, np.uint8).reshape(shape)
    vector: np.ndarray = hog(image, orientations=8, pixels_per_cell=(cell_px, cell_px), cells_per_block=(2, 2))
    vector.setflags(write=False)
    return vector


# In single precision all images take 42 MB.
@lru_cache(maxsize=2624)
def scattering_of(pixels: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Logarithms of the scattering coefficients of one uint8 image, remembered: they take two milliseconds."""
    image_1HW = torch.from_numpy(np.frombuffer(pixels, np.uint8).reshape(1, *shape).copy())
    vector: np.ndarray = (scattering(unit(image_1HW)) + 1e-3).log().flatten().numpy()
    vector.setflags(write=False)
    return vector


# In single precision all images take 8 MB.
@lru_cache(maxsize=2624)
def first_order_of(pixels: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Logarithms of the first order's coefficients of one uint8 image after its z-score, remembered.

    With the second it takes nearly four times as long, and `cnn_hog` is no better. That of order 0 may be negative.
    """
    image_1HW = torch.from_numpy(np.frombuffer(pixels, np.uint8).reshape(1, *shape).copy())
    first_1COO = scattering(zscore(unit(image_1HW)), order=1)[:, 1:]
    vector: np.ndarray = (first_1COO + 1e-3).log().flatten().numpy()
    vector.setflags(write=False)
    return vector


def representation(config: PixelBaselineConfig, support_NHW: Tensor) -> Representation:
    """The configuration's representation: `represent`, or "hog_scattering", which is two of them side by side.

    These are HOG and "zscore_scattering", each less its mean over the ten images. They are scaled so that the ten have
    a mean squared length of 1, of which `scattering_share` is scattering's and the rest HOG's. A Gaussian kernel on
    both is the product of one on each.
    """
    if config.representation != "hog_scattering":
        return partial(represent, config)
    assert config.scattering_share is not None
    hog_part, scattering_part = (replace(config, representation=name) for name in ("hog", "zscore_scattering"))
    parts = [
        centred(partial(represent, hog_part), support_NHW, 1 - config.scattering_share),
        centred(partial(represent, scattering_part), support_NHW, config.scattering_share),
    ]
    return lambda images_NHW: np.concatenate([part(images_NHW) for part in parts], axis=1)


def centred(part: Representation, support_NHW: Tensor, share: float) -> Representation:
    """The same less its mean over the ten images, scaled so that their mean squared length is `share`."""
    vectors_ND = part(support_NHW).astype(np.float64)
    mean_D = vectors_ND.mean(0)
    scale = np.sqrt(share / max(np.square(vectors_ND - mean_D).sum(1).mean(), 1e-12))
    return lambda images_NHW: scale * (part(images_NHW) - mean_D)


def nearest_centroid(vectors_ND: np.ndarray, labels_N: np.ndarray) -> Decision:
    """Log-odds under two spherical Gaussians at the class means with the pooled within-class variance."""
    means_CD = np.stack([vectors_ND[labels_N == label].mean(0) for label in (0, 1)])
    variance = np.square(vectors_ND - means_CD[labels_N]).mean()

    def decide(queries_MD: np.ndarray) -> np.ndarray:
        squared_MC = euclidean_distances(queries_MD, means_CD, squared=True)
        margin_M: np.ndarray = (squared_MC[:, 0] - squared_MC[:, 1]) / (2 * max(variance, 1e-12))
        return margin_M

    return decide


def nearest_neighbour(vectors_ND: np.ndarray, labels_N: np.ndarray) -> Decision:
    """Distance to the nearest normal image less distance to the nearest one with pneumonia."""
    neighbours = [NearestNeighbors(n_neighbors=1).fit(vectors_ND[labels_N == label]) for label in (0, 1)]

    def decide(queries_MD: np.ndarray) -> np.ndarray:
        distance_C_M = [each.kneighbors(queries_MD)[0][:, 0] for each in neighbours]
        margin_M: np.ndarray = distance_C_M[0] - distance_C_M[1]
        return margin_M

    return decide


def decision(config: PixelBaselineConfig, vectors_ND: np.ndarray, labels_N: np.ndarray) -> Decision:
    """The configuration's classifier, fitted.

    Raises:
        ValueError: There is no classifier of that name.
    """
    match config.classifier:
        case "centroid":
            return nearest_centroid(vectors_ND, labels_N)
        case "1nn":
            return nearest_neighbour(vectors_ND, labels_N)
        case "ridge":
            model = RidgeClassifier(alpha=config.ridge_alpha)
        case "logistic":
            model = LogisticRegression(C=config.logistic_c, max_iter=1000)
        case "svm":
            # sklearn's "scale", 1 / (D * variance), times a factor.
            gamma = (config.svm_gamma_factor or 1.0) / (vectors_ND.shape[1] * max(vectors_ND.var(), 1e-12))
            # The fit is not random, but without a random state sklearn draws from numpy's global one.
            model = SVC(C=config.svm_c, kernel="rbf", gamma=gamma, random_state=0)
        case unknown:
            raise ValueError(f"Expected a classifier from centroid, 1nn, ridge, logistic, svm; got {unknown!r}.")
    decide: Decision = model.fit(vectors_ND, labels_N).decision_function
    return decide


class PixelBaseline(Learner):
    """A classical classifier on pixels, HOG or scattering coefficients. Nothing in it is random."""

    Config = PixelBaselineConfig

    @classmethod
    def fit(cls, config: PixelBaselineConfig, support: Support, streams: Streams) -> Classifier:
        """Fit the classifier to the ten images' vectors."""
        seen = representation(config, support.images)
        decide = decision(config, seen(support.images), support.labels.numpy().astype(int))
        return lambda images_NHW: torch.from_numpy(decide(seen(images_NHW)))

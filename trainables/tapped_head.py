"""Heads without training on an inner layer of a frozen backbone.

A few images know nothing of a thousand classes, and the last layer of a network knows little else: how deep to look is
the first hyperparameter. The heads are linear, so each is one vector of weights, or of more than two classes one for
each class.

Shapes: N = images, D = features, R = dimensions of the support's span, K = classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from trainables.parts.backbones import FeatureSpec
from trainables.parts.borders import are_uneven, border, image_weights, lean
from trainables.parts.learner import Classifier, Learner, Needs, Support
from trainables.parts.streams import Streams
from trainables.parts.taps import CUTS, LITE0_TAPS, TAPPED_INTERPOLATION, features_at

# How many positions are left along either side of a map, at the most.
SIDE = 7


@dataclass(frozen=True, kw_only=True)
class TappedHeadConfig:
    """Where the backbone is tapped, the features' scale, and the head with its own hyperparameter (None if not its).

    Attributes:
        tap: After which block, and on images of which size: "8@140". Two, "2@64&6@140", are two heads of the same kind
            whose margins or logits are averaged.
        cut: How many eighths of the map are cut from each of its sides.
        shrink: What part of the mean sd is added to each feature's own.
        mirror: Whether the mirror images are learned from too.
        head: "centroid", "ridge", "svm", "logistic" or "lda".
        ridge_alpha: Penalty of ridge regression.
        svm_c: Price of a margin's violation.
        logistic_c: Inverse penalty of logistic regression.
        lda_shrinkage: 0 is the support's own covariance inside classes, 1 a spherical one.
    """

    tap: str
    cut: int
    shrink: float
    mirror: bool
    head: str
    ridge_alpha: float | None = None
    svm_c: float | None = None
    logistic_c: float | None = None
    lda_shrinkage: float | None = None


def standardiser(support_ND: np.ndarray, shrink: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and factor (D,) by which features are standardised: `(x - mean) * factor`.

    The factor is 1 / ((sd + shrink * mean sd) * sqrt(D)), so that an image's squared length is about 1 however many
    features there are; `shrink` keeps features that hardly vary over the support from counting as much as the others.
    A feature that is constant over the support counts nothing.
    """
    sd_D = support_ND.std(0)
    scale_D = (sd_D + shrink * sd_D.mean()) * np.sqrt(support_ND.shape[1])
    factor_D = np.divide(1.0, scale_D, out=np.zeros_like(scale_D), where=sd_D > 1e-6)
    return support_ND.mean(0), factor_D


# Of two classes weights (R,) and a bias () of the margin of class 1, 0 at the border; else (K, R) and (K,) of logits.
Linear = tuple[np.ndarray, np.ndarray]


def class_means(points_NR: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """The mean of each class, (K, R)."""
    return np.stack([points_NR[labels_N == label].mean(0) for label in range(labels_N.max() + 1)])


def centroid(points_NR: np.ndarray, labels_N: np.ndarray) -> Linear:
    """The nearest class mean.

    Of two classes the means themselves have margins of -1 and 1. Of more classes a logit is minus the squared distance
    to the class's mean, over the mean squared distance of two means, and less the mean over classes: the difference of
    two logits is such a margin.
    """
    means_KR = class_means(points_NR, labels_N)
    if len(means_KR) == 2:
        one_R, other_R = means_KR
        weights_R = 2 * (other_R - one_R) / max(np.square(other_R - one_R).sum(), 1e-12)
        return weights_R, -weights_R @ (one_R + other_R) / 2
    from_middle_KR = means_KR - means_KR.mean(0)
    # The squared distance of two of K points is 2 / (K - 1) times the sum of their squared distances to their mean.
    apart = max(2 * np.square(from_middle_KR).sum() / (len(means_KR) - 1), 1e-12)
    squares_K = np.square(means_KR).sum(1)
    return 2 * from_middle_KR / apart, (squares_K.mean() - squares_K) / apart


def lda(points_NR: np.ndarray, labels_N: np.ndarray, shrinkage: float | None) -> Linear:
    """Linear discriminant analysis, for classes that are equally frequent.

    Where no image differs from the others of its class, as with one image a class, there is no covariance, and any
    that is spherical makes it the nearest class mean.
    """
    inside_NR = points_NR - class_means(points_NR, labels_N)[labels_N]
    if np.square(inside_NR).sum() <= 1e-12 * np.square(points_NR).sum():
        return centroid(points_NR, labels_N)
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    classes = labels_N.max() + 1
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=np.full(classes, 1 / classes))
    # It warns of a class with a single image, which adds nothing to the covariance.
    with warnings.catch_warnings(action="ignore"):
        model.fit(points_NR, labels_N)
    return linear_of(model)


def linear_of(model: Any) -> Linear:
    """What a fitted linear model of sklearn's has learned."""
    weights, bias = np.asarray(model.coef_), np.ravel(model.intercept_)
    return (weights.ravel(), bias[0]) if len(weights) == 1 else (weights, bias)


def svm(points_NR: np.ndarray, labels_N: np.ndarray, price: float | None) -> Linear:
    """A linear support vector machine; of more than two classes one for each class, against all others.

    sklearn's own way to more classes is a machine for each pair, whose votes are not linear.
    """
    # Here and below not at the top: scikit-learn takes a second to import, and the driver never fits.
    from sklearn.svm import SVC
    from sklearn.utils.class_weight import compute_sample_weight

    weights_N = compute_sample_weight("balanced", labels_N)

    def machine(targets_N: np.ndarray) -> Linear:
        # It draws nothing, but without a state of its own it would move numpy's.
        model = SVC(C=price, kernel="linear", random_state=0)
        return linear_of(model.fit(points_NR, targets_N, sample_weight=weights_N))

    classes = labels_N.max() + 1
    if classes == 2:
        return machine(labels_N)
    weights, biases = zip(*(machine(labels_N == label) for label in range(classes)), strict=True)
    return np.stack(weights), np.stack(biases)


def head(config: TappedHeadConfig, points_NR: np.ndarray, labels_N: np.ndarray) -> Linear:
    """Weights and bias of the configuration's head. Every class counts the same, however many images it has.

    With two and eight images, and classes weighted by these numbers, heads may call everything the larger class. What
    is left of that is for `evened`.

    Of more than two classes ridge regression, as the machines, asks for each class against all others; logistic
    regression and LDA are of all classes together.

    Raises:
        ValueError: There is no head of that name.
    """
    from sklearn.linear_model import LogisticRegression, RidgeClassifier

    match config.head:
        case "centroid":
            return centroid(points_NR, labels_N)
        case "ridge":
            ridge = RidgeClassifier(alpha=config.ridge_alpha, class_weight="balanced")
            return linear_of(ridge.fit(points_NR, labels_N))
        case "svm":
            return svm(points_NR, labels_N, config.svm_c)
        case "logistic":
            logistic = LogisticRegression(C=config.logistic_c, max_iter=1000, class_weight="balanced")
            return linear_of(logistic.fit(points_NR, labels_N))
        case "lda":
            return lda(points_NR, labels_N, config.lda_shrinkage)
        case unknown:
            raise ValueError(f"Expected a head from centroid, ridge, svm, logistic, lda; got {unknown!r}.")


def evened(config: TappedHeadConfig, points_NR: np.ndarray, labels_N: np.ndarray, fitted: Linear) -> np.ndarray:
    """What is added to the bias, () or (K,), for new images of the class with fewer images to be found as often.

    An image and its mirror image are one image, their mean.

    Args:
        config: Of the head.
        points_NR: Images that are learned from, perhaps followed by as many mirror images.
        labels_N: Of the images, without mirror images.
        fitted: The head.
    """
    own_NR = points_NR.reshape(-1, len(labels_N), points_NR.shape[1]).mean(0)
    weights, bias = fitted
    logits_N = own_NR @ weights.T + bias
    if config.head == "svm" and logits_N.ndim == 1:
        # Its own images' margins are not even.
        weight = image_weights(own_NR, logits_N)[labels_N == 1].sum()
        return -np.asarray(border(own_NR @ own_NR.T, labels_N, logits_N, weight))
    return lean(own_NR, labels_N, logits_N)


class TappedHead(Learner):
    """A head without training on an inner layer of a frozen backbone; a subclass names both. Nothing is random."""

    Config = TappedHeadConfig
    backbone: ClassVar[str]
    # A configuration has one of these or two, as in `TappedHeadConfig.tap`.
    taps: ClassVar[tuple[str, ...]]
    normalisation: ClassVar[str] = "half"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "backbone"):
            views = [cls.features(tap, cut, mirrored) for tap in cls.taps for cut in CUTS for mirrored in (False, True)]
            cls.may_need = Needs(views=tuple(views))

    @classmethod
    def features(cls, tap: str, cut: int, mirrored: bool) -> FeatureSpec:
        """The table of a tap.

        Raises:
            ValueError: The backbone has no such tap here.
        """
        if tap not in cls.taps or cut not in CUTS:
            raise ValueError(f"Expected a tap from {', '.join(cls.taps)}, cut by 0 or 1; got {tap!r}, cut by {cut}.")
        (spec,) = features_at(
            (cls.backbone,),
            tap,
            side=SIDE,
            cut=cut,
            normalisation=cls.normalisation,
            interpolation=TAPPED_INTERPOLATION,
            mirrored=mirrored,
        )
        return spec

    @classmethod
    def needs(cls, config: TappedHeadConfig) -> Needs:
        """The configuration's taps, each with the same of the mirror images if they are learned from."""
        return Needs(
            views=tuple(
                cls.features(tap, config.cut, mirrored)
                for tap in config.tap.split("&")
                for mirrored in ((False, True) if config.mirror else (False,))
            )
        )

    @classmethod
    def gives_margins(cls, config: TappedHeadConfig) -> bool:
        """All but LDA at one tap, whose logits are log-odds.

        Those of logistic regression are as large as its penalty lets them be: a strong one leaves every image at about
        one half, however well the images are told apart.
        """
        return "&" in config.tap or config.head != "lda"

    @classmethod
    def fit(cls, config: TappedHeadConfig, support: Support, streams: Streams) -> Classifier:
        """Fit a head to the support at each tap; of images that are scored, their mirror images are not looked at."""
        views, step = (support.images, *support.more), 1 + config.mirror
        margins = [
            linear(config, torch.cat(views[first : first + step]).double().numpy(), support.labels.numpy())
            for first in range(0, len(views), step)
        ]
        return lambda *views: torch.stack(
            [margin(view) for margin, view in zip(margins, views[::step], strict=True)]
        ).mean(0)


def linear(config: TappedHeadConfig, images_ND: np.ndarray, labels: np.ndarray) -> Callable[[Tensor], Tensor]:
    """The configuration's head on features (N, D): the margin (N,) of two classes, logits (N, K) of more.

    Of several taps the margin has mean absolute 1 on the support; so have logits, less each image's mean over classes.

    All heads' weights lie in the span of the support, which has no more dimensions than there are images in it: there
    they are fitted, so that thousands of features cost no more than the projection onto it.

    Args:
        config: Of the head.
        images_ND: The support's features, perhaps followed by those of its mirror images.
        labels: Of the support, from 0.
    """
    labels_N = np.tile(labels, len(images_ND) // len(labels))
    mean_D, factor_D = standardiser(images_ND, config.shrink)
    standardised_ND = (images_ND - mean_D) * factor_D
    _, lengths_R, span_RD = np.linalg.svd(standardised_ND, full_matrices=False)
    is_spanned_R = lengths_R > 1e-6 * max(lengths_R.max(), 1e-12)
    # Images that are all the same span nothing; heads need a dimension, in which they then are all 0.
    is_spanned_R[0] = True
    span_RD = span_RD[is_spanned_R]
    points_NR = standardised_ND @ span_RD.T
    weights, bias = head(config, points_NR, labels_N)
    if are_uneven(labels):
        bias = bias + evened(config, points_NR, labels, (weights, bias))
    if "&" in config.tap:
        # Else the head with the larger margins would decide alone.
        margins = points_NR @ weights.T + bias
        size = max(np.abs(margins if margins.ndim == 1 else margins - margins.mean(1, keepdims=True)).mean(), 1e-12)
        weights, bias = weights / size, bias / size
    # (D,) or (D, K), and () or (K,).
    weights_of_features = torch.from_numpy((weights @ span_RD * factor_D).T)
    border = torch.from_numpy(mean_D) @ weights_of_features - torch.as_tensor(bias)
    return lambda images_ND: images_ND.double() @ weights_of_features - border


class EfficientNetLite0(TappedHead):
    """A head without training on an inner layer of frozen EfficientNet-Lite0."""

    backbone = "efficientnet_lite0"
    taps = LITE0_TAPS

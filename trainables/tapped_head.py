"""Heads without training on an inner layer of a frozen backbone.

Ten images know nothing of a thousand classes, and the last layer of a network knows little else: how deep to look is
the first hyperparameter. The heads are linear, so each is one vector of weights.

Shapes: N = images, D = features, R = dimensions of the support's span.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.svm import SVC
from torch import Tensor

from trainables.parts.backbones import FeatureSpec
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
            whose margins are averaged.
        cut: How many eighths of the map are cut from each of its sides.
        shrink: What part of the mean sd is added to each feature's own.
        mirror: Whether the mirror images of the ten are learned from too.
        head: "centroid", "ridge", "svm", "logistic" or "lda".
        ridge_alpha: Penalty of ridge regression.
        svm_c: Price of a margin's violation.
        logistic_c: Inverse penalty of logistic regression.
        lda_shrinkage: 0 is the support's own covariance, 1 a spherical one.
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


def centroid(points_NR: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of the nearest class mean; the means themselves have margins of -1 and 1."""
    normal_R, pneumonia_R = (points_NR[labels_N == label].mean(0) for label in (0, 1))
    weights_R = 2 * (pneumonia_R - normal_R) / max(np.square(pneumonia_R - normal_R).sum(), 1e-12)
    return weights_R, float(-weights_R @ (normal_R + pneumonia_R) / 2)


def head(config: TappedHeadConfig, points_NR: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (R,) and bias of the configuration's head; its margin is 0 at the border.

    Raises:
        ValueError: There is no head of that name.
    """
    match config.head:
        case "centroid":
            return centroid(points_NR, labels_N)
        case "ridge":
            model = RidgeClassifier(alpha=config.ridge_alpha)
        case "svm":
            # It draws nothing, but without a state of its own it would move numpy's.
            model = SVC(C=config.svm_c, kernel="linear", random_state=0)
        case "logistic":
            model = LogisticRegression(C=config.logistic_c, max_iter=1000)
        case "lda":
            model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=config.lda_shrinkage)
        case unknown:
            raise ValueError(f"Expected a head from centroid, ridge, svm, logistic, lda; got {unknown!r}.")
    model.fit(points_NR, labels_N)
    return model.coef_.ravel(), float(np.ravel(model.intercept_)[0])


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
    def fit(cls, config: TappedHeadConfig, support: Support, streams: Streams) -> Classifier:
        """Fit a head to the support at each tap; of images that are scored, their mirror images are not looked at."""
        views, step = (support.images, *support.more), 1 + config.mirror
        margins = [
            linear(config, torch.cat(views[first : first + step]).double().numpy(), support.labels)
            for first in range(0, len(views), step)
        ]
        return lambda *views: torch.stack(
            [margin(view) for margin, view in zip(margins, views[::step], strict=True)]
        ).mean(0)


def linear(config: TappedHeadConfig, images_ND: np.ndarray, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """The margin of the configuration's head on features (N, D); of several taps it has mean absolute 1 on the support.

    All heads' weights lie in the span of the support, which has at most 20 dimensions: there they are fitted, so that
    thousands of features cost no more than the projection onto it.

    Args:
        config: Of the head.
        images_ND: The support's features, perhaps followed by those of its mirror images.
        labels: Of the support.
    """
    labels_N = np.tile(labels.numpy().astype(int), len(images_ND) // len(labels))
    mean_D, factor_D = standardiser(images_ND, config.shrink)
    standardised_ND = (images_ND - mean_D) * factor_D
    _, lengths_R, span_RD = np.linalg.svd(standardised_ND, full_matrices=False)
    span_RD = span_RD[lengths_R > 1e-6 * max(lengths_R.max(), 1e-12)]
    points_NR = standardised_ND @ span_RD.T
    weights_R, bias = head(config, points_NR, labels_N)
    if "&" in config.tap:
        # Else the head with the larger margins would decide alone.
        size = max(np.abs(points_NR @ weights_R + bias).mean(), 1e-12)
        weights_R, bias = weights_R / size, bias / size
    weights_D = torch.from_numpy(weights_R @ span_RD * factor_D)
    border = torch.from_numpy(mean_D) @ weights_D - bias
    return lambda images_ND: images_ND.double() @ weights_D - border


class EfficientNetLite0(TappedHead):
    """A head without training on an inner layer of frozen EfficientNet-Lite0."""

    backbone = "efficientnet_lite0"
    taps = LITE0_TAPS

"""Heads on frozen backbones: only they are trained, on features that were computed once.

Shapes: N = images, D = features, O = outputs, as `trainables.parts.training.outputs_for` counts them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from trainables.parts.backbones import FeatureSpec
from trainables.parts.learner import Classifier, Learner, Needs, Support
from trainables.parts.streams import Streams
from trainables.parts.taps import CUTS, LITE0_TAPS, TAPPED_INTERPOLATION, features_at
from trainables.parts.training import (
    Loss,
    TrainingConfig,
    classifier_of,
    cross_entropy,
    focal_loss,
    logits_of,
    mean_probability,
    outputs_for,
    train,
)

# How many positions are left along either side of a tapped map, at the most.
POOLINGS = {"full": 7, "mean": 1}
# Where networks of five blocks and of three are tapped: at the last block on 224 pixels by the study, and where it is
# cheap and often better.
FIVE_BLOCK_TAPS = ("5@224", "5@128", "4@128", "4@96", "3@64")
THREE_BLOCK_TAPS = ("3@224", "3@128", "2@128", "2@96", "1@64")


@dataclass(frozen=True, kw_only=True)
class HeadConfig(TrainingConfig):
    """Hyperparameters of every head.

    Attributes:
        tap: Where the backbones are looked at, as in `trainables/parts/taps.py`.
        scaling: As for `scaler`.
        cut: How many eighths of the map are cut from each of its sides.
        mirror: Whether the mirror images are learned from too.
    """

    tap: str
    scaling: str
    cut: int = 0
    mirror: bool = False


@dataclass(frozen=True, kw_only=True)
class LinearConfig(HeadConfig):
    """`pooling` is "full" for up to 7 x 7 positions of the tapped map, or "mean" for the average over its positions."""

    pooling: str = "full"


@dataclass(frozen=True, kw_only=True)
class MlpConfig(LinearConfig):
    """A head as `dense` makes it; without hidden layers it has neither width nor dropout."""

    depth: int
    width: int = 0
    dropout: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FocalConfig(MlpConfig):
    """`gamma` and `alpha` are as for `trainables.parts.training.focal_loss`."""

    gamma: float
    alpha: float
    depth: int = 0


@dataclass(frozen=True, kw_only=True)
class TwoBackbonesConfig(LinearConfig):
    """`combination` is "joint" or "average"."""

    combination: str


# What part of the features' mean sd "damped" adds to each sd.
DAMPING = 0.2


def scaler(name: str, support_ND: Tensor) -> Callable[[Tensor], Tensor]:
    """What brings features (N, D) to a common scale. It keeps nothing of single images of the support.

    "none" leaves them. "length" divides each image's vector by its length, times sqrt(D), so that a feature's mean
    square is 1. "standardise" brings each feature to mean 0 and sd 1 over the support, which is all that is known; one
    that is constant over it becomes 0 everywhere. "damped" does the same with a fifth of the mean sd added to each sd,
    so that features that hardly vary over the support do not count as much as the others.

    Raises:
        ValueError: There is no scaling of that name.
    """
    if name == "none":
        return lambda features_ND: features_ND
    if name == "length":
        return lambda features_ND: features_ND / features_ND.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)
    if name in ("standardise", "damped"):
        mean_D, sd_D = support_ND.mean(0), support_ND.std(0, correction=0)
        divisor_D = sd_D + DAMPING * sd_D.mean() if name == "damped" else sd_D
        # What is divided by infinity becomes 0.
        divisor_D = torch.where(sd_D > 1e-6, divisor_D.clamp_min(1e-6), torch.inf)
        return lambda features_ND: (features_ND - mean_D).div_(divisor_D)
    raise ValueError(f"Expected a scaling from none, length, standardise, damped; got {name!r}.")


def dense(inputs: int, outputs: int, config: MlpConfig) -> nn.Module:
    """`depth` hidden layers, each of `width` units with ReLU and dropout, then a linear one: (N, inputs) -> (N, O).

    The loss takes logits, so nothing follows the last layer.
    """
    layers: list[nn.Module] = []
    for _ in range(config.depth):
        layers += [nn.Linear(inputs, config.width), nn.ReLU(), nn.Dropout(config.dropout)]
        inputs = config.width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class FrozenHead(Learner):
    """A head trained on frozen features; a subclass names the backbones, and where they may be tapped.

    `may_need` follows from what it names.
    """

    Config: ClassVar[type] = LinearConfig
    backbones: ClassVar[tuple[str, ...]]
    taps: ClassVar[tuple[str, ...]]
    poolings: ClassVar[tuple[str, ...]] = ("full", "mean")
    # Whether a map of fewer than 7 x 7 positions is enlarged to them.
    enlarged: ClassVar[bool] = False
    interpolation: ClassVar[str] = "bilinear"
    cuts: ClassVar[tuple[int, ...]] = (0,)
    mirrors: ClassVar[tuple[bool, ...]] = (False,)
    # Views after the features.
    further_views: ClassVar[tuple[str, ...]] = ()
    other_datasets: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "backbones"):
            choices = itertools.product(cls.taps, cls.poolings, cls.cuts, cls.mirrors)
            features = tuple(spec for choice in choices for spec in cls.features(*choice))
            cls.may_need = Needs(views=(*features, *cls.further_views), other_datasets=cls.other_datasets)

    @classmethod
    def features(cls, tap: str, pooling: str, cut: int, mirrored: bool) -> tuple[FeatureSpec, ...]:
        """Each backbone's table.

        Raises:
            ValueError: It is not offered.
        """
        if tap not in cls.taps or pooling not in cls.poolings or cut not in cls.cuts or mirrored not in cls.mirrors:
            raise ValueError(
                f"Expected a tap from {', '.join(cls.taps)}, a pooling from {', '.join(cls.poolings)}, cut by one of "
                f"{cls.cuts}, mirrored as {cls.mirrors}; got {tap}, {pooling}, {cut}, {mirrored}."
            )
        return features_at(
            cls.backbones,
            tap,
            side=POOLINGS[pooling],
            cut=cut,
            enlarged=cls.enlarged,
            interpolation=cls.interpolation,
            mirrored=mirrored,
        )

    @classmethod
    def needs(cls, config: Any) -> Needs:
        """Each backbone's table for the configuration, the same of the mirror images if it learns from them, and more.

        Of images that are scored, the mirror images are not looked at.
        """
        pooling = getattr(config, "pooling", cls.poolings[0])
        features = [
            spec
            for mirrored in ((False, True) if config.mirror else (False,))
            for spec in cls.features(config.tap, pooling, config.cut, mirrored)
        ]
        return Needs(views=(*features, *cls.further_views), other_datasets=cls.other_datasets)

    @classmethod
    def head(cls, config: Any, inputs: int, outputs: int) -> nn.Module:
        """A freshly initialised head: (N, inputs) -> (N, O). A linear layer by default."""
        return nn.Linear(inputs, outputs)

    @classmethod
    def loss(cls, config: Any) -> Loss:
        """What the head is trained to make small."""
        return cross_entropy

    @classmethod
    def known(cls, config: Any, support: Support) -> tuple[list[Tensor], Tensor]:
        """What there is to learn from: each backbone's features, of the mirror images too if asked for, and labels."""
        views, count = (support.images, *support.more), len(cls.backbones)
        if not config.mirror:
            return list(views[:count]), support.labels
        both = zip(views[:count], views[count : 2 * count], strict=True)
        return [torch.cat(plain_and_mirrored) for plain_and_mirrored in both], support.labels.repeat(2)

    @classmethod
    def fit(cls, config: Any, support: Support, streams: Streams) -> Classifier:
        """Train the head on the support's features, all at each step; of two backbones, side by side."""
        supports, labels = cls.known(config, support)
        scalers = [scaler(config.scaling, known) for known in supports]

        def prepare(*views: Tensor) -> Tensor:
            scaled = [scale(view) for scale, view in zip(scalers, views[: len(scalers)], strict=True)]
            return torch.cat(scaled, 1) if len(scaled) > 1 else scaled[0]

        scaled_ND, outputs = prepare(*supports), outputs_for(support.classes)
        with streams.torch_default("initialisation"):
            model = nn.Sequential(cls.head(config, scaled_ND.shape[1], outputs), logits_of(outputs))
        train(model, lambda step: scaled_ND, labels, config, streams, cls.loss(config))
        return classifier_of(model, prepare)


class AlexNetLinear(FrozenHead):
    """A linear layer on frozen AlexNet."""

    backbones = ("alexnet",)
    taps = THREE_BLOCK_TAPS


class VGG11Linear(FrozenHead):
    """A linear layer on frozen VGG11."""

    backbones = ("vgg11",)
    taps = FIVE_BLOCK_TAPS


class VGG11BNLinear(FrozenHead):
    """A linear layer on frozen VGG11 with BatchNorm, whose statistics stay as they are."""

    backbones = ("vgg11_bn",)
    taps = FIVE_BLOCK_TAPS


class VGG16Linear(FrozenHead):
    """A linear layer on frozen VGG16."""

    backbones = ("vgg16",)
    taps = FIVE_BLOCK_TAPS


class RandomVGG11(FrozenHead):
    """A linear layer on VGG11 with random weights, whatever --weights says: what an untrained network is worth."""

    backbones = ("vgg11_random",)
    taps = FIVE_BLOCK_TAPS


class MLP(FrozenHead):
    """Hidden layers with ReLU and dropout, then a linear layer; a subclass names the backbone."""

    Config: ClassVar[type] = MlpConfig

    @classmethod
    def head(cls, config: MlpConfig, inputs: int, outputs: int) -> nn.Module:
        """The configuration's layers."""
        return dense(inputs, outputs, config)


class VGG11MLP(MLP):
    """Hidden layers with ReLU and dropout, then a linear layer, on frozen VGG11."""

    backbones = ("vgg11",)
    taps = FIVE_BLOCK_TAPS


class Focal(MLP):
    """A linear layer, behind hidden ones if there are any, trained with focal loss; a subclass names the backbone."""

    Config = FocalConfig

    @classmethod
    def loss(cls, config: FocalConfig) -> Loss:
        """Focal loss."""
        return focal_loss(config.gamma, config.alpha)

    @classmethod
    def fit(cls, config: FocalConfig, support: Support, streams: Streams) -> Classifier:
        """Train the head; the probabilities of more than two classes are those of the loss's own questions.

        It asks for each class against all others, so they are sigmoids, which are made to add up to 1.
        """
        classifier = super().fit(config, support, streams)
        return classifier if support.classes == 2 else lambda *views: logsigmoid(classifier(*views))


class AlexNetFocal(Focal):
    """A linear layer, behind dense ones or not, on frozen AlexNet, trained with focal loss."""

    backbones = ("alexnet",)
    taps = THREE_BLOCK_TAPS


class ResNet50Focal(Focal):
    """A linear layer, behind dense ones or not, on frozen ResNet50, trained with focal loss."""

    backbones = ("resnet50",)
    taps = FIVE_BLOCK_TAPS


class OnLite0(FrozenHead):
    """Heads on frozen EfficientNet-Lite0, whose tables are those of `tapped_head`; their border may be cut off."""

    backbones = ("efficientnet_lite0",)
    taps = LITE0_TAPS
    poolings = ("full",)
    interpolation = TAPPED_INTERPOLATION
    cuts = CUTS
    mirrors = (False, True)


class Lite0MLP(OnLite0, MLP):
    """Hidden layers with ReLU and dropout, then a linear layer, on an inner layer of frozen EfficientNet-Lite0."""


class Lite0Focal(OnLite0, Focal):
    """A linear layer on an inner layer of frozen EfficientNet-Lite0, trained with focal loss."""


class TwoBackbones(FrozenHead):
    """Linear on two frozen backbones: one layer on joint features, or two layers and the mean of probabilities."""

    Config = TwoBackbonesConfig

    @classmethod
    def fit(cls, config: TwoBackbonesConfig, support: Support, streams: Streams) -> Classifier:
        """Train one head on both backbones, or one on each.

        Raises:
            ValueError: There is no combination of that name.
        """
        if config.combination == "joint":
            return super().fit(config, support, streams)
        if config.combination != "average":
            raise ValueError(f"Expected a combination from joint, average; got {config.combination!r}.")

        def member(index: int, view: Tensor) -> Classifier:
            alone = replace(support, images=view, more=())
            classifier = super(TwoBackbones, cls).fit(config, alone, streams.within(cls.backbones[index]))
            return lambda *views: classifier(views[index])

        return mean_probability([member(*pair) for pair in enumerate((support.images, *support.more))])


class VGG11VGG16(TwoBackbones):
    """A linear layer on VGG11 and VGG16 together, or one on each and the mean of their probabilities."""

    backbones = ("vgg11", "vgg16")
    taps = ("5+5@224", "5+5@128", "4+4@128", "4+4@96", "3+3@64")


class VGG11AlexNet(TwoBackbones):
    """A linear layer on VGG11 and AlexNet together, or one on each and the mean of their probabilities."""

    backbones = ("vgg11", "alexnet")
    taps = ("5+3@224", "5+3@128", "4+2@128", "4+2@96", "3+1@64")

"""Heads on frozen backbones: only they are trained, on features that were computed once.

Shapes: N = images, D = features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from trainables.parts.backbones import FeatureSpec
from trainables.parts.learner import Classifier, Learner, Needs, Support
from trainables.parts.streams import Streams
from trainables.parts.training import Loss, TrainingConfig, classifier_of, focal_loss, mean_probability, train

# What goes into a backbone. At 224 pixels, where a table takes minutes, with the study's normalisation only.
INPUTS = ((224, "half"), (128, "half"), (128, "imagenet"))


@dataclass(frozen=True, kw_only=True)
class HeadConfig(TrainingConfig):
    """Hyperparameters of every head: what goes into the backbone, and the features' scale."""

    size_px: int
    input_normalisation: str = "half"
    scaling: str


@dataclass(frozen=True, kw_only=True)
class LinearConfig(HeadConfig):
    """`pooling` is "full" for the feature map as torchvision's classifier gets it, or "mean" over its positions."""

    pooling: str


@dataclass(frozen=True, kw_only=True)
class MlpConfig(LinearConfig):
    """A head of `depth` hidden layers, each of `width` units, ReLU and dropout."""

    width: int
    depth: int
    dropout: float


@dataclass(frozen=True, kw_only=True)
class FocalConfig(LinearConfig):
    """Focal loss's `gamma`, and the weight `alpha` of pneumonia."""

    gamma: float
    alpha: float


@dataclass(frozen=True, kw_only=True)
class PooledFocalConfig(FocalConfig):
    """The same where there is but one pooling: the classifier of a ResNet gets averages."""

    pooling: str = "mean"


@dataclass(frozen=True, kw_only=True)
class TwoBackbonesConfig(LinearConfig):
    """`combination` is "joint" or "average"."""

    combination: str


def scale(name: str, features_ND: Tensor, support_ND: Tensor) -> Tensor:
    """Bring features to a common scale.

    "none" leaves them. "length" divides each image's vector by its length, times sqrt(D), so that a feature's mean
    square is 1. "standardise" brings each feature to mean 0 and sd 1 over the ten support images, which are all that
    is known; one that is constant over them becomes 0 everywhere.

    Raises:
        ValueError: There is no scaling of that name.
    """
    if name == "none":
        return features_ND
    if name == "length":
        return features_ND / features_ND.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)
    if name == "standardise":
        sd_D = support_ND.std(0, correction=0)
        return torch.where(sd_D > 1e-6, (features_ND - support_ND.mean(0)) / sd_D.clamp_min(1e-6), 0.0)
    raise ValueError(f"Expected a scaling from none, length, standardise; got {name!r}.")


class FrozenHead(Learner):
    """A head trained on frozen features; a subclass names the backbones.

    `may_need` follows from what it names.
    """

    Config: ClassVar[type] = LinearConfig
    backbones: ClassVar[tuple[str, ...]]
    poolings: ClassVar[tuple[str, ...]] = ("full", "mean")
    # Views after the features.
    further_views: ClassVar[tuple[str, ...]] = ()
    other_datasets: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "backbones"):
            features = tuple(
                FeatureSpec(backbone=backbone, output=pooling, size_px=size_px, normalisation=normalisation)
                for backbone in cls.backbones
                for size_px, normalisation in INPUTS
                for pooling in cls.poolings
            )
            cls.may_need = Needs(views=(*features, *cls.further_views), other_datasets=cls.other_datasets)

    @classmethod
    def needs(cls, config: Any) -> Needs:
        """Each backbone's table for the configuration's input and pooling, then the further views."""
        features = tuple(
            FeatureSpec(
                backbone=backbone,
                output=getattr(config, "pooling", cls.poolings[0]),
                size_px=config.size_px,
                normalisation=config.input_normalisation,
            )
            for backbone in cls.backbones
        )
        return Needs(views=(*features, *cls.further_views), other_datasets=cls.other_datasets)

    @classmethod
    def head(cls, config: Any, inputs: int) -> nn.Module:
        """A freshly initialised head: (N, inputs) -> (N, 1). A linear layer by default."""
        return nn.Linear(inputs, 1)

    @classmethod
    def loss(cls, config: Any) -> Loss:
        """What the head is trained to make small."""
        return binary_cross_entropy_with_logits

    @classmethod
    def fit(cls, config: Any, support: Support, streams: Streams) -> Classifier:
        """Train the head on the support's features, all ten images at each step; of two backbones, side by side."""
        supports = (support.images, *support.more)

        def prepare(*views: Tensor) -> Tensor:
            scaled = [scale(config.scaling, view, known) for view, known in zip(views, supports, strict=True)]
            return torch.cat(scaled, 1) if len(scaled) > 1 else scaled[0]

        scaled_ND = prepare(*supports)
        with streams.torch_default("initialisation"):
            model = nn.Sequential(cls.head(config, scaled_ND.shape[1]), nn.Flatten(0))
        train(model, lambda step: scaled_ND, support.labels, config, streams, cls.loss(config))
        return classifier_of(model, prepare)


class AlexNetLinear(FrozenHead):
    """A linear layer on frozen AlexNet."""

    backbones = ("alexnet",)


class VGG11Linear(FrozenHead):
    """A linear layer on frozen VGG11."""

    backbones = ("vgg11",)


class VGG11BNLinear(FrozenHead):
    """A linear layer on frozen VGG11 with BatchNorm, whose statistics stay as they are."""

    backbones = ("vgg11_bn",)


class VGG16Linear(FrozenHead):
    """A linear layer on frozen VGG16."""

    backbones = ("vgg16",)


class RandomVGG11(FrozenHead):
    """A linear layer on VGG11 with random weights, whatever --weights says: what an untrained network is worth."""

    backbones = ("vgg11_random",)


class VGG11MLP(FrozenHead):
    """Hidden layers with ReLU and dropout, then a linear layer, on frozen VGG11."""

    Config = MlpConfig
    backbones = ("vgg11",)

    @classmethod
    def head(cls, config: MlpConfig, inputs: int) -> nn.Module:
        """Linear layers of `width` units; the loss takes logits, so nothing follows the last."""
        layers: list[nn.Module] = []
        for _ in range(config.depth):
            layers += [nn.Linear(inputs, config.width), nn.ReLU(), nn.Dropout(config.dropout)]
            inputs = config.width
        return nn.Sequential(*layers, nn.Linear(inputs, 1))


class FocalHead(FrozenHead):
    """A linear layer trained with focal loss; a subclass names the backbone."""

    Config = FocalConfig

    @classmethod
    def loss(cls, config: FocalConfig) -> Loss:
        """Focal loss."""
        return focal_loss(config.gamma, config.alpha)


class AlexNetFocal(FocalHead):
    """A linear layer on frozen AlexNet, trained with focal loss."""

    backbones = ("alexnet",)


class ResNet50Focal(FocalHead):
    """A linear layer on frozen ResNet50, trained with focal loss."""

    Config = PooledFocalConfig
    backbones = ("resnet50",)
    poolings = ("mean",)


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


class VGG11AlexNet(TwoBackbones):
    """A linear layer on VGG11 and AlexNet together, or one on each and the mean of their probabilities."""

    backbones = ("vgg11", "alexnet")

"""Heads on frozen backbones: only they are trained, on features that were computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainables.backbones import POOLINGS, FeatureSpec
from trainables.protocol import Classifier, SeedTrainable, Streams, Support
from trainables.training import TrainingConfig, classifier_of, train


@dataclass(frozen=True, kw_only=True)
class LinearConfig(TrainingConfig):
    """Hyperparameters of every head: which features, their scale, and the training."""

    pooling: str
    scaling: str


@dataclass(frozen=True, kw_only=True)
class MlpConfig(LinearConfig):
    """A head of `depth` hidden layers, each of `width` units, ReLU and dropout."""

    width: int
    depth: int
    dropout: float


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


class FrozenHead(SeedTrainable):
    """A head trained on one frozen backbone's features; a subclass names the backbone."""

    Config: ClassVar[type] = LinearConfig
    backbone: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.features = tuple(FeatureSpec(backbone=cls.backbone, pooling=pooling) for pooling in POOLINGS)

    @classmethod
    def view(cls, config: LinearConfig) -> str:
        """The table of this backbone with the configuration's pooling."""
        return FeatureSpec(backbone=cls.backbone, pooling=config.pooling).name

    @classmethod
    def head(cls, config: Any, inputs: int) -> nn.Module:
        """A freshly initialised head: (N, inputs) -> (N, 1). A linear layer by default."""
        return nn.Linear(inputs, 1)

    @classmethod
    def fit(cls, config: LinearConfig, support: Support, streams: Streams) -> Classifier:
        """Train the head on the support's features, all ten at each step."""

        def prepare(features_ND: Tensor) -> Tensor:
            return scale(config.scaling, features_ND, support.images)

        scaled_ND = prepare(support.images)
        with streams.torch_default("initialisation"):
            model = nn.Sequential(cls.head(config, scaled_ND.shape[1]), nn.Flatten(0))
        train(model, lambda step: scaled_ND, support.labels, config, streams)
        return classifier_of(model, prepare)


class AlexNetLinear(FrozenHead):
    """A linear layer on frozen AlexNet."""

    backbone = "alexnet"


class VGG11Linear(FrozenHead):
    """A linear layer on frozen VGG11."""

    backbone = "vgg11"


class VGG11MLP(FrozenHead):
    """Hidden layers with ReLU and dropout, then a linear layer, on frozen VGG11."""

    Config = MlpConfig
    backbone = "vgg11"

    @classmethod
    def head(cls, config: MlpConfig, inputs: int) -> nn.Module:
        """Linear layers of `width` units; the loss takes logits, so nothing follows the last."""
        layers: list[nn.Module] = []
        for _ in range(config.depth):
            layers += [nn.Linear(inputs, config.width), nn.ReLU(), nn.Dropout(config.dropout)]
            inputs = config.width
        return nn.Sequential(*layers, nn.Linear(inputs, 1))

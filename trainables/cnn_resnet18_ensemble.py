"""The custom network and a ResNet18 together, from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from trainables.parts.learner import Classifier, Support
from trainables.parts.networks import (
    CUSTOM_CHANNELS,
    Ends,
    classifying,
    custom_stages,
    linear,
    pooled_classifying,
    pooled_features,
    resnet18_stages,
)
from trainables.parts.scratch import AugmentedConfig, AugmentedNetwork, fit_network
from trainables.parts.streams import Streams
from trainables.parts.training import mean_probability


@dataclass(frozen=True, kw_only=True)
class EnsembleConfig(AugmentedConfig):
    """`combination` is "joint" or "average"; `dropout` is the custom network's, or that of the joint features.

    `blocks` are the custom network's.
    """

    combination: str
    dropout: float
    shape: str
    blocks: int = 4


class JointNetwork(nn.Module):
    """One linear layer on the features of both networks, which are trained through it."""

    def __init__(self, config: EnsembleConfig, ends: Ends) -> None:
        super().__init__()
        resnet = resnet18_stages(config.shape, inputs=ends.inputs, precision=ends.precision)
        custom = custom_stages(inputs=ends.inputs, channels=CUSTOM_CHANNELS[config.blocks])
        self.branches = nn.ModuleList([pooled_features(custom), pooled_features(resnet)])
        self.dropout = nn.Dropout(config.dropout)
        self.head = linear(custom[-1].channels + resnet[-1].channels, ends.outputs)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """(N, C, 28, 28) -> logits (N,), or (N, O) of several outputs."""
        features_ND = torch.cat([branch(images_NCHW) for branch in self.branches], dim=1)
        outputs: Tensor = self.head(self.dropout(features_ND))
        return outputs


class CNNResNet18Ensemble(AugmentedNetwork):
    """The custom network and ResNet18: joint features, or the mean of their probabilities."""

    Config = EnsembleConfig

    @classmethod
    def network(cls, config: EnsembleConfig, ends: Ends) -> nn.Module:
        """The network with joint features."""
        return JointNetwork(config, ends)

    @classmethod
    def fit(cls, config: EnsembleConfig, support: Support, streams: Streams) -> Classifier:
        """Train both at once ("joint"), or each by itself on augmentations of its own ("average")."""
        match config.combination:
            case "joint":
                return super().fit(config, support, streams)
            case "average":
                members = {
                    "cnn": lambda ends: classifying(
                        custom_stages(inputs=ends.inputs, channels=CUSTOM_CHANNELS[config.blocks]),
                        dropout=config.dropout,
                        outputs=ends.outputs,
                    ),
                    "resnet18": lambda ends: pooled_classifying(
                        resnet18_stages(config.shape, inputs=ends.inputs, precision=ends.precision),
                        outputs=ends.outputs,
                    ),
                }
                augment = partial(cls.augment, config)
                return mean_probability(
                    [
                        fit_network(build, augment, config, support, streams.within(name))
                        for name, build in members.items()
                    ]
                )
            case unknown:
                raise ValueError(f"Expected a combination from joint, average; got {unknown!r}.")

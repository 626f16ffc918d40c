"""Small convolutional networks from scratch: the course's starter network, and the study's own with augmentations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.parts.augmentation import CirilloStrengths, SatotoStrengths, cirillo, satoto
from trainables.parts.networks import CUSTOM_CHANNELS, Ends, classifying, custom_stages, starter_stages
from trainables.parts.scratch import ScratchConfig, ScratchNetwork


@dataclass(frozen=True, kw_only=True)
class CnnConfig(ScratchConfig):
    """Hyperparameters of the study's network, which has four blocks."""

    dropout: float
    blocks: int = 4


@dataclass(frozen=True, kw_only=True)
class SatotoConfig(CnnConfig, SatotoStrengths):
    """The study's network with Satoto's augmentation."""


@dataclass(frozen=True, kw_only=True)
class CirilloConfig(CnnConfig, CirilloStrengths):
    """The study's network with Cirillo's augmentation."""


class StarterCNN(ScratchNetwork):
    """The small network that the study started from: four convolutions without padding, two of them strided."""

    Config = ScratchConfig

    @classmethod
    def network(cls, config: ScratchConfig, ends: Ends) -> nn.Module:
        """See `starter_stages`."""
        return classifying(starter_stages(inputs=ends.inputs), outputs=ends.outputs)


class CNN(ScratchNetwork):
    """The study's custom network, without augmentation."""

    Config: ClassVar[type] = CnnConfig

    @classmethod
    def network(cls, config: CnnConfig, ends: Ends) -> nn.Module:
        """See `custom_stages`."""
        stages = custom_stages(inputs=ends.inputs, channels=CUSTOM_CHANNELS[config.blocks])
        return classifying(stages, dropout=config.dropout, outputs=ends.outputs)


class CNNSatoto(CNN):
    """The study's network with rotation, shear, scaling and reflection (Satoto et al. 2020)."""

    Config = SatotoConfig

    @classmethod
    def augment(cls, config: SatotoConfig, images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
        """See `satoto`."""
        return satoto(config, images_NCHW, generator)


class CNNCirillo(CNN):
    """The study's network with changes of intensity and an elastic deformation (Cirillo et al. 2021)."""

    Config = CirilloConfig

    @classmethod
    def augment(cls, config: CirilloConfig, images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
        """See `cirillo`."""
        return cirillo(config, images_NCHW, generator)

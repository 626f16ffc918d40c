"""Heads on the feature map of frozen VGG11: a small convolutional network, and recurrent ones.

Shapes: N = images, D = numbers of the map, channel by channel (C x 7 x 7; VGG11's C is 512), O = outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from trainables.frozen_head import FrozenHead, HeadConfig
from trainables.parts.backbones import BACKBONES
from trainables.parts.recurrent import Recurrent, SequenceConfig, SequenceNetwork

SIDE = BACKBONES["vgg11"].side
MAP_TAPS = ("5@224", "5@128", "4@128", "3@64")
# The study cuts VGG11's 25088 numbers into 256 pieces.
PIECE_SIZE = 98


@dataclass(frozen=True, kw_only=True)
class MapCnnConfig(HeadConfig):
    """`layers` convolutions of `channels` channels; `dropout` is before the linear layer."""

    channels: int
    kernel_size: int
    layers: int
    dropout: float


@dataclass(frozen=True, kw_only=True)
class MapSequenceConfig(HeadConfig, SequenceConfig):
    """`sequence` is as in `map_sequence`."""


def map_sequence(name: str, map_ND: Tensor) -> Tensor:
    """Maps as sequences: their "positions" row by row (N, 49, C), or "pieces" of the flat numbers (N, D / 98, 98).

    Of VGG11's last map a piece is two channels: that is the study's sequence of 256 steps.

    Raises:
        ValueError: There is no sequence of that name.
    """
    if name == "positions":
        return map_ND.unflatten(1, (-1, SIDE**2)).transpose(1, 2)
    if name == "pieces":
        return map_ND.unflatten(1, (-1, PIECE_SIZE))
    raise ValueError(f"Expected a sequence from positions, pieces; got {name!r}.")


class VGG11CNN(FrozenHead):
    """A small convolutional network on the feature map of frozen VGG11."""

    Config = MapCnnConfig
    backbones = ("vgg11",)
    taps = MAP_TAPS
    poolings = ("full",)
    enlarged = True

    @classmethod
    def head(cls, config: MapCnnConfig, inputs: int, outputs: int) -> nn.Module:
        """Convolutions with ReLU, the mean over positions, dropout, a linear layer."""
        channels = inputs // SIDE**2
        layers: list[nn.Module] = [nn.Unflatten(1, (channels, SIDE, SIDE))]
        for _ in range(config.layers):
            layers += [nn.Conv2d(channels, config.channels, config.kernel_size, padding="same"), nn.ReLU()]
            channels = config.channels
        pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(config.dropout)]
        return nn.Sequential(*layers, *pooling, nn.Linear(channels, outputs))


class VGG11RNN(FrozenHead):
    """A recurrent network over the positions or pieces of frozen VGG11's feature map."""

    Config = MapSequenceConfig
    backbones = ("vgg11",)
    taps = MAP_TAPS
    poolings = ("full",)
    enlarged = True
    recurrent: ClassVar[Recurrent] = nn.RNN

    @classmethod
    def head(cls, config: MapSequenceConfig, inputs: int, outputs: int) -> nn.Module:
        """Started from zero; the study drew the state at random at every pass, also in testing."""
        return SequenceNetwork(cls.recurrent, partial(map_sequence, config.sequence), (inputs,), config, outputs)


class VGG11LSTM(VGG11RNN):
    """An LSTM over the positions or pieces of frozen VGG11's feature map."""

    recurrent = nn.LSTM

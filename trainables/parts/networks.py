"""Networks for images of 28 x 28 pixels: the course's starter network, the study's own, and ResNet18.

A network comes as a list of stages, so that something can be put between two of them.
Shapes: N = images, C = their colours (1 of grey ones), O = outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.parts.training import logits_of

# Channels of a ResNet18's first pair of blocks from which on bfloat16 is used, where the processor has it. A seed of
# "7x7-64" takes three quarters of float32's time so, of "7x7-32" as much as in float32, and of "7x7-16" 1.1 times that,
# since converting costs more there than it saves.
WIDE = 64


@dataclass(frozen=True, kw_only=True)
class Ends:
    """What a network is for, whatever its hyperparameters.

    `inputs` is how many colours go in, `outputs` how many numbers come out, and `precision`, one of `PRECISIONS`, what
    it computes in if it is wide.
    """

    inputs: int
    outputs: int
    precision: str = "float32"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a network, and what leaves it: `channels` maps of `side` x `side` positions."""

    module: nn.Module
    channels: int
    side: int


def starter_stages(*, inputs: int = 1, batch_norm: bool = False) -> list[Stage]:
    """The course's starter network ("test bed"): four convolutions without padding, two of them strided, with ReLU.

    28 -> 26 -> 12 -> 10 -> 4 pixels a side; 16, 16, 32, 32 channels. It has no BatchNorm unless asked for.
    """
    stages: list[Stage] = []
    for channels, stride, side in ((16, 1, 26), (16, 2, 12), (32, 1, 10), (32, 2, 4)):
        norm = [nn.BatchNorm2d(channels)] if batch_norm else []
        module = nn.Sequential(nn.Conv2d(inputs, channels, 3, stride=stride), *norm, nn.ReLU(inplace=True))
        stages.append(Stage(module=module, channels=channels, side=side))
        inputs = channels
    return stages


# Channels of the custom network by its number of blocks; four are the study's. With four the linear layer sees a single
# position, with three 3 x 3, with two 7 x 7.
CUSTOM_CHANNELS = {2: (16, 32), 3: (16, 32, 64), 4: (16, 32, 32, 64)}


def custom_stages(
    *, inputs: int = 1, channels: Sequence[int] = CUSTOM_CHANNELS[4], batch_norm: bool = True
) -> list[Stage]:
    """The study's custom network: blocks of convolution, ReLU, BatchNorm (unless left out) and max-pooling.

    28 -> 14 -> 7 -> 3 -> 1 pixels a side. The study's four blocks have 16, 32, 32 and 64 channels.
    """
    stages: list[Stage] = []
    side = 28
    for outputs in channels:
        convolution, pool = nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2)
        if batch_norm:
            module: nn.Sequential = NormedBlock(convolution, nn.ReLU(inplace=True), nn.BatchNorm2d(outputs), pool)
        else:
            module = nn.Sequential(convolution, nn.ReLU(inplace=True), pool)
        inputs, side = outputs, side // 2
        stages.append(Stage(module=module, channels=outputs, side=side))
    return stages


class NormedBlock(nn.Sequential):
    """A convolution, ReLU, BatchNorm and max-pooling of 2 x 2, in this order; when scoring, pooling comes before ReLU.

    ReLU and BatchNorm then have a quarter of the map to do, and the bits are the same: both are monotone. Where
    BatchNorm's scale is negative, the greatest is of what was the least.
    """

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, H / 2, W / 2)."""
        if self.training:
            outputs: Tensor = super().forward(map_NCHW)
            return outputs
        convolution, _, norm, _ = self
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert convolution.bias is not None
        sign_O11 = norm.weight.sign()[:, None, None]
        weight_OC33, bias_O = convolution.weight * sign_O11[..., None], convolution.bias * sign_O11[:, 0, 0]
        # Not `convolution.groups`: when scoring, all of `SideBySide`'s networks see the same images, so that its first
        # convolution has one group there, and one for each network in training.
        groups = map_NCHW.shape[1] // weight_OC33.shape[1]
        map_NOHW = functional.conv2d(map_NCHW, weight_OC33, bias_O, padding=1, groups=groups)
        normed: Tensor = norm(functional.relu(sign_O11 * _greatest_of_2x2(map_NOHW)))
        return normed


def _greatest_of_2x2(map_NCHW: Tensor) -> Tensor:
    """Max-pooling, twice as fast as torch's, which also finds out where the greatest is."""
    height, width = (size // 2 * 2 for size in map_NCHW.shape[2:])
    rows = torch.maximum(map_NCHW[:, :, 0:height:2], map_NCHW[:, :, 1:height:2])
    return torch.maximum(rows[..., 0:width:2], rows[..., 1:width:2])


def twin_stages(*, inputs: int = 1) -> list[Stage]:
    """What embeds an image in a Siamese network: five convolutions with BatchNorm and ReLU, and two max-poolings.

    28 -> 14, 14, 7, 7 and 7 pixels a side; 16, 16, 32, 32 and 64 channels, which the study does not give.
    """
    stages: list[Stage] = []
    for channels, pooled, side in ((16, True, 14), (16, False, 14), (32, True, 7), (32, False, 7), (64, False, 7)):
        pool = [nn.MaxPool2d(2)] if pooled else []
        convolution = nn.Conv2d(inputs, channels, 3, padding=1)
        # ReLU after pooling gives the same bits, with a quarter of the map to do.
        module = nn.Sequential(convolution, nn.BatchNorm2d(channels), *pool, nn.ReLU(inplace=True))
        stages.append(Stage(module=module, channels=channels, side=side))
        inputs = channels
    return stages


def resnet18_stages(shape: str, *, inputs: int = 1, precision: str = "float32") -> list[Stage]:
    """ResNet18 (He et al. 2016) as its stem and eight blocks, of a shape such as "7x7-64", the paper's.

    What comes first is the stem. "7x7" is a strided 7 x 7 convolution and max-pooling, made for 224 pixels: 28 -> 7,
    and 7, 4, 2 and 1 pixels a side after the four pairs of blocks. "3x3", fit for small images, is one strided 3 x 3
    convolution: 28 -> 14, and 14, 7, 4 and 2. Then comes the number of channels of the first pair; each pair doubles
    it. Blocks are initialised as torchvision's, the stem by the number of its inputs (He et al. 2015, equation 10).
    With `WIDE` channels or more its stages compute in `precision`; what goes into and comes out of each is float32.

    Raises:
        ValueError: It is no such shape.
    """
    stem, _, width_text = shape.partition("-")
    if stem not in ("7x7", "3x3") or not width_text.isdecimal():
        raise ValueError(f"Expected a shape such as 7x7-64 or 3x3-16; got {shape!r}.")
    width = int(width_text)
    if stem == "7x7":
        convolution = nn.Conv2d(inputs, width, 7, stride=2, padding=3, bias=False)
        pool, side = [nn.MaxPool2d(3, stride=2, padding=1)], 7
    else:
        convolution = nn.Conv2d(inputs, width, 3, stride=2, padding=1, bias=False)
        pool, side = [], 14
    # Not by its outputs, as torchvision's: beside so few inputs such weights are an eighth as large, and fifty steps do
    # not get over that. At the study's setting seeds 0 to 7 have 80.9 % on average, and 56.6 % by the outputs.
    nn.init.kaiming_normal_(convolution.weight, mode="fan_in", nonlinearity="relu")
    first = nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True), *pool)
    stages = [Stage(module=first, channels=width, side=side)]
    for pair in range(4):
        for stride in (1 if pair == 0 else 2, 1):
            before = stages[-1]
            channels = width * 2**pair
            block = _basic_block(before.channels, channels, stride, before.side)
            stages.append(Stage(module=block, channels=channels, side=-(-before.side // stride)))
    if precision == "bfloat16" and width >= WIDE:
        return [replace(stage, module=InBfloat16(stage.module)) for stage in stages]
    return stages


class InBfloat16(nn.Sequential):
    """A module whose convolutions and products of matrices are computed in bfloat16, from float32 to float32.

    The weights, and so what the optimiser does, stay float32 (mixed precision, Micikevicius et al. 2018).
    """

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """What the module gives, rounded."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs: Tensor = super().forward(map_NCHW)
        return outputs.float()


def _basic_block(inputs: int, channels: int, stride: int, side: int) -> nn.Module:
    """Two 3 x 3 convolutions with BatchNorm and a shortcut, for inputs of `side` x `side`."""
    # Importing torchvision takes seconds, which commands and trials that build no such block need not spend.
    from trainables.parts.torchvision_import import torchvision

    shortcut = None
    if stride != 1 or inputs != channels:
        shortcut = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels))
    block: Any = torchvision.models.resnet.BasicBlock(inputs, channels, stride, shortcut)
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    output_side = -(-side // stride)
    if output_side == 1:
        block.conv1 = OnePosition(block.conv1, side)
        block.conv2 = OnePosition(block.conv2, output_side)
        if shortcut is not None:
            shortcut[0] = OnePosition(shortcut[0], side)
    found: nn.Module = block
    return found


class OnePosition(nn.Conv2d):
    """A convolution whose output has a single position, as a product of matrices: four times as fast on small maps.

    The kernel's weights that meet nothing but padding are left out, which changes no result and saves most of a
    ResNet18's weights.

    Args:
        whole: The convolution, without a bias.
        side: Of the maps that it gets.
    """

    def __init__(self, whole: nn.Module, side: int) -> None:
        assert isinstance(whole, nn.Conv2d)
        before, size = int(whole.padding[0]), whole.kernel_size[0]
        met = min(size - before, side)
        super().__init__(whole.in_channels, whole.out_channels, met, bias=False)
        inside = slice(before, before + met)
        self.weight = nn.Parameter(whole.weight.detach()[:, :, inside, inside].clone())

    def forward(self, map_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, 1, 1)."""
        met = self.kernel_size[0]
        # Channels last, which is how both lie in memory.
        met_NK = map_NCHW[:, :, :met, :met].permute(0, 2, 3, 1).flatten(1)
        weight_OK = self.weight.permute(0, 2, 3, 1).flatten(1)
        return functional.linear(met_NK, weight_OK)[:, :, None, None]


def features(stages: Sequence[Stage]) -> nn.Sequential:
    """The stages in a row: (N, C, 28, 28) -> the last stage's maps."""
    return nn.Sequential(*(stage.module for stage in stages))


def pooled_features(stages: Sequence[Stage]) -> nn.Sequential:
    """The stages, then the mean over positions: (N, C, 28, 28) -> (N, channels of the last stage)."""
    return nn.Sequential(features(stages), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def linear(inputs: int, outputs: int) -> nn.Sequential:
    """A linear layer: (N, inputs) -> (N, O), or (N,) if there is a single output."""
    return nn.Sequential(nn.Linear(inputs, outputs), logits_of(outputs))


def classifying(stages: Sequence[Stage], *, dropout: float = 0.0, outputs: int = 1) -> nn.Sequential:
    """The stages, then dropout and `linear` on the whole last map: (N, C, 28, 28) -> logits (N,) or (N, O)."""
    last = stages[-1]
    head = linear(last.channels * last.side**2, outputs)
    return nn.Sequential(features(stages), nn.Flatten(), nn.Dropout(dropout), *head)


def pooled_classifying(stages: Sequence[Stage], *, outputs: int = 1) -> nn.Module:
    """The stages, then `linear` on the mean over positions: (N, C, 28, 28) -> logits (N,) or (N, O)."""
    return nn.Sequential(pooled_features(stages), *linear(stages[-1].channels, outputs))

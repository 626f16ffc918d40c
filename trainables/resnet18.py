"""ResNet18 from scratch, as it is and with attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from trainables.parts.attention import AttentionConfig, with_attention
from trainables.parts.networks import Ends, Stage, pooled_classifying, resnet18_stages
from trainables.parts.scratch import AugmentedConfig, AugmentedNetwork


@dataclass(frozen=True, kw_only=True)
class ResNet18Config(AugmentedConfig):
    """`shape` is the stem and the channels; see `resnet18_stages`."""

    shape: str


@dataclass(frozen=True, kw_only=True)
class ResNet18AttentionConfig(ResNet18Config, AttentionConfig):
    """Where the attention is: after "every" block, or at the "beginning" (after the stem), "middle" or "end"."""

    position: str


class ResNet18(AugmentedNetwork):
    """ResNet18 from scratch."""

    Config: ClassVar[type] = ResNet18Config

    @classmethod
    def network(cls, config: ResNet18Config, ends: Ends) -> nn.Module:
        """See `resnet18_stages`."""
        stages = resnet18_stages(config.shape, inputs=ends.inputs, precision=ends.precision)
        return pooled_classifying(stages, outputs=ends.outputs)


class ResNet18Attention(AugmentedNetwork):
    """ResNet18 from scratch with attention on its maps, as far as they have more than one position."""

    Config = ResNet18AttentionConfig

    @classmethod
    def network(cls, config: ResNet18AttentionConfig, ends: Ends) -> nn.Module:
        """The network with attention blocks after the stages of `position`."""
        stages = resnet18_stages(config.shape, inputs=ends.inputs, precision=ends.precision)
        for index in attended(stages, config.position):
            stages[index] = with_attention(stages[index], config)
        return pooled_classifying(stages, outputs=ends.outputs)


def attended(stages: Sequence[Stage], position: str) -> list[int]:
    """After which stages attention comes; stage 0 is the stem, 1 to 8 are the blocks.

    Raises:
        ValueError: There is no position of that name.
    """
    blocks = [index for index, stage in enumerate(stages) if index > 0 and stage.side > 1]
    places = {"every": blocks, "beginning": [0], "middle": [4], "end": blocks[-1:]}
    if position not in places:
        raise ValueError(f"Expected a position from {', '.join(places)}; got {position!r}.")
    return places[position]

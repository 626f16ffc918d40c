"""ResNet18 from scratch, as it is and with attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from trainables.attention import AttentionConfig, with_attention
from trainables.networks import pooled_classifying, resnet18_stages
from trainables.scratch import AugmentedConfig, AugmentedNetwork

# After which stages: 0 is the stem, 1 to 8 are the blocks.
POSITIONS = {"every": range(1, 9), "beginning": [0], "middle": [4], "end": [8]}


@dataclass(frozen=True, kw_only=True)
class ResNet18Config(AugmentedConfig):
    """`shape` is the stem and the channels; see `resnet18_stages`."""

    shape: str


@dataclass(frozen=True, kw_only=True)
class ResNet18AttentionConfig(ResNet18Config, AttentionConfig):
    """Where the attention is: "every" block, or "beginning" (after the stem), "middle" or "end" of the blocks."""

    position: str


class ResNet18(AugmentedNetwork):
    """ResNet18 from scratch."""

    Config: ClassVar[type] = ResNet18Config

    @classmethod
    def network(cls, config: ResNet18Config) -> nn.Module:
        """See `resnet18_stages`."""
        return pooled_classifying(resnet18_stages(config.shape))


class ResNet18Attention(AugmentedNetwork):
    """ResNet18 from scratch with attention over the positions of its maps.

    With stem "7x7" the last map is a single position: attention at the end is then no more than a linear layer.
    """

    Config = ResNet18AttentionConfig

    @classmethod
    def network(cls, config: ResNet18AttentionConfig) -> nn.Module:
        """The network with attention blocks after the stages of `position`."""
        stages = resnet18_stages(config.shape)
        for index in POSITIONS[config.position]:
            stages[index] = with_attention(stages[index], config)
        return pooled_classifying(stages)

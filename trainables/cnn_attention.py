"""A small network from scratch with attention after one of its layers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from trainables.parts.attention import AttentionConfig, with_attention
from trainables.parts.networks import classifying, custom_stages, starter_stages
from trainables.parts.scratch import AugmentedConfig, AugmentedNetwork

# After which stage. The custom network's last map is a single position, over which there is nothing to attend.
POSITIONS = {
    "starter": {"beginning": 0, "middle": 1, "end": 3},
    "custom": {"beginning": 0, "middle": 1, "end": 2},
}


@dataclass(frozen=True, kw_only=True)
class CnnAttentionConfig(AugmentedConfig, AttentionConfig):
    """Which network, with or without BatchNorm, and after which stage how many attention blocks come in a row.

    `dropout` is before the linear layer.
    """

    network: str
    batch_norm: bool
    dropout: float
    position: str
    modules: int


class CNNAttention(AugmentedNetwork):
    """The starter or the custom network with attention over its feature maps."""

    Config = CnnAttentionConfig

    @classmethod
    def network(cls, config: CnnAttentionConfig) -> nn.Module:
        """The network with `modules` attention blocks in a row at `position`."""
        stages_of = {"starter": starter_stages, "custom": custom_stages}[config.network]
        stages = stages_of(batch_norm=config.batch_norm)
        index = POSITIONS[config.network][config.position]
        stages[index] = with_attention(stages[index], config, modules=config.modules)
        return classifying(stages, dropout=config.dropout, outputs=config.outputs)

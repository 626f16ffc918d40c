"""A small network from scratch with attention after one of its layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from trainables.parts.attention import AttentionConfig, with_attention
from trainables.parts.networks import CUSTOM_CHANNELS, Ends, Stage, classifying, custom_stages, starter_stages
from trainables.parts.scratch import AugmentedConfig, AugmentedNetwork

# After which stage. The last of four blocks of the custom network leaves a single position, with nothing to attend to.
POSITIONS = {
    "starter": {"beginning": 0, "middle": 1, "end": 3},
    "custom": {"beginning": 0, "middle": 1, "end": 2},
}


@dataclass(frozen=True, kw_only=True)
class CnnAttentionConfig(AugmentedConfig, AttentionConfig):
    """Which network, with or without BatchNorm, and after which stage how many attention blocks come in a row.

    `dropout` is before the linear layer. `blocks`, three or four, are the custom network's.
    """

    network: str
    batch_norm: bool
    dropout: float
    position: str
    modules: int
    blocks: int = 4


class CNNAttention(AugmentedNetwork):
    """The starter or the custom network with attention over its feature maps."""

    Config = CnnAttentionConfig

    @classmethod
    def network(cls, config: CnnAttentionConfig, ends: Ends) -> nn.Module:
        """The network with `modules` attention blocks in a row at `position`."""
        builds: dict[str, Callable[..., list[Stage]]] = {
            "starter": starter_stages,
            "custom": partial(custom_stages, channels=CUSTOM_CHANNELS[config.blocks]),
        }
        stages = builds[config.network](inputs=ends.inputs, batch_norm=config.batch_norm)
        index = POSITIONS[config.network][config.position]
        stages[index] = with_attention(stages[index], config, modules=config.modules)
        return classifying(stages, dropout=config.dropout, outputs=ends.outputs)

"""Several small networks from scratch, each with augmentations of its own, that vote by their mean probability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import nn

from trainables.parts.learner import Classifier, Support
from trainables.parts.networks import classifying, custom_stages
from trainables.parts.scratch import AugmentedConfig, AugmentedNetwork, fit_network
from trainables.parts.streams import Streams
from trainables.parts.training import mean_probability

# By number of blocks. With three the linear layer sees 3 x 3 positions, with four a single one.
CHANNELS = {3: (16, 32, 64), 4: (16, 32, 32, 64)}


@dataclass(frozen=True, kw_only=True)
class CnnEnsembleConfig(AugmentedConfig):
    """How many networks, of how many blocks, and how long BatchNorm remembers.

    `statistics_memory` is the part of training over which BatchNorm's running statistics are averaged: its momentum is
    1 / (statistics_memory * steps). On ten images the network's last steps overfit, and statistics that lag behind them
    score other images better: .2 gave four points more than statistics of the trained network. About
    exp(-1 / statistics_memory) of their initial values remains, 8 % at .4.
    """

    members: int
    blocks: int
    dropout: float
    statistics_memory: float


class CNNEnsemble(AugmentedNetwork):
    """The mean probability of several small networks that differ in initialisation and augmentation."""

    Config = CnnEnsembleConfig

    @classmethod
    def network(cls, config: CnnEnsembleConfig) -> nn.Module:
        """One member."""
        momentum = min(1.0, 1 / (config.statistics_memory * config.steps))
        stages = custom_stages(channels=CHANNELS[config.blocks], momentum=momentum)
        return classifying(stages, dropout=config.dropout)

    @classmethod
    def fit(cls, config: CnnEnsembleConfig, support: Support, streams: Streams) -> Classifier:
        """Train each member with random streams of its own (deep ensembles, Lakshminarayanan et al. 2017)."""
        build, augment = partial(cls.network, config), partial(cls.augment, config)
        return mean_probability(
            [
                fit_network(build, augment, config, support, streams.within(f"member {number}"))
                for number in range(config.members)
            ]
        )

"""Several small networks from scratch, each with augmentations of its own, that vote by their mean probability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import nn

from trainables.parts.learner import Classifier, Support
from trainables.parts.networks import CUSTOM_CHANNELS, Ends, classifying, custom_stages
from trainables.parts.scratch import AugmentedConfig, AugmentedNetwork
from trainables.parts.side_by_side import fit_side_by_side
from trainables.parts.streams import Streams
from trainables.parts.training import of_mean_probability


@dataclass(frozen=True, kw_only=True)
class CnnEnsembleConfig(AugmentedConfig):
    """How many networks, and of how many blocks."""

    members: int
    blocks: int
    dropout: float


class CNNEnsemble(AugmentedNetwork):
    """The mean probability of several small networks that differ in initialisation and augmentation."""

    Config = CnnEnsembleConfig

    @classmethod
    def network(cls, config: CnnEnsembleConfig, ends: Ends) -> nn.Sequential:
        """One member."""
        stages = custom_stages(inputs=ends.inputs, channels=CUSTOM_CHANNELS[config.blocks])
        return classifying(stages, dropout=config.dropout, outputs=ends.outputs)

    @classmethod
    def fit(cls, config: CnnEnsembleConfig, support: Support, streams: Streams) -> Classifier:
        """Train members that differ in all that is random (deep ensembles, Lakshminarayanan et al. 2017)."""
        members = [streams.within(f"member {number}") for number in range(config.members)]
        build, augment = partial(cls.network, config), partial(cls.augment, config)
        logits_of_members = fit_side_by_side(build, augment, config, support, members, streams)
        return lambda images: of_mean_probability(logits_of_members(images))

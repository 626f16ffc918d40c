"""A small network that first learns to tell the classes of another set of images, then of the few.

Whether that helps depends on the other images; the study saw it harm ("negative transfer"). The first training is the
same for all seeds, so a worker does it once for each network and keeps the weights.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from trainables.parts.datasets import BREASTMNIST
from trainables.parts.learner import Classifier, Needs, Support
from trainables.parts.networks import CUSTOM_CHANNELS, Ends, classifying, custom_stages
from trainables.parts.normalisation import unit
from trainables.parts.scratch import AugmentedConfig, AugmentedNetwork, colours, fit_network, initialised, network_input
from trainables.parts.streams import Streams
from trainables.parts.training import TrainingConfig, outputs_for, train
from trainables.triplet import balanced_batches

# Of the first training: Adam's usual learning rate.
FIRST_RATE = 1e-3


@dataclass(frozen=True, kw_only=True)
class CnnTransferConfig(AugmentedConfig):
    """The second training's, and what comes before it.

    Attributes:
        first_steps: Of the first training, each on 8 images of each class; 0 is a network from scratch.
        body_rate: The learning rate of all but the last layer, as a part of the last one's; 0 keeps what it learned
            first, BatchNorm's statistics too.
        blocks: Of the network.
        dropout: Before its last layer, in both trainings.
    """

    first_steps: int
    blocks: int
    dropout: float
    body_rate: float = 1.0


class CNNTransfer(AugmentedNetwork):
    """The study's custom network, trained first on another set of images (see --also), then on the few."""

    Config = CnnTransferConfig
    may_need = Needs(other_datasets=(BREASTMNIST,))

    @classmethod
    def needs(cls, config: CnnTransferConfig) -> Needs:
        """The other set, unless the first training is left out."""
        return cls.may_need if config.first_steps else Needs()

    @classmethod
    def network(cls, config: CnnTransferConfig, ends: Ends) -> nn.Sequential:
        """See `custom_stages`; its first part is all but the last layer."""
        return network(ends, config.blocks, config.dropout)

    @classmethod
    def fit(cls, config: CnnTransferConfig, support: Support, streams: Streams) -> Classifier:
        """Take all but the last layer from the first training, and train on the few."""

        def begin(model: nn.Sequential) -> Iterable[Any]:
            if config.first_steps:
                other = support.other_datasets[BREASTMNIST]
                pixels = as_colours(torch.tensor(other.images), colours(support.images))
                learned = learned_first(Images(pixels, torch.tensor(other.labels)), FirstTraining.of(config))
                model[0].load_state_dict(learned)
                if config.body_rate == 0:
                    model[0] = Kept(*model[0].children()).requires_grad_(False)
                    return model[1:].parameters()
            return [
                {"params": model[1:].parameters(), "lr": config.learning_rate},
                {"params": model[0].parameters(), "lr": config.learning_rate * config.body_rate},
            ]

        return fit_network(
            partial(cls.network, config), partial(cls.augment, config), config, support, streams, begin=begin
        )


class Kept(nn.Sequential):
    """Layers that stay as they are: in eval mode, so that training leaves BatchNorm's statistics alone."""

    def train(self, mode: bool = True) -> Kept:
        """Stay in eval mode."""
        return super().train(False)


def network(ends: Ends, blocks: int, dropout: float) -> nn.Sequential:
    """The custom network of so many blocks."""
    return classifying(
        custom_stages(inputs=ends.inputs, channels=CUSTOM_CHANNELS[blocks]), dropout=dropout, outputs=ends.outputs
    )


def as_colours(pixels: Tensor, count: int) -> Tensor:
    """Pixels (N, 28, 28) or (N, 3, 28, 28) in so many colours: grey three times, or the mean of three."""
    if colours(pixels) == count:
        return pixels
    return pixels[:, None].repeat(1, count, 1, 1) if count > 1 else pixels.float().mean(1).round().to(torch.uint8)


class Images:
    """Images with their labels, told from others by what they are, so that what was learned of them is found again."""

    def __init__(self, pixels: Tensor, labels: Tensor) -> None:
        self.pixels, self.labels = pixels, labels
        self._key = (tuple(pixels.shape), *(zlib.crc32(each.numpy().tobytes()) for each in (pixels, labels)))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Images) and self._key == other._key


@dataclass(frozen=True, kw_only=True)
class FirstTraining:
    """What the first training depends on, besides the images."""

    normalisation: str
    first_steps: int
    blocks: int
    dropout: float

    @classmethod
    def of(cls, config: CnnTransferConfig) -> FirstTraining:
        """That of a configuration; its dropout is rounded, so that few of them have to be trained."""
        return cls(
            normalisation=config.normalisation,
            first_steps=config.first_steps,
            blocks=config.blocks,
            dropout=round(config.dropout, 1),
        )


# A search has some dozens, each of some hundred kilobytes.
@lru_cache(maxsize=256)
def learned_first(images: Images, first: FirstTraining) -> Mapping[str, Tensor]:
    """The state of all but the last layer after the first training, which is the same whatever the seed."""
    streams = Streams(0).within("first training")
    training = AugmentedConfig(
        normalisation=first.normalisation,
        learning_rate=FIRST_RATE,
        weight_decay=0.0,
        steps=first.first_steps,
        augmentation="none",
    )
    ends = Ends(inputs=colours(images.pixels), outputs=outputs_for(int(images.labels.max()) + 1))
    model = initialised(lambda: network(ends, first.blocks, first.dropout), training, streams)
    rows_SB = balanced_batches(images.labels.numpy(), training.steps, streams.generator("order"))
    train(
        model,
        lambda step: network_input(training, unit(images.pixels[rows_SB[step]])),
        # The same at every step.
        images.labels[rows_SB[0]],
        TrainingConfig(learning_rate=FIRST_RATE, weight_decay=0.0, steps=training.steps),
        streams,
    )
    return {name: value.clone() for name, value in model[0].state_dict().items()}

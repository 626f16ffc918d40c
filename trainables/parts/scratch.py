"""What all networks from scratch have in common: their hyperparameters, their images and their training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from trainables.parts.augmentation import AugmentationChoice, augment
from trainables.parts.learner import Classifier, Learner, Support
from trainables.parts.normalisation import normalise, unit
from trainables.parts.streams import Streams
from trainables.parts.training import (
    Loss,
    TrainingConfig,
    channels_last,
    classifier_of,
    cosine_log_odds,
    cosine_loss,
    train,
)

# Images of 0..1 (N, 28, 28), not yet normalised, each with its own random change.
Augment = Callable[[Tensor, torch.Generator], Tensor]
Network = TypeVar("Network", bound=nn.Module)

# What networks with one output, or with one for each class, are trained with. The weight .1 is Barz and Denzler's.
LOSSES: dict[str, Loss] = {
    "cross_entropy": binary_cross_entropy_with_logits,
    "cosine": cosine_loss(0.0),
    "cosine_cross_entropy": cosine_loss(0.1),
}


@dataclass(frozen=True, kw_only=True)
class ScratchConfig(TrainingConfig):
    """Hyperparameters of every network from scratch.

    `statistics_memory` is the part of training over which BatchNorm's running statistics are averaged: its momentum is
    1 / (statistics_memory * steps). On ten images the network's last steps overfit, and statistics that lag behind them
    score other images better: .2 gave `cnn_ensemble` four points more than statistics of the trained network. About
    exp(-1 / statistics_memory) of their initial values remains, 8 % at .4. None is torch's momentum, .1, which is .2 at
    the study's 50 steps. It does nothing in a network without BatchNorm.

    `loss` is one of `LOSSES`. Networks that are trained on pairs, and recurrent ones, do not choose it.
    """

    normalisation: str
    statistics_memory: float | None = None
    loss: str = "cross_entropy"

    @property
    def outputs(self) -> int:
        """How many numbers a classifying network gives for an image: a logit, or for a cosine one for each class."""
        return 1 if self.loss == "cross_entropy" else 2


@dataclass(frozen=True, kw_only=True)
class AugmentedConfig(ScratchConfig, AugmentationChoice):
    """Those of a network that can be trained with any of the augmentations."""


class ScratchNetwork(Learner):
    """A network from scratch on the pixels; subclasses say which network and how its images are augmented."""

    @classmethod
    def network(cls, config: Any) -> nn.Module:
        """A freshly initialised network: (N, 1, 28, 28) -> logits (N,), or (N, 2) if `config.outputs` is 2."""
        raise NotImplementedError

    @classmethod
    def augment(cls, config: Any, images_NHW: Tensor, generator: torch.Generator) -> Tensor:
        """Training images of 0..1, not yet normalised, each with its own random change. None by default."""
        return images_NHW

    @classmethod
    def fit(cls, config: Any, support: Support, streams: Streams) -> Classifier:
        """Train the network."""
        return fit_network(partial(cls.network, config), partial(cls.augment, config), config, support, streams)


class AugmentedNetwork(ScratchNetwork):
    """A network from scratch that can be trained with any of the augmentations."""

    @classmethod
    def augment(cls, config: AugmentedConfig, images_NHW: Tensor, generator: torch.Generator) -> Tensor:
        """The chosen augmentation."""
        return augment(config, images_NHW, generator)


def fit_network(
    build: Callable[[], nn.Module], augment: Augment, config: ScratchConfig, support: Support, streams: Streams
) -> Classifier:
    """Build a network and train it on augmented images; the classifier sees images as they are.

    Raises:
        ValueError: There is no loss of that name.
    """
    if config.loss not in LOSSES:
        raise ValueError(f"Expected a loss from {', '.join(LOSSES)}; got {config.loss!r}.")
    model = initialised(build, config, streams)
    batches = training_batches(augment, config, support, streams)
    train(model, batches.__getitem__, support.labels, config, streams, LOSSES[config.loss])
    outputs_of = classifier_of(model, lambda images_NHW: network_input(config, unit(images_NHW)))
    if config.outputs == 1:
        return outputs_of
    return lambda images_NHW: cosine_log_odds(outputs_of(images_NHW))


def initialised(build: Callable[[], Network], config: ScratchConfig, streams: Streams) -> Network:
    """Build a network with the stream "initialisation", ready to be trained."""
    with streams.torch_default("initialisation"):
        model = build()
    if config.statistics_memory is not None:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = min(1.0, 1 / (config.statistics_memory * config.steps))
    channels_last(model)
    return model


def training_batches(augment: Augment, config: ScratchConfig, support: Support, streams: Streams) -> tuple[Tensor, ...]:
    """The ten images of each training step, augmented anew: `steps` tensors of (10, 1, 28, 28)."""
    # All steps' augmentations in one call: 500 images at once cost little more than ten.
    copies_NHW = unit(support.images).repeat(config.steps, 1, 1)
    augmented_NHW = augment(copies_NHW, streams.generator("augmentation"))
    return network_input(config, augmented_NHW).split(len(support.images))


def network_input(config: ScratchConfig, unit_NHW: Tensor) -> Tensor:
    """Images of 0..1 as a network takes them: normalised, (N, 1, 28, 28), channels last."""
    return normalise(config.normalisation, unit_NHW)[:, None].contiguous(memory_format=torch.channels_last)

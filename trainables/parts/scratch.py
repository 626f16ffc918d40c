"""What all networks from scratch have in common: their hyperparameters, their images and their training.

Shapes: N = images, S = those that are learned from, C = colours (1 of grey images), K = classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from trainables.parts.augmentation import AugmentationChoice, augment
from trainables.parts.learner import Classifier, Learner, Support
from trainables.parts.networks import Ends
from trainables.parts.normalisation import normalise, stretched, unit
from trainables.parts.streams import Streams
from trainables.parts.training import (
    Loss,
    TrainingConfig,
    channels_last,
    classifier_of,
    cosine_logits,
    cosine_loss,
    cross_entropy,
    outputs_for,
    train,
)

# Images of 0..1 (N, C, 28, 28), not yet normalised, each with its own random change.
Augment = Callable[[Tensor, torch.Generator], Tensor]
Network = TypeVar("Network", bound=nn.Module)

# What networks are trained with; a cosine loss wants an output for each class also of two. The weight .1 is Barz and
# Denzler's.
LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
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


@dataclass(frozen=True, kw_only=True)
class AugmentedConfig(ScratchConfig, AugmentationChoice):
    """Those of a network that can be trained with any of the augmentations."""


class ScratchNetwork(Learner):
    """A network from scratch on the pixels; subclasses say which network and how its images are augmented."""

    @classmethod
    def network(cls, config: Any, ends: Ends) -> nn.Module:
        """A freshly initialised network: (N, `ends.inputs`, 28, 28) -> (N,), or (N, `ends.outputs`) of several."""
        raise NotImplementedError

    @classmethod
    def augment(cls, config: Any, images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
        """Training images of 0..1, not yet normalised, each with its own random change. None by default."""
        return images_NCHW

    @classmethod
    def fit(cls, config: Any, support: Support, streams: Streams) -> Classifier:
        """Train the network."""
        return fit_network(partial(cls.network, config), partial(cls.augment, config), config, support, streams)


class AugmentedNetwork(ScratchNetwork):
    """A network from scratch that can be trained with any of the augmentations."""

    @classmethod
    def augment(cls, config: AugmentedConfig, images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
        """The chosen augmentation."""
        return augment(config, images_NCHW, generator)


def colours(pixels: Tensor) -> int:
    """Of pixels as `Support` has them: (S, 28, 28) or (S, 3, 28, 28)."""
    return 1 if pixels.ndim == 3 else pixels.shape[1]


def ends_of(config: ScratchConfig, support: Support) -> Ends:
    """Those of a network for these images: as many outputs as `outputs_for` says, but K for a cosine loss."""
    outputs = outputs_for(support.classes) if config.loss == "cross_entropy" else support.classes
    return Ends(inputs=colours(support.images), outputs=outputs, precision=support.precision)


def loss_of(config: ScratchConfig) -> Loss:
    """What is minimised.

    Raises:
        ValueError: There is no loss of that name.
    """
    if config.loss not in LOSSES:
        raise ValueError(f"Expected a loss from {', '.join(LOSSES)}; got {config.loss!r}.")
    return LOSSES[config.loss]


def fit_network(
    build: Callable[[Ends], Network],
    augment: Augment,
    config: ScratchConfig,
    support: Support,
    streams: Streams,
    begin: Callable[[Network], Iterable[Any] | None] = lambda model: None,
) -> Classifier:
    """Build a network and train it on augmented images; the classifier sees images as they are.

    Args:
        build: Makes the network.
        augment: Changes images at random.
        config: How it is trained.
        support: What it is trained on.
        streams: The seed's.
        begin: Gets the initialised network, which it may change, and gives what is trained, as `train` takes it.

    Raises:
        ValueError: There is no loss of that name.
    """
    loss = loss_of(config)
    ends = ends_of(config, support)
    model = initialised(lambda: build(ends), config, streams)
    parameters = begin(model)
    batches = training_batches(augment, config, support, streams)
    train(model, batches.__getitem__, support.labels, config, streams, loss, parameters)
    outputs_of = classifier_of(model, lambda images: network_input(config, unit(images)))
    if config.loss == "cross_entropy":
        return outputs_of
    return lambda images: cosine_logits(outputs_of(images))


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
    """The images of each training step, augmented anew: `steps` tensors of (S, C, 28, 28)."""
    images_NCHW = unit(support.images)
    if config.normalisation == "autocontrast":
        # Contrast first (Satoto et al. 2020): the black that a map brings in from outside would be the darkest value of
        # every training image, and of no other.
        images_NCHW, config = stretched(images_NCHW), replace(config, normalisation="fixed")
    # All steps' augmentations in one call: 500 images at once cost little more than ten.
    copies_NCHW = images_NCHW.repeat(config.steps, 1, 1, 1)
    augmented_NCHW = augment(copies_NCHW, streams.generator("augmentation"))
    return network_input(config, augmented_NCHW).split(len(support.images))


def network_input(config: ScratchConfig, unit_NCHW: Tensor) -> Tensor:
    """Images of 0..1 as a network takes them: normalised, (N, C, 28, 28), channels last."""
    return normalise(config.normalisation, unit_NCHW).contiguous(memory_format=torch.channels_last)

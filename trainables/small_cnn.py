"""Small convolutional networks from scratch: the course's starter network, and the report's own with augmentations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainables.augmentation import random_affine, random_elastic, random_intensity
from trainables.normalisation import normalise, unit
from trainables.protocol import Classifier, SeedTrainable, Streams, Support
from trainables.training import channels_last, classifier_of, train


@dataclass(frozen=True, kw_only=True)
class StarterConfig:
    """Hyperparameters of every network here."""

    normalisation: str
    learning_rate: float
    weight_decay: float
    steps: int


@dataclass(frozen=True, kw_only=True)
class CnnConfig(StarterConfig):
    """Hyperparameters of the report's network."""

    dropout: float


@dataclass(frozen=True, kw_only=True)
class SatotoConfig(CnnConfig):
    """The report's network with Satoto's augmentation; see `random_affine`."""

    rotation_deg: float
    shear_x_deg: float
    shear_y_deg: float
    least_scale: float
    reflect: bool


@dataclass(frozen=True, kw_only=True)
class CirilloConfig(CnnConfig):
    """The report's network with Cirillo's augmentation; see `random_intensity` and `random_elastic`."""

    gain_spread: float
    gamma_spread: float
    elastic_sigma_px: float
    elastic_points: int


class ScratchNetwork(SeedTrainable):
    """A network from scratch on the pixels; subclasses say which network and how its images are augmented."""

    @classmethod
    def network(cls, config: Any) -> nn.Module:
        """A freshly initialised network: (N, 1, 28, 28) -> logits (N,)."""
        raise NotImplementedError

    @classmethod
    def augment(cls, config: Any, images_NHW: Tensor, generator: torch.Generator) -> Tensor:
        """Training images of 0..1, not yet normalised, each with its own random change. None by default."""
        return images_NHW

    @classmethod
    def fit(cls, config: Any, support: Support, streams: Streams) -> Classifier:
        """Train on augmented images; the classifier sees images as they are."""

        def as_input(unit_NHW: Tensor) -> Tensor:
            normalised_NHW = normalise(config.normalisation, unit_NHW)
            return normalised_NHW[:, None].contiguous(memory_format=torch.channels_last)

        with streams.torch_default("initialisation"):
            model = channels_last(cls.network(config))
        # All steps' augmentations in one call: 500 images at once cost little more than ten.
        copies_NHW = unit(support.images).repeat(config.steps, 1, 1)
        augmented_NHW = cls.augment(config, copies_NHW, streams.generator("augmentation"))
        batches = as_input(augmented_NHW).split(len(support.images))
        train(
            model,
            batches.__getitem__,
            support.labels,
            steps=config.steps,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            streams=streams,
        )
        return classifier_of(model, lambda images_NHW: as_input(unit(images_NHW)))


class StarterCNN(ScratchNetwork):
    """The course's starter network ("test bed"): four convolutions without padding, two of them strided."""

    Config = StarterConfig

    @classmethod
    def network(cls, config: StarterConfig) -> nn.Module:
        """28 -> 26 -> 12 -> 10 -> 4 pixels a side; channels 16, 16, 32, 32."""
        return nn.Sequential(
            *(nn.Conv2d(1, 16, 3), nn.ReLU()),
            *(nn.Conv2d(16, 16, 3, stride=2), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3), nn.ReLU()),
            *(nn.Conv2d(32, 32, 3, stride=2), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(32 * 4 * 4, 1), nn.Flatten(0)),
        )


class CNN(ScratchNetwork):
    """The report's custom network, without augmentation."""

    Config: ClassVar[type] = CnnConfig

    @classmethod
    def network(cls, config: CnnConfig) -> nn.Module:
        """Four blocks of convolution, ReLU, BatchNorm and max-pooling: 28 -> 14 -> 7 -> 3 -> 1 pixels a side."""
        blocks: list[nn.Module] = []
        for inputs, outputs in ((1, 16), (16, 32), (32, 32), (32, 64)):
            blocks += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs), nn.MaxPool2d(2)]
        return nn.Sequential(*blocks, nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(64, 1), nn.Flatten(0))


class CNNSatoto(CNN):
    """The report's network with rotation, shear, scaling and reflection (Satoto et al. 2020)."""

    Config = SatotoConfig

    @classmethod
    def augment(cls, config: SatotoConfig, images_NHW: Tensor, generator: torch.Generator) -> Tensor:
        """One affine map an image. Satoto's auto-contrast is the configuration's normalisation."""
        return random_affine(
            images_NHW,
            rotation_deg=config.rotation_deg,
            shear_x_deg=config.shear_x_deg,
            shear_y_deg=config.shear_y_deg,
            least_scale=config.least_scale,
            reflect=config.reflect,
            generator=generator,
        )


class CNNCirillo(CNN):
    """The report's network with changes of intensity and an elastic deformation (Cirillo et al. 2021)."""

    Config = CirilloConfig

    @classmethod
    def augment(cls, config: CirilloConfig, images_NHW: Tensor, generator: torch.Generator) -> Tensor:
        """Intensity first, then the deformation in both directions."""
        changed_NHW = random_intensity(
            images_NHW, gain_spread=config.gain_spread, gamma_spread=config.gamma_spread, generator=generator
        )
        return random_elastic(
            changed_NHW, points=config.elastic_points, sigma_px=config.elastic_sigma_px, generator=generator
        )

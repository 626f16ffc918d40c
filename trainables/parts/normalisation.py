"""Ways to bring an image's grey values to a common scale; with ten images a hyperparameter of the first rank.

Every function looks at one image at a time, so a prediction never depends on the other images of its batch.
Shapes: N = images, H = W = 28 pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Normalisation = Callable[[Tensor], Tensor]


def unit(images_NHW: Tensor) -> Tensor:
    """uint8 grey values 0..255 as float32 0..1, where augmentation works and normalisation starts."""
    return images_NHW.float() / 255


def fixed(unit_NHW: Tensor) -> Tensor:
    """0..1 as -1..1: torchvision's `Normalize(.5, .5)`."""
    return 2 * unit_NHW - 1


def zscore(unit_NHW: Tensor) -> Tensor:
    """Each image to mean 0 and standard deviation 1 over its own pixels; a constant image becomes 0."""
    sd_N11 = unit_NHW.std((-2, -1), keepdim=True, correction=0)
    centred_NHW = unit_NHW - unit_NHW.mean((-2, -1), keepdim=True)
    # A constant image's mean is off by a rounding error, which must not be divided by next to nothing.
    return torch.where(sd_N11 > 1e-6, centred_NHW / sd_N11, 0.0)


def autocontrast(unit_NHW: Tensor) -> Tensor:
    """Each image stretched from its own least and greatest grey value to -1..1; a constant image becomes -1."""
    low_N11 = unit_NHW.amin((-2, -1), keepdim=True)
    span_N11 = unit_NHW.amax((-2, -1), keepdim=True) - low_N11
    return 2 * (unit_NHW - low_N11) / span_N11.clamp_min(1e-6) - 1


NORMALISATIONS: dict[str, Normalisation] = {
    "none": lambda unit_NHW: unit_NHW,
    "fixed": fixed,
    "zscore": zscore,
    "autocontrast": autocontrast,
}


def normalise(name: str, unit_NHW: Tensor) -> Tensor:
    """Apply the normalisation of that name to images of 0..1, shape (N, H, W).

    Raises:
        ValueError: There is none of that name.
    """
    if name not in NORMALISATIONS:
        raise ValueError(f"Expected a normalisation from {', '.join(NORMALISATIONS)}; got {name!r}.")
    return NORMALISATIONS[name](unit_NHW)

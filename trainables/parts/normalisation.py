"""Ways to bring an image's values to a common scale; with few images a hyperparameter of the first rank.

Every function looks at one image at a time, so a prediction never depends on the other images of its batch, and at all
its colours together: each colour by itself would lose the tint, which may be what tells classes apart. So an image of
three equal colours becomes three times what it is as a grey one.
Shapes: N = images, C = colours (1 of a grey image), H = W = 28 pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Normalisation = Callable[[Tensor], Tensor]


# Over these an image is looked at as a whole.
COLOURS_AND_PIXELS = (-3, -2, -1)


def unit(images: Tensor) -> Tensor:
    """uint8 values 0..255 as float32 0..1, where augmentation works and normalisation starts.

    Grey images (N, H, W) get an axis for their one colour: -> (N, C, H, W), as images of colours have it.
    """
    unit_images = images.float() / 255
    return unit_images[:, None] if images.ndim == 3 else unit_images


def fixed(unit_NCHW: Tensor) -> Tensor:
    """0..1 as -1..1: torchvision's `Normalize(.5, .5)`."""
    return 2 * unit_NCHW - 1


def zscore(unit_NCHW: Tensor) -> Tensor:
    """Each image to mean 0 and standard deviation 1 over its own values; a constant image becomes 0."""
    sd_N111 = unit_NCHW.std(COLOURS_AND_PIXELS, keepdim=True, correction=0)
    centred_NCHW = unit_NCHW - unit_NCHW.mean(COLOURS_AND_PIXELS, keepdim=True)
    # A constant image's mean is off by a rounding error, which must not be divided by next to nothing.
    return torch.where(sd_N111 > 1e-6, centred_NCHW / sd_N111, 0.0)


def stretched(unit_NCHW: Tensor) -> Tensor:
    """Each image stretched from its own least and greatest value to 0..1; a constant image becomes 0."""
    low_N111 = unit_NCHW.amin(COLOURS_AND_PIXELS, keepdim=True)
    span_N111 = unit_NCHW.amax(COLOURS_AND_PIXELS, keepdim=True) - low_N111
    return (unit_NCHW - low_N111) / span_N111.clamp_min(1e-6)


def autocontrast(unit_NCHW: Tensor) -> Tensor:
    """`stretched`, as -1..1."""
    return fixed(stretched(unit_NCHW))


NORMALISATIONS: dict[str, Normalisation] = {
    "none": lambda unit_NCHW: unit_NCHW,
    "fixed": fixed,
    "zscore": zscore,
    "autocontrast": autocontrast,
}


def normalise(name: str, unit_NCHW: Tensor) -> Tensor:
    """Apply the normalisation of that name to images of 0..1, shape (N, C, H, W), or to one (C, H, W).

    Raises:
        ValueError: There is none of that name.
    """
    if name not in NORMALISATIONS:
        raise ValueError(f"Expected a normalisation from {', '.join(NORMALISATIONS)}; got {name!r}.")
    return NORMALISATIONS[name](unit_NCHW)

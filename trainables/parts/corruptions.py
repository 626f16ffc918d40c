"""Test images changed as other scanners, files or preprocessing change them, each at several severities.

Kinds and strengths are those that MedMNIST-C has for PneumoniaMNIST (Di Salvo, Doerrich and Ledig 2024, MedMNIST-C:
Comprehensive benchmark and improved classifier robustness by simulating realistic image corruptions, arXiv 2406.17536;
the table in its package `medmnistc`, version 0.1), one of each group of alike ones, and one of ours:

- gaussian noise: standard deviation, as a share of white; drawn for each colour
- gaussian blur: side of the kernel in pixels, with the standard deviation that torchvision gives it by default
- pixelate: the share of its side that the image is reduced to, and enlarged from, averaging over areas
- jpeg: quality
- brightness: the factor of all values
- contrast: the factor of the distance to the image's mean grey
- gamma: the power that values between 0 and 1 are raised to
- grey levels: black is raised by this share of the way to white and white stays, x -> a + (1 - a) x. The greatest is
  what values from 0 to 1 are to a network that was trained on Normalize(.5, .5), or the other way round: the images
  are the same and their preprocessing is another.

MedMNIST-C changes images of 224 pixels; here they are changed as they were read, so that a blur or pixels of the same
size are a harder test of 28. Where it has a change in two directions (brighter and darker), images in even places get
the first and those in odd places the second, since another scanner may do either: a loss is the mean of both.

Changed images are uint8, of the shape they had: grey (N, S, S) or of three colours (N, S, S, 3).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

# One image, its strength, and where its noise is drawn from -> its values as they were changed, not yet cut to 0..255.
Corruption = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
# White, in uint8.
WHITE = 255


def _gaussian_noise(image: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    return image + WHITE * sd * rng.standard_normal(image.shape)


def _gaussian_blur(image: np.ndarray, side: float, rng: np.random.Generator) -> np.ndarray:
    radius = int(side) // 2
    # The side that torchvision's and OpenCV's default is a function of, as a function of the radius.
    sd = 0.3 * (radius - 1) + 0.8
    of_axes = (sd, sd, 0)[: image.ndim]
    blurred: np.ndarray = ndimage.gaussian_filter(image.astype(float), of_axes, mode="mirror", radius=radius)
    return blurred


def _pixelate(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    side = image.shape[0]
    small = Image.fromarray(image).resize((max(int(side * share), 1),) * 2, Image.Resampling.BOX)
    return np.asarray(small.resize((side, side), Image.Resampling.BOX))


def _jpeg(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(quality))
    return np.asarray(Image.open(file))


def _brightness(image: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    return image * factor


def _contrast(image: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    grey = float(np.asarray(Image.fromarray(image).convert("L")).mean())
    return grey + factor * (image - grey)


def _gamma(image: np.ndarray, power: float, rng: np.random.Generator) -> np.ndarray:
    raised: np.ndarray = WHITE * (image / WHITE) ** power
    return raised


def _grey_levels(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return WHITE * share + (1 - share) * image


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of change and its strength at each severity from 1 to 5.

    `odd` are the strengths of the other direction, for images in odd places; empty where there is one direction.
    """

    apply: Corruption
    strengths: tuple[float, ...]
    odd: tuple[float, ...] = ()


UP, DOWN = (1.1, 1.2, 1.3, 1.4, 1.6), (0.9, 0.8, 0.7, 0.6, 0.4)
KINDS: Mapping[str, Kind] = {
    "gaussian noise": Kind(apply=_gaussian_noise, strengths=(0.04, 0.05, 0.06, 0.07, 0.08)),
    "gaussian blur": Kind(apply=_gaussian_blur, strengths=(3, 5, 7, 9, 11)),
    "pixelate": Kind(apply=_pixelate, strengths=(0.8, 0.7, 0.6, 0.5, 0.4)),
    "jpeg": Kind(apply=_jpeg, strengths=(50, 30, 15, 10, 7)),
    "brightness": Kind(apply=_brightness, strengths=(1.1, 1.2, 1.3, 1.4, 1.5), odd=(0.9, 0.8, 0.7, 0.6, 0.5)),
    "contrast": Kind(apply=_contrast, strengths=UP, odd=DOWN),
    "gamma": Kind(apply=_gamma, strengths=UP, odd=DOWN),
    "grey levels": Kind(apply=_grey_levels, strengths=(0.1, 0.2, 0.3, 0.4, 0.5)),
}


@dataclass(frozen=True, kw_only=True, order=True)
class Change:
    """A kind of change at a severity from 1 to 5."""

    kind: str
    severity: int

    @property
    def split(self) -> str:
        """What results on images that were so changed have as their split."""
        return f"test: {self.kind} {self.severity}"


# The split of the same images as they are.
UNCHANGED = "test: unchanged"


def changed(images: np.ndarray, change: Change) -> np.ndarray:
    """The images after this change. Deterministic: noise depends on the kind and on an image's place alone.

    Args:
        images: uint8, grey (N, S, S) or of three colours (N, S, S, 3).
        change: What is done to them.
    """
    kind, number = KINDS[change.kind], list(KINDS).index(change.kind)
    of_place = (kind.strengths, kind.odd or kind.strengths)
    found = [
        # One draw for all severities, so that a greater one is more of the same.
        kind.apply(image, of_place[place % 2][change.severity - 1], np.random.default_rng([number, place]))
        for place, image in enumerate(images)
    ]
    values: np.ndarray = np.clip(np.rint(np.array(found, dtype=float)), 0, WHITE)
    return values.astype(np.uint8).reshape(images.shape)


def evenly(labels_N: np.ndarray, most: int) -> np.ndarray:
    """Rows of at most `most` images in all, as many of each class, class by class, spread evenly over the file order.

    At least one of each class, and no more than the smallest class has.
    """
    of_class = [np.flatnonzero(labels_N == label) for label in np.unique(labels_N)]
    each = max(min(most // len(of_class), *map(len, of_class)), 1)
    return np.concatenate([rows[np.arange(each) * len(rows) // each] for rows in of_class])

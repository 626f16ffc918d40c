"""Synthetic chest and breast images, so that the first command works on a machine with no data and no network.

The chests have the form of PneumoniaMNIST and nothing of its medicine: a bright body with two dark lungs, ribs across,
and for class 1 pale blurred patches inside the lungs. Body, position, exposure and noise vary from image to image, so
that z-score and nearest centroid find 70 to 90 % from ten images.

The breasts have the form of BreastMNIST, an ultrasound data set, likewise: layers of tissue that darken with depth,
full of speckle, and in them for class 0 (malignant) a dark mass with a ragged border and a shadow below, for class 1
(normal or benign) a smooth oval or nothing. Z-score and ridge reach an AUROC of 0.8 to 0.95 from a hundred images.

Only uniform draws and elementwise + - * / are used, which IEEE 754 fixes to the bit, so every machine makes the same
images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

SIDE = 28
Y_HW, X_HW = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1) * 2 - 1
# The same, once for each column and each row.
X_1W, Y_H1 = X_HW[:1], Y_HW[:, :1]
# As many images as PneumoniaMNIST has, normal and pneumonia.
COUNTS = {"train": (1214, 3494), "val": (135, 389), "test": (234, 390)}
# As many images as BreastMNIST has, malignant and not.
BREAST_COUNTS = {"train": (147, 399), "val": (21, 57), "test": (42, 114)}


def phantom_arrays() -> dict[str, np.ndarray]:
    """The arrays of a MedMNIST file: `{train,val,test}_images` uint8 (N, 28, 28) and `_labels` uint8 (N, 1).

    The classes alternate irregularly, as in the real file.
    """
    return _arrays(COUNTS, _chests, seed=28)


def phantom_breast_arrays() -> dict[str, np.ndarray]:
    """The same of breasts, with as many images of each class as BreastMNIST has."""
    return _arrays(BREAST_COUNTS, _breasts, seed=29)


def _arrays(
    counts: Mapping[str, tuple[int, int]],
    images: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    *,
    seed: int,
) -> dict[str, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    arrays = {}
    for split, of_class in counts.items():
        labels_N = np.repeat(np.array([0, 1], dtype=np.uint8), of_class)
        rng.shuffle(labels_N)
        arrays[f"{split}_images"] = images(labels_N, rng)
        arrays[f"{split}_labels"] = labels_N[:, None]
    return arrays


def _bump(distance_squared: np.ndarray) -> np.ndarray:
    """1 in the middle, 0 from distance 1 on, smooth in between; a polynomial, so that it is exact everywhere."""
    # In place: a driver waits for these images, and most of the time goes into fresh memory.
    inside = 1 - distance_squared
    np.maximum(inside, 0, out=inside)
    inside *= inside
    return inside


def _draw(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """A number for each of the images, (N, 1, 1)."""
    return (low + (high - low) * rng.random(count))[:, None, None]


def _distance_squared(
    x_N11: np.ndarray, y_N11: np.ndarray, width_N11: np.ndarray, height_N11: np.ndarray
) -> np.ndarray:
    """From the middle of an ellipse, 1 on its border."""
    across_N1W = (X_1W - x_N11) / width_N11
    along_NH1 = (Y_H1 - y_N11) / height_N11
    return across_N1W * across_N1W + along_NH1 * along_NH1


def _blob(x_N11: np.ndarray, y_N11: np.ndarray, width_N11: np.ndarray, height_N11: np.ndarray) -> np.ndarray:
    return _bump(_distance_squared(x_N11, y_N11, width_N11, height_N11))


def _noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """The sum of four uniform draws stands in for Gaussian noise."""
    total_NHW = rng.random((count, SIDE, SIDE))
    for _ in range(3):
        total_NHW += rng.random((count, SIDE, SIDE))
    total_NHW -= 2
    return total_NHW


def _as_grey_values(image_NHW: np.ndarray) -> np.ndarray:
    grey_NHW = np.clip(image_NHW, 0, 1)
    grey_NHW *= 255
    return np.rint(grey_NHW, out=grey_NHW).astype(np.uint8)


def _chests(labels_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count = len(labels_N)
    draw = partial(_draw, rng, count)
    shift_x_N11, shift_y_N11 = draw(-0.08, 0.08), draw(-0.08, 0.08)
    image_NHW = 0.25 + 0.6 * _blob(shift_x_N11, shift_y_N11 + 0.1, draw(1.3, 1.7), draw(1.4, 1.8))
    lungs_NHW = np.zeros_like(image_NHW)
    patches_NHW = np.zeros_like(image_NHW)
    for side in (-1, 1):
        centre_x_N11, centre_y_N11 = side * draw(0.36, 0.5) + shift_x_N11, draw(-0.1, 0.1) + shift_y_N11
        lungs_NHW += _blob(centre_x_N11, centre_y_N11, draw(0.42, 0.56), draw(0.75, 0.95))
        # A normal lung has faint vessels where a sick one has patches, so that there is always something to see.
        sick_N11 = np.where(labels_N[:, None, None] == 1, draw(0.45, 1.2), draw(0.0, 0.5))
        for _ in range(3):
            patch_NHW = _blob(
                centre_x_N11 + draw(-0.2, 0.2), centre_y_N11 + draw(-0.35, 0.45), draw(0.25, 0.45), draw(0.25, 0.5)
            )
            patch_NHW *= sick_N11
            patches_NHW += patch_NHW
    image_NHW -= draw(0.5, 0.75) * np.minimum(lungs_NHW, 1)
    image_NHW += 0.5 * np.minimum(patches_NHW, 1) * np.minimum(lungs_NHW * 2, 1)
    # Ribs: a triangle wave down the image.
    phase_NHW = (Y_HW * draw(2.5, 3.5) + 0.25 * X_HW * X_HW + draw(0, 1)) % 1
    image_NHW += draw(0.02, 0.06) * (np.abs(phase_NHW - 0.5) * 4 - 1)
    # On a line of its own, since the order of the draws decides what the images are.
    noise_NHW = _noise(rng, count)
    noise_NHW *= draw(0.02, 0.08)
    image_NHW += noise_NHW
    return _as_grey_values(draw(0.75, 1.15) * image_NHW + draw(-0.1, 0.15))


def _breasts(labels_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count = len(labels_N)
    draw = partial(_draw, rng, count)
    sick_N11 = labels_N[:, None, None] == 0
    # Skin, glandular tissue and the fascia above the muscle, each a bright bent layer in grey fat.
    depth_NHW = Y_HW + draw(-0.15, 0.15) * X_HW + draw(-0.1, 0.2) * X_HW * X_HW
    image_NHW = np.repeat(draw(0.25, 0.35), SIDE, axis=1)
    for low, high, thin, thick, pale, bright in (
        (-1.0, -0.85, 0.15, 0.3, 0.2, 0.45),
        (-0.35, 0.05, 0.5, 0.8, 0.15, 0.4),
        (0.6, 0.85, 0.12, 0.25, 0.1, 0.35),
    ):
        from_layer_NHW = (depth_NHW - draw(low, high)) / draw(thin, thick)
        image_NHW = image_NHW + draw(pale, bright) * _bump(from_layer_NHW * from_layer_NHW)
    x_N11, y_N11 = draw(-0.4, 0.4), draw(-0.35, 0.3)
    # A malignant mass may be taller than wide, a benign one lies flat; one image in four of class 1 has none.
    width_N11 = np.where(sick_N11, draw(0.3, 0.6), draw(0.3, 0.6))
    height_N11 = np.where(sick_N11, draw(0.3, 0.6), draw(0.15, 0.35))
    smooth_NHW = _distance_squared(x_N11, y_N11, width_N11, height_N11)
    # Cells of two pixels push the border in and out.
    cell_NHW = rng.random((count, SIDE // 2, SIDE // 2)).repeat(2, axis=1).repeat(2, axis=2)
    ragged_NHW = smooth_NHW + draw(0.8, 1.6) * (cell_NHW - 0.5)
    mass_NHW = np.clip(2 * (1 - np.where(sick_N11, ragged_NHW, smooth_NHW)), 0, 1)
    darkness_N11 = np.where(sick_N11, draw(0.45, 0.8), np.where(draw(0, 1) < 0.25, 0, draw(0.35, 0.75)))
    image_NHW = image_NHW * (1 - darkness_N11 * mass_NHW)
    # Sound is lost behind a malignant mass and hardly in a cyst, behind which it looks brighter.
    behind_N11 = np.where(sick_N11, draw(-0.5, 0.0), draw(-0.1, 0.3) * darkness_N11)
    across_NHW = (X_HW - x_N11) / width_N11
    below_NHW = np.clip((Y_HW - y_N11) / height_N11 - 0.5, 0, 1) * _bump(across_NHW * across_NHW)
    image_NHW = image_NHW * (1 + behind_N11 * below_NHW)
    image_NHW = image_NHW * (1 - draw(0.1, 0.4) * (Y_HW + 1) / 2)
    # Speckle multiplies: bright tissue has more of it.
    image_NHW = image_NHW * (1 + draw(0.2, 0.5) * _noise(rng, count))
    return _as_grey_values(draw(0.8, 1.4) * image_NHW + draw(-0.05, 0.1))

"""Synthetic chest images, so that the first command works on a machine with no data and no network.

They have the form of PneumoniaMNIST and nothing of its medicine: a bright body with two dark lungs, ribs across, and
for class 1 pale blurred patches inside the lungs. Body, position, exposure and noise vary from image to image, so that
z-score and nearest centroid find 70 to 90 % from ten images.

Only uniform draws and elementwise + - * / are used, which IEEE 754 fixes to the bit, so every machine makes the same
images.
"""

from __future__ import annotations

import numpy as np

SIDE = 28
# As many images as PneumoniaMNIST has, normal and pneumonia.
COUNTS = {"train": (1214, 3494), "val": (135, 389), "test": (234, 390)}


def phantom_arrays() -> dict[str, np.ndarray]:
    """The arrays of a MedMNIST file: `{train,val,test}_images` uint8 (N, 28, 28) and `_labels` uint8 (N, 1).

    The classes alternate irregularly, as in the real file.
    """
    rng = np.random.Generator(np.random.PCG64(28))
    arrays = {}
    for split, (normal, pneumonia) in COUNTS.items():
        labels_N = np.repeat(np.array([0, 1], dtype=np.uint8), (normal, pneumonia))
        rng.shuffle(labels_N)
        arrays[f"{split}_images"] = _images(labels_N, rng)
        arrays[f"{split}_labels"] = labels_N[:, None]
    return arrays


def _bump(distance_squared: np.ndarray) -> np.ndarray:
    """1 in the middle, 0 from distance 1 on, smooth in between; a polynomial, so that it is exact everywhere."""
    inside = np.maximum(1 - distance_squared, 0)
    return inside * inside


def _images(labels_N: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    count = len(labels_N)
    y_HW, x_HW = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1) * 2 - 1

    def draw(low: float, high: float) -> np.ndarray:
        return (low + (high - low) * rng.random(count))[:, None, None]

    def blob(x_N11: np.ndarray, y_N11: np.ndarray, width_N11: np.ndarray, height_N11: np.ndarray) -> np.ndarray:
        across_NHW = (x_HW - x_N11) / width_N11
        along_NHW = (y_HW - y_N11) / height_N11
        return _bump(across_NHW * across_NHW + along_NHW * along_NHW)

    shift_x_N11, shift_y_N11 = draw(-0.08, 0.08), draw(-0.08, 0.08)
    image_NHW = 0.25 + 0.6 * blob(shift_x_N11, shift_y_N11 + 0.1, draw(1.3, 1.7), draw(1.4, 1.8))
    lungs_NHW = np.zeros_like(image_NHW)
    patches_NHW = np.zeros_like(image_NHW)
    for side in (-1, 1):
        centre_x_N11, centre_y_N11 = side * draw(0.36, 0.5) + shift_x_N11, draw(-0.1, 0.1) + shift_y_N11
        lungs_NHW += blob(centre_x_N11, centre_y_N11, draw(0.42, 0.56), draw(0.75, 0.95))
        # A normal lung has faint vessels where a sick one has patches, so that there is always something to see.
        sick_N11 = np.where(labels_N[:, None, None] == 1, draw(0.45, 1.2), draw(0.0, 0.5))
        for _ in range(3):
            patches_NHW += sick_N11 * blob(
                centre_x_N11 + draw(-0.2, 0.2), centre_y_N11 + draw(-0.35, 0.45), draw(0.25, 0.45), draw(0.25, 0.5)
            )
    image_NHW -= draw(0.5, 0.75) * np.minimum(lungs_NHW, 1)
    image_NHW += 0.5 * np.minimum(patches_NHW, 1) * np.minimum(lungs_NHW * 2, 1)
    # Ribs: a triangle wave down the image.
    phase_NHW = (y_HW * draw(2.5, 3.5) + 0.25 * x_HW * x_HW + draw(0, 1)) % 1
    image_NHW += draw(0.02, 0.06) * (np.abs(phase_NHW - 0.5) * 4 - 1)
    # The sum of four uniform draws stands in for Gaussian noise.
    noise_NHW = rng.random((4, count, SIDE, SIDE)).sum(0) - 2
    image_NHW += draw(0.02, 0.08) * noise_NHW
    exposed_NHW = draw(0.75, 1.15) * image_NHW + draw(-0.1, 0.15)
    return np.rint(np.clip(exposed_NHW, 0, 1) * 255).astype(np.uint8)

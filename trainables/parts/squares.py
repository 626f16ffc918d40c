"""Images of any size on a square, in the two ways in which data sets are read: from image files, and from arrays."""

from __future__ import annotations

import numpy as np
from PIL import Image


def on_square(image: Image.Image, size_px: int) -> np.ndarray:
    """The image in the middle of a black square: averaged over areas or enlarged bilinearly first, then the borders."""
    longest = max(image.size)
    if longest != size_px:
        width, height = (max(round(side * size_px / longest), 1) for side in image.size)
        # Pillow's box filter averages over areas when it makes smaller, each pixel by how much of it is covered.
        how = Image.Resampling.BOX if longest > size_px else Image.Resampling.BILINEAR
        image = image.resize((width, height), how)
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    square = np.zeros((size_px, size_px, *pixels.shape[2:]), pixels.dtype)
    above, left = (size_px - height) // 2, (size_px - width) // 2
    square[above : above + height, left : left + width] = pixels
    return square


def squared(images: np.ndarray) -> np.ndarray:
    """Images (N, H, W) or (N, H, W, 3) with black borders on both sides of the shorter axis."""
    height, width = images.shape[1:3]
    side = max(height, width)
    above, left = (side - height) // 2, (side - width) // 2
    borders = [(0, 0), (above, side - height - above), (left, side - width - left)]
    return np.pad(images, [*borders, *[(0, 0)] * (images.ndim - 3)])

"""DICOM images through pydicom, which is an optional extra, as their own windows show them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

EXTRA = 'pip install "pydicom>=3" (in a copy of this project: pip install -e ".[dicom]")'


def is_there() -> bool:
    """Whether pydicom is installed."""
    return importlib.util.find_spec("pydicom") is not None


def header_of(path: Path) -> tuple[tuple[int, int], int]:
    """Width and height, and how many channels there are, without reading the pixels.

    Raises:
        Exception: It is no DICOM image, or has several frames.
    """
    import pydicom

    file = pydicom.dcmread(path, stop_before_pixels=True)
    return _size(file), 3 if _is_palette(file) else int(getattr(file, "SamplesPerPixel", 1) or 1)


def read(path: Path) -> Image.Image:
    """The image as its window shows it, or over its own range if it has none; MONOCHROME1 is turned round.

    Colours, of whatever kind, are RGB of 8 bits.

    Raises:
        Exception: It cannot be read, or has several frames.
    """
    import pydicom
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

    file = pydicom.dcmread(path)
    _size(file)
    # Of every kind of YBR pydicom 3 itself makes RGB here.
    pixels, bits = file.pixel_array, int(file.BitsStored)
    if _is_palette(file):
        # Numbers of colours; the colours have the bits of the table. A fourth channel says what is transparent.
        pixels = apply_color_lut(pixels, file)[..., :3]
        bits = 8 * pixels.itemsize
    if pixels.ndim == 3:
        return Image.fromarray(np.ascontiguousarray(pixels >> max(bits - 8, 0), dtype=np.uint8))
    values = np.asarray(apply_voi_lut(apply_modality_lut(pixels, file), file), dtype=np.float64)
    # Black and white are the window's, and not the darkest and brightest of what this image shows.
    ends = _ends_of_window(file)
    shown = values if ends is None else np.asarray(apply_voi_lut(ends, file), dtype=np.float64)
    low, high = shown.min(), shown.max()
    shares = ((values - low) / (high - low)).clip(0, 1) if high > low else np.zeros_like(values)
    if file.PhotometricInterpretation == "MONOCHROME1":
        shares = 1 - shares
    return Image.fromarray(np.rint(shares * 255).astype(np.uint8))


def _ends_of_window(file: Any) -> np.ndarray | None:
    """Values that its window or table shows as black and as white, and perhaps others; None if it has neither."""
    if getattr(file, "VOILUTSequence", None):
        entries, first, _ = file.VOILUTSequence[0].LUTDescriptor
        return np.arange(first, first + (entries or 1 << 16))
    if getattr(file, "WindowCenter", None) is None or getattr(file, "WindowWidth", None) is None:
        return None
    # Of several windows the first one is taken, as pydicom does. A sigmoid comes close to its ends only far away.
    center, width = (float(np.atleast_1d(value)[0]) for value in (file.WindowCenter, file.WindowWidth))
    return np.array([center - 50 * width, center + 50 * width])


def _is_palette(file: Any) -> bool:
    return bool(getattr(file, "PhotometricInterpretation", None) == "PALETTE COLOR")


def _size(file: Any) -> tuple[int, int]:
    frames = int(getattr(file, "NumberOfFrames", 1) or 1)
    if frames > 1:
        raise ValueError(f"{frames} frames")
    return int(file.Columns), int(file.Rows)

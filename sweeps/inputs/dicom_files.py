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
    return _size(file), int(getattr(file, "SamplesPerPixel", 1) or 1)


def read(path: Path) -> Image.Image:
    """The image as its window shows it, or over its own range if it has none; MONOCHROME1 is turned round.

    Raises:
        Exception: It cannot be read, or has several frames.
    """
    import pydicom
    from pydicom.pixels import apply_modality_lut, apply_voi_lut, convert_color_space

    file = pydicom.dcmread(path)
    _size(file)
    pixels = file.pixel_array
    if file.SamplesPerPixel == 3:
        if "YBR" in file.PhotometricInterpretation:
            pixels = convert_color_space(pixels, file.PhotometricInterpretation, "RGB")
        return Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8))
    values = np.asarray(apply_voi_lut(apply_modality_lut(pixels, file), file), dtype=np.float64)
    low, high = values.min(), values.max()
    shares = (values - low) / (high - low) if high > low else np.zeros_like(values)
    if file.PhotometricInterpretation == "MONOCHROME1":
        shares = 1 - shares
    return Image.fromarray(np.rint(shares * 255).astype(np.uint8))


def _size(file: Any) -> tuple[int, int]:
    frames = int(getattr(file, "NumberOfFrames", 1) or 1)
    if frames > 1:
        raise ValueError(f"{frames} frames")
    return int(file.Columns), int(file.Rows)

"""One image file, read as a person sees it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, MM, OPEN_INFO, PHOTOMETRIC_INTERPRETATION, TiffImageFile

from trainables.parts.squares import on_square

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".dib")
DICOM_ENDINGS = (".dcm", ".dicom")
# A digital mammogram has 20 million. A small file can claim any number, and would fill the memory.
MOST_PIXELS = 60_000_000
# Bits of a grey value that 16-bit files really use, as scanners make them.
DEPTHS = (8, 10, 12, 14, 16)
# How the bytes of a value lie in a file (of the big or little end first, or as in this machine), and the other way.
OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
# Pillow knows 16-bit negatives of the little end first alone, and the other ones are read like positives of that kind.
OPEN_INFO.setdefault((MM, 0, (1,), 1, (16,), ()), OPEN_INFO[MM, 1, (1,), 1, (16,), ()])


class Unreadable(Exception):
    """An image that is left out; the message says why in a few words."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An image of the size that is asked for.

    Attributes:
        pixels: uint8, grey (S, S) or colour (S, S, 3); or float32 of these shapes, whose range is not known yet.
        peak: The largest value of a file of more than 8 bits; None of others.
        inside: Where zero is white and the largest value black: bool (S, S), false on the borders, which are black;
            None of others.
    """

    pixels: np.ndarray
    peak: float | None = None
    inside: np.ndarray | None = None


def header_of(path: Path) -> tuple[int, int]:
    """The longest side of the image in a file, and the most bytes that a pixel of it becomes, without reading it.

    Raises:
        Exception: It cannot be read as one.
    """
    if path.suffix.lower() in DICOM_ENDINGS:
        from sweeps.inputs import dicom_files

        size, channels = dicom_files.header_of(path)
        return max(_checked(size)), channels
    with _opened(path) as image:
        if getattr(image, "n_frames", 1) > 1 and image.format == "TIFF":
            raise Unreadable(f"{image.n_frames} pages")  # type: ignore[attr-defined]
        channels = 1 if image.mode in ("1", "L", "LA") or image.mode.startswith(("I", "F")) else 3
        is_deep = image.mode.startswith(("I", "F")) or _is_deep_colour(image)
        return max(_checked(image.size)), channels * (4 if is_deep else 1) + _has_white_zero(image)


def decoded(path: Path, size_px: int) -> Decoded:
    """The image in a file, as a person sees it, on a black square of `size_px`.

    It is turned as its EXIF orientation says; what is transparent lies on black, as the borders are; palettes, CMYK and
    the like become RGB. Larger images are averaged over areas, smaller ones enlarged bilinearly. Values of more than 8
    bits stay as they are, since only all files together tell how many bits are used (`as_bytes`). Three equal channels
    are grey.

    Raises:
        Exception: It cannot be read.
    """
    if path.suffix.lower() in DICOM_ENDINGS:
        from sweeps.inputs import dicom_files

        return Decoded(pixels=_as_grey_if_it_is(on_square(dicom_files.read(path), size_px)))
    with _opened(path) as image:
        _checked(image.size)
        if _is_deep_colour(image) and (planes := _deep_colours(path)):
            pixels = np.stack([on_square(Image.fromarray(plane), size_px) for plane in planes], axis=-1)
            return Decoded(pixels=_as_grey_if_it_is(pixels), peak=max(float(plane.max()) for plane in planes))
        is_inverse = _has_white_zero(image)
        upright = _upright(image)
    if upright.mode.startswith("I"):
        values = np.asarray(upright).astype(np.float32)
        if (transparent := upright.info.get("transparency")) is not None:
            values[values == transparent] = 0
        if values.min() < 0 or values.max() > 65535:
            raise Unreadable("grey values of more than 16 bits")
        return Decoded(
            pixels=on_square(Image.fromarray(values), size_px),
            peak=float(values.max()),
            inside=on_square(Image.new("L", upright.size, 1), size_px) > 0 if is_inverse else None,
        )
    if upright.mode == "F":
        raise Unreadable("floating-point pixels")
    return Decoded(pixels=_as_grey_if_it_is(on_square(_seen(upright), size_px)))


def white_of(images: Iterable[Decoded]) -> int | None:
    """The value that is white in files of more than 8 bits, by the bits that the brightest of them needs.

    None if there are no such files.
    """
    peaks = [image.peak for image in images if image.peak is not None]
    return next((2**bits - 1 for bits in DEPTHS if max(peaks) < 2**bits), 65535) if peaks else None


def as_bytes(images: Sequence[Decoded], white: int | None = None) -> list[np.ndarray]:
    """All images as uint8. Those of more than 8 bits are scaled alike, `white` (that of `white_of`) to 255.

    So a file that fills 12 of its 16 bits, as many scanners write it, is not nearly black, and a darker image stays
    darker than a bright one. Where all 16 bits are used, 257 becomes 1. Where zero is white, `white` is black.
    """
    most = white or white_of(images) or 255
    return [image.pixels if image.peak is None else _scaled(image, 255 / most) for image in images]


def _scaled(image: Decoded, scale: float) -> np.ndarray:
    values = (image.pixels * scale).clip(0, 255)
    if image.inside is not None:
        values = np.where(image.inside, 255 - values, 0)
    return np.rint(values).astype(np.uint8)


def _opened(path: Path) -> ImageFile.ImageFile:
    """The image, of which only the header is read yet."""
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        raise Unreadable(f"it is none of {', '.join(FORMATS)}, or of a rare kind") from None
    except Image.DecompressionBombError:
        raise Unreadable("its pixels are too many") from None


def _upright(image: ImageFile.ImageFile) -> Image.Image:
    # Pillow may find the orientation behind the pixels.
    image.load()
    return ImageOps.exif_transpose(image)


def _rawmode(image: ImageFile.ImageFile) -> str:
    """How Pillow calls the way in which the values of a PNG or TIFF image lie in its file.

    Raises:
        Unreadable: It has none.
    """
    if not image.tile:
        raise Unreadable("no pixels")
    args = image.tile[0].args
    return str(args[0] if isinstance(args, tuple) else args)


def _has_white_zero(image: ImageFile.ImageFile) -> bool:
    """Whether grey values of more than 8 bits are those of a negative. Pillow itself turns round those of 8 bits."""
    # Without the tag Pillow takes 8 bits for a negative too.
    return (
        image.mode.startswith("I")
        and isinstance(image, TiffImageFile)
        and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION, 0) == 0
    )


def _is_deep_colour(image: ImageFile.ImageFile) -> bool:
    """Whether it has values of 16 bits of colours, or of grey with transparency. Those of CMYK do not count.

    Raises:
        Unreadable: Pillow would make noise of them.
    """
    if image.format not in ("PNG", "TIFF") or image.mode not in ("RGB", "RGBA"):
        return False
    if isinstance(image, TiffImageFile) and _rawmode(image) == "R" and 16 in image.tag_v2.get(BITSPERSAMPLE, ()):
        raise Unreadable("16-bit colours in separate planes")
    return ";16" in _rawmode(image)


def _deep_colours(path: Path) -> list[np.ndarray]:
    """Red, green and blue of a file of 16-bit colours, float32 (H, W), on black where it is transparent.

    None of them if its values are those of 8 bits, stretched or shifted to 16.
    """
    with _opened(path) as image:
        rawmode, transparent = _rawmode(image), image.info.get("transparency")
    # Pillow has no colours of 16 bits: it keeps the upper byte of each value. Told that bytes lie the other way round,
    # it keeps the lower one. Of grey with transparency, four bytes a pixel, it gives all.
    if rawmode == "LA;16B":
        both = _bytes(path, "RGBA")
        upper, lower = both[..., [0, 0, 0, 2]], both[..., [1, 1, 1, 3]]
    else:
        # Told of colours that were multiplied by their alpha, it would divide them by it.
        layout, order = rawmode[:-1].replace("a", "A"), rawmode[-1]
        upper, lower = _bytes(path, layout + order), _bytes(path, layout + OTHER_ORDER[order])
    if transparent is None and (not lower.any() or np.array_equal(lower, upper)):
        return []
    values = upper.astype(np.uint16) << 8 | lower
    if transparent is not None:
        values[(values == transparent).all(-1)] = 0
    planes = [values[..., channel].astype(np.float32) for channel in range(3)]
    if values.shape[-1] == 4 and "a" not in rawmode:
        planes = [plane * (values[..., 3] / np.float32(65535)) for plane in planes]
    return planes


def _bytes(path: Path, rawmode: str) -> np.ndarray:
    """The image in a file, uint8 (H, W, 3 or 4), read as if its values lay there in this way."""
    with _opened(path) as image:
        image.tile = [
            tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *(tile.args or ())[1:]))
            for tile in image.tile
        ]
        return np.asarray(_upright(image))


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    if size[0] * size[1] > MOST_PIXELS:
        raise Unreadable(f"{size[0]} x {size[1]} pixels are too many")
    if 0 in size:
        raise Unreadable("no pixels")
    return size


def _seen(image: Image.Image) -> Image.Image:
    """The image in grey or RGB, on black where it is transparent."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _as_grey_if_it_is(pixels: np.ndarray) -> np.ndarray:
    is_grey = pixels.ndim == 3 and bool((pixels == pixels[..., :1]).all())
    return np.ascontiguousarray(pixels[..., 0]) if is_grey else pixels

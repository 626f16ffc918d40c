"""Files of 16 bits: none of them is lost, of colours neither."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from sweeps.inputs.image_files import Unreadable, as_bytes, decoded, header_of
from sweeps.inputs.image_folders import read_folder
from test_folders import fill

RNG = np.random.default_rng(0)
PNG_KINDS = {1: 0, 2: 4, 3: 2, 4: 6}
TIFF_BYTES = {"<": b"II*\0", ">": b"MM\0*"}
ASSOCIATED, STRAIGHT = 1, 2


def values(*shape, high=65536):
    return RNG.integers(0, high, shape).astype(np.uint16)


def save_png(path, pixels, transparent=None):
    """A PNG of 16 bits, every second row of which says how it differs from the pixel before."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    rows = np.frombuffer(pixels.astype(">u2").tobytes(), np.uint8).reshape(height, -1)
    before = np.pad(rows, ((0, 0), (2 * channels, 0)))[:, : rows.shape[1]]
    lines = [b"\1" + (row - left).tobytes() if at % 2 else b"\0" + row.tobytes() for at, (row, left) in
             enumerate(zip(rows, before, strict=True))]  # fmt: skip
    header = struct.pack(">IIBBBBB", width, height, 16, PNG_KINDS[channels], 0, 0, 0)
    chunks = {b"IHDR": header}
    if transparent is not None:
        chunks[b"tRNS"] = struct.pack(f">{len(transparent)}H", *transparent)
    chunks |= {b"IDAT": zlib.compress(b"".join(lines)), b"IEND": b""}
    packed = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    return path


def save_tiff(path, pixels, photometric, *, order="<", extra=None, planes=False, compressed=False):
    """A TIFF of 16 bits, of one strip, or of one for each plane."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    of_planes = np.moveaxis(pixels, -1, 0) if planes else [pixels]
    strips = [np.ascontiguousarray(each).astype(f"{order}u2").tobytes() for each in of_planes]
    strips = [zlib.compress(each) for each in strips] if compressed else strips
    starts = np.cumsum([8, *map(len, strips)]).tolist()
    tags = {256: [width], 257: [height], 258: [16] * channels, 259: [8 if compressed else 1], 262: [photometric],
            273: starts[:-1], 277: [channels], 278: [height], 279: list(map(len, strips)), 284: [2 if planes else 1],
            **({} if extra is None else {338: [extra]})}  # fmt: skip
    after = starts[-1] + 2 + 12 * len(tags) + 4
    entries, more = b"", b""
    for tag, found in tags.items():
        kind, form = (4, "I") if tag in (273, 279) else (3, "H")
        data = struct.pack(f"{order}{len(found)}{form}", *found)
        if len(data) > 4:
            more, data = more + data, struct.pack(f"{order}I", after + len(more))
        entries += struct.pack(f"{order}HHI", tag, kind, len(found)) + data.ljust(4, b"\0")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        TIFF_BYTES[order] + struct.pack(f"{order}I", starts[-1]) + b"".join(strips)
        + struct.pack(f"{order}H", len(tags)) + entries + b"\0\0\0\0" + more
    )  # fmt: skip
    return path


def raw(path):
    """What is read of a file, before all files together have told how many bits are used."""
    found = decoded(path, 28)
    assert found.pixels.dtype == np.float32
    assert found.peak == found.pixels.max()
    return found.pixels


COLOUR = values(28, 28, 3)
ALPHA = np.where(np.arange(28) < 14, 65535, 13107)[:, None, None] * np.ones((28, 28, 1))
SEEN = COLOUR * (ALPHA / 65535)
WITH_ALPHA = np.dstack([COLOUR, ALPHA]).astype(np.uint16)
GREY = values(28, 28)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (COLOUR, COLOUR),
        (WITH_ALPHA, SEEN),
        (np.dstack([GREY, ALPHA]), GREY * (ALPHA[..., 0] / 65535)),
        (np.dstack([GREY] * 3), GREY),
        (GREY, GREY),
    ],
)
def test_png_files(tmp_path, pixels, expected):
    assert raw(save_png(tmp_path / "a.png", pixels)) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compressed", [False, True])
def test_tiff_files(tmp_path, order, compressed):
    def read(pixels, extra=None):
        name = tmp_path / "a.tif"
        return raw(save_tiff(name, pixels, 2, order=order, compressed=compressed, extra=extra))

    assert np.array_equal(read(COLOUR), COLOUR)
    assert read(WITH_ALPHA, STRAIGHT) == pytest.approx(SEEN, abs=0.01)
    # Of these colours the file has what is seen already.
    seen = np.rint(SEEN)
    assert np.array_equal(read(np.dstack([seen, ALPHA]), ASSOCIATED), seen)


def test_a_colour_that_stands_for_transparency_is_black(tmp_path):
    expected = COLOUR.copy()
    expected[3, 4] = 0
    assert np.array_equal(raw(save_png(tmp_path / "a.png", COLOUR, transparent=COLOUR[3, 4])), expected)


def test_the_upper_bits_alone_are_read_as_eight_bits(tmp_path):
    eight = values(28, 28, 3, high=256)
    for scale in (256, 257):
        found = decoded(save_png(tmp_path / "a.png", eight * scale), 28)
        assert (found.peak, found.pixels.dtype) == (None, np.uint8)
        assert np.array_equal(found.pixels, eight)


def test_colours_of_twelve_bits_are_not_nearly_black(tmp_path):
    fill(tmp_path, {"x": 2, "y": 9})
    twelve = values(28, 28, 3, high=4096)
    twelve[0, 0] = 4095
    save_png(tmp_path / "x" / "a.png", twelve)
    # A darker one stays darker.
    save_png(tmp_path / "x" / "b.png", twelve // 2)
    found = read_folder(tmp_path, train_only=True)
    assert found.white == 4095
    assert np.array_equal(found.train.images[2], np.rint(twelve / 4095 * 255))
    assert np.array_equal(found.train.images[3], np.rint(twelve // 2 / 4095 * 255))


def test_the_memory_that_they_take_is_counted(tmp_path):
    assert header_of(save_png(tmp_path / "a.png", COLOUR)) == (28, 12)
    assert header_of(save_png(tmp_path / "b.png", GREY)) == (28, 4)


def test_planes_that_would_become_noise_are_left_out(tmp_path):
    fill(tmp_path, {"x": 6, "y": 9})
    save_tiff(tmp_path / "x" / "a.tif", COLOUR, 2, planes=True)
    assert "x/a.tif (16-bit colours in separate planes)" in read_folder(tmp_path).notices[-1]
    # Of compressed ones the upper bits are to be had.
    found = decoded(save_tiff(tmp_path / "b.tif", COLOUR, 2, planes=True, compressed=True), 28)
    assert np.array_equal(as_bytes([found])[0], COLOUR >> 8)


WIDE = values(14, 28, high=4096)
WIDE[0, 0] = 4095


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compressed", [False, True])
def test_where_white_is_zero_it_is_white(tmp_path, order, compressed):
    fill(tmp_path, {"x": 2, "y": 9})
    for name, photometric in (("a", 0), ("b", 1)):
        save_tiff(tmp_path / "x" / f"{name}.tif", WIDE, photometric, order=order, compressed=compressed)
    # A bright negative, which has no value that all of its twelve bits would be needed for.
    save_tiff(tmp_path / "x" / "c.tif", WIDE // 8, 0, order=order, compressed=compressed)
    found = read_folder(tmp_path, train_only=True)
    negative, positive, bright = found.train.images[2:5]
    assert found.white == 4095
    # Nor are its borders white.
    for image in (negative, positive, bright):
        assert not image[:7].any()
        assert not image[21:].any()
    assert np.array_equal(positive[7:21], np.rint(WIDE / 4095 * 255))
    assert np.array_equal(negative[7:21], np.rint((1 - WIDE / 4095) * 255))
    assert np.array_equal(bright[7:21], np.rint((1 - WIDE // 8 / 4095) * 255))


@pytest.mark.parametrize("side", [14, 56])
def test_a_negative_of_another_size_is_turned_round_too(tmp_path, side):
    pixels = values(side // 2, side)
    positive, negative = (
        as_bytes([decoded(save_tiff(tmp_path / "a.tif", each, photometric), 28)], 65535)[0]
        for each, photometric in ((pixels, 1), (65535 - pixels, 0))
    )
    assert np.abs(positive.astype(int) - negative).max() <= 1
    assert np.mean(positive != negative) < 0.01


def test_a_negative_s_memory_is_counted(tmp_path):
    assert header_of(save_tiff(tmp_path / "a.tif", GREY, 0)) == (28, 5)
    assert header_of(save_tiff(tmp_path / "b.tif", GREY, 1)) == (28, 4)


def test_grey_that_is_transparent_is_black(tmp_path):
    pixels = values(28, 28)
    path = save_png(tmp_path / "grey.png", pixels, transparent=pixels[3, 4:5].tolist())
    expected = np.where(pixels == pixels[3, 4], 0, pixels)
    assert np.array_equal(raw(path), expected.astype(np.float32))


def test_a_file_of_colours_without_pixels_is_named(tmp_path):
    whole = save_png(tmp_path / "whole.png", COLOUR).read_bytes()
    path = tmp_path / "torn.png"
    path.write_bytes(whole[: whole.index(b"IDAT") - 4] + whole[whole.index(b"IEND") - 4 :])
    with pytest.raises(Unreadable, match="no pixels"):
        header_of(path)

"""DICOM images, written by pydicom: each as its own window shows it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from sweeps.inputs import dicom_files
from sweeps.inputs.image_folders import read_folder

# Values of 12 bits, all of them in one image, and few in the other.
ALL = np.arange(4096, dtype=np.uint16).reshape(64, 64)
DARK = np.linspace(0, 400, 64).astype(np.uint16).reshape(8, 8)
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}


def saved(path, pixels, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    image.Rows, image.Columns = pixels.shape[:2]
    image.SamplesPerPixel, image.PixelRepresentation = 1, 0
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelData = pixels.astype("<u2").tobytes()
    for name, value in more.items():
        setattr(image, name, value)
    image.save_as(path, enforce_file_format=True)
    return path


def table(values):
    """A table that shows 0, 1, 2, ... as these."""
    found = Dataset()
    found.LUTDescriptor = [len(values), 0, 16]
    found.LUTData = np.asarray(values, "<u2").tobytes()
    return Sequence([found])


@pytest.mark.parametrize(
    ("more", "shares"),
    [
        (WINDOW, ALL / 4095),
        ({"WindowCenter": [2048, 7], "WindowWidth": [4096, 3]}, ALL / 4095),
        ({"WindowCenter": 1024, "WindowWidth": 4096, "RescaleSlope": 1, "RescaleIntercept": -1024}, ALL / 4095),
        # Linear between 599.5 and 1398.5 (DICOM PS3.3, C.11.2.1.2.1).
        ({"WindowCenter": 1000, "WindowWidth": 800}, ((ALL - 999.5) / 799 + 0.5).clip(0, 1)),
        ({**WINDOW, "VOILUTFunction": "SIGMOID"}, 1 / (1 + np.exp(-4 * (ALL - 2048.0) / 4096))),
        ({**WINDOW, "PhotometricInterpretation": "MONOCHROME1"}, 1 - ALL / 4095),
        ({"VOILUTSequence": table(np.arange(4096)[::-1])}, 1 - ALL / 4095),
        # Without any it is stretched over its own values.
        ({}, ALL / 4095),
    ],
)
def test_grey_values_are_the_window_s(tmp_path, more, shares):
    found = np.asarray(dicom_files.read(saved(tmp_path / "a.dcm", ALL, **more)))
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, 255 * shares, atol=0.51)


@pytest.mark.parametrize(
    ("more", "brightest"), [(WINDOW, 25), ({"VOILUTSequence": table(np.arange(4096))}, 25), ({}, 255)]
)
def test_an_image_of_few_values_is_as_dark_as_its_window_says(tmp_path, more, brightest):
    assert np.asarray(dicom_files.read(saved(tmp_path / "a.dcm", DARK, **more))).max() == brightest


def test_colours_are_as_they_are(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    more = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": colours.tobytes()}
    path = saved(tmp_path / "a.dcm", colours, **more, **bits)
    assert dicom_files.header_of(path) == ((8, 8), 3)
    assert np.array_equal(np.asarray(dicom_files.read(path)), colours)


# Smooth ones, since YBR of 8 bits is rounded.
COLOURS = np.stack([*np.mgrid[0:64, 0:64] * 4, np.full((64, 64), 90)], axis=-1).astype(np.uint8)
EIGHT_BITS = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
THREE = {"SamplesPerPixel": 3, "PlanarConfiguration": 0}


def of_palette(bits, kind):
    """What a file says of its palette, in which 0, 1, 2, ... are colours in no order of brightness, and the colours."""
    colours = np.random.default_rng(0).integers(0, 256, (256, 3))
    more = {**EIGHT_BITS, "PhotometricInterpretation": "PALETTE COLOR"}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        more[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        values = colours[:, channel] * (257 if bits == 16 else 1)
        more[f"{name}PaletteColorLookupTableData"] = values.astype(kind).tobytes()
    return more, colours


def test_colours_as_jpeg_has_them_are_shown_as_they_are(tmp_path):
    ybr = np.asarray(Image.fromarray(COLOURS).convert("YCbCr"))
    more = {**THREE, **EIGHT_BITS, "PhotometricInterpretation": "YBR_FULL", "PixelData": ybr.tobytes()}
    found = np.asarray(dicom_files.read(saved(tmp_path / "a.dcm", COLOURS, **more)))
    np.testing.assert_allclose(found.astype(int), COLOURS, atol=3)


@pytest.mark.parametrize("bits", [12, 16])
def test_colours_of_more_bits_are_brought_to_eight(tmp_path, bits):
    values = COLOURS.astype(np.uint16) << (bits - 8)
    more = {**THREE, "PhotometricInterpretation": "RGB", "BitsStored": bits, "HighBit": bits - 1}
    found = np.asarray(dicom_files.read(saved(tmp_path / "a.dcm", values, **more)))
    assert np.array_equal(found, COLOURS)


@pytest.mark.parametrize(("bits", "kind"), [(16, "<u2"), (8, "u1")])
def test_what_a_palette_shows_is_in_colour(tmp_path, bits, kind):
    more, colours = of_palette(bits, kind)
    numbers = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = saved(tmp_path / "a.dcm", numbers, **more, PixelData=numbers.tobytes())
    assert dicom_files.header_of(path) == ((16, 16), 3)
    assert np.array_equal(np.asarray(dicom_files.read(path)), colours[numbers])


def test_in_a_folder_they_stand_beside_others(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("healthy", "sick"):
        for number in range(10):
            saved(tmp_path / name / f"{number}.dcm", rng.integers(0, 4096, (28, 28)), **WINDOW)
        Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(tmp_path / name / "z.png")
    # Several images in one file are none.
    saved(tmp_path / "sick" / "film.dcm", np.zeros((20, 10)), NumberOfFrames=2, Rows=10)
    found = read_folder(tmp_path)
    assert found.of_train == (9, 9)  # And two of each are locked.
    assert any("film.dcm" in notice for notice in found.notices)

"""Whatever file a person gives as images: it is refused in one sentence, or it is what the documentation says."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fuzzing import CHANGES, TEXTS, Unseen, contents, examples, mutated, refusal
from refusals import no_network
from sweeps.inputs import images
from trainables.parts.datasets import Dataset


@pytest.fixture(scope="module", autouse=True)
def outside(tmp_path_factory):
    """An empty folder, which is the current one and the home; nobody is reached from it."""
    folder = tmp_path_factory.mktemp("outside")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.delenv("MEDMNIST_ROOT", raising=False)
        patch.setattr(images, "_download_dataset", no_network)
        yield folder
    assert contents(folder) == {}


def check_images(path):
    """It is refused in one sentence or is what the documentation says, as either data set."""
    found, why = refusal(images.find_dataset, str(path))
    if not why:
        dataset, notice = found
        assert notice is None
        assert isinstance(dataset, Dataset)
        check_form(dataset.pool_images, dataset.protocol.labels, dataset.protocol.classes)
        check_form(dataset.test_images, dataset.test_labels, dataset.protocol.classes)
        assert dataset.pool_images.shape[1:] == dataset.test_images.shape[1:]
        learned, scored = dataset.protocol.split(0)
        assert len(learned) == 5 * len(dataset.protocol.classes)
        assert len(scored) > 0
    found, other_why = refusal(images.find_other, "breastmnist", str(path), None)
    if not other_why:
        other, _ = found
        check_form(other.images, other.labels, other.classes)
    # The other one needs less.
    assert why or not other_why
    return why


def check_form(images, labels, classes):
    side = images.shape[1]
    assert images.dtype == np.uint8
    assert images.shape[1:] in ((side, side), (side, side, 3))
    assert images.flags.c_contiguous
    assert (labels.dtype, labels.shape) == (np.int64, (len(images),))
    assert set(labels.tolist()) == set(range(len(classes)))
    assert len(classes) >= 2


@pytest.fixture(scope="module")
def stored(good_arrays, tmp_path_factory):
    """A file of images, as bytes: compressed, so that most of them matter, and not."""
    found = Unseen()
    for save in (np.savez_compressed, np.savez):
        path = tmp_path_factory.mktemp("stored") / "images.npz"
        save(path, **good_arrays)
        found.append(path.read_bytes())
    return found


@examples(200)
@given(compressed=st.booleans(), changes=CHANGES)
def test_mutated_bytes_of_images(stored, tmp_path, compressed, changes):
    path = tmp_path / "images.npz"
    path.write_bytes(mutated(stored[0 if compressed else 1], changes))
    check_images(path)


OTHER_ARRAYS = {
    "float": lambda array: array.astype(float),
    "nan": lambda array: np.full(array.shape, np.nan),
    "bool": lambda array: array.astype(bool),
    "object": lambda array: array.astype(object),
    "text": lambda array: array.astype(str),
    "signed": lambda array: array.astype(np.int8),
    "big_endian": lambda array: array.astype(">u8"),
    "complex": lambda array: array.astype(complex),
    "structured": lambda array: array.view([("x", "u1")]),
    "long_fields": lambda array: np.zeros(3, [("x" * 3000, "u1"), ("\n\x1b", "u1")]),
    "time": lambda array: array.astype("m8[s]"),
    "negative": lambda array: -array.astype(np.int64) - 1,
    "huge": lambda array: array.astype(np.uint64) + np.uint64(2**64 - 300),
    "fortran": np.asfortranarray,
    "reversed": lambda array: array[::-1],
    "strided": lambda array: array[:, ::-1],
    "flat": np.ravel,
    "scalar": lambda array: np.uint8(0),
    "none": lambda array: array[:0],
    "one_less": lambda array: array[1:],
    "one_axis_more": lambda array: array[..., None],
    "zeros": np.zeros_like,
    "ones": np.ones_like,
    "twos": lambda array: np.full_like(array, 2),
    "masked": lambda array: np.ma.masked_equal(array, 0),
    "empty_axis": lambda array: np.zeros((len(array), 0, 28), np.uint8),
    "nothing": lambda array: None,
    "dictionary": lambda array: np.array({"labels": array}),
}
KEYS = [f"{split}_{part}" for split in ("train", "val", "test") for part in ("images", "labels")]


@examples(150)
@given(
    changes=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(sorted(OTHER_ARRAYS)), max_size=3),
    left_out=st.sets(st.sampled_from(KEYS), max_size=1),
    added=st.sets(TEXTS.filter(lambda text: text not in KEYS and "\0" not in text), max_size=2),
)
def test_other_arrays_as_images(good_arrays, tmp_path, changes, left_out, added):
    arrays = {key: OTHER_ARRAYS[changes[key]](good_arrays[key]) if key in changes else good_arrays[key] for key in KEYS}
    path = tmp_path / "images.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in [*arrays.items(), *((key, np.zeros(3)) for key in sorted(added))]:
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array))
            if key not in left_out:
                with contextlib.suppress(UnicodeEncodeError):
                    archive.writestr(f"{key}.npy", content.getvalue())
    check_images(path)


SIZES = st.integers(-3, 3000) | st.sampled_from([2**31, 2**32, 2**40, 2**62, 2**63, 2**64, 10**30])
DESCRIPTIONS = ["|u1", "<f8", "|O", "|S0", "<U999999999", "|V0", "(28,28)u1", [("a", "|u1")], "", 3, "no", ("|u1", 3)]
HEADERS = st.one_of(
    st.builds(
        lambda descr, order, shape: repr({"descr": descr, "fortran_order": order, "shape": shape}),
        st.sampled_from(DESCRIPTIONS),
        st.sampled_from([False, True, 0, "no"]),
        st.lists(SIZES, max_size=4).map(tuple) | st.tuples(SIZES, st.just(28), st.just(28)),
    ),
    st.text(max_size=50).map(ascii),
    st.sampled_from(["(" * 9000, "{" * 100, "-" * 9000 + "1", "{'descr': 3L}", "1" * 9000]),
)


@examples(120)
@given(header=HEADERS, version=st.sampled_from([(1, 0), (2, 0), (3, 0), (9, 9)]), data=st.binary(max_size=50))
def test_made_up_headers_of_an_array(good_arrays, tmp_path, header, version, data):
    path = tmp_path / "images.npz"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    np.savez_compressed(path, **{key: array for key, array in good_arrays.items() if key != "train_images"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_images.npy", b"\x93NUMPY" + bytes(version) + size + header.encode() + data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert check_images(path)
    # In kilobytes: what a header claims is not taken, only what is there.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.fixture(scope="module")
def picture_files():
    """Small images of each kind that is read, as bytes, by the ending of their files."""
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (9, 12), np.uint8), rng.integers(0, 256, (9, 12, 3), np.uint8)
    kinds = {
        "grey.png": grey,
        "colour.png": colour,
        "deep.png": grey.astype(np.uint16) * 257,
        "palette.png": Image.fromarray(colour).quantize(16),
        "photo.jpg": colour,
        "cmyk.jpg": Image.fromarray(colour).convert("CMYK"),
        "grey.tif": grey,
        "deep.tif": grey.astype(np.uint16) * 257,
        "grey.bmp": grey,
    }
    found = {}
    for name, pixels in kinds.items():
        content = io.BytesIO()
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        image.save(content, {"jpg": "JPEG", "tif": "TIFF"}.get(name.split(".")[1], name.split(".")[1].upper()))
        found[name] = content.getvalue()
    return found


@examples(60)
@given(
    changes=st.dictionaries(st.integers(0, 8), CHANGES, min_size=1), ending=st.none() | st.sampled_from(["png", "tif"])
)
def test_mutated_pictures_in_a_folder(picture_files, changes, ending):
    """Whatever cannot be read is left out, or the class has too few: nothing hangs, warns or takes memory."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        rng = np.random.default_rng(1)
        for label in "ab":
            (folder / label).mkdir()
            for number in range(9):
                pixels = rng.integers(0, 256, (30, 30), np.uint8)
                Image.fromarray(pixels).save(folder / label / f"{number}.png")
        for number, (name, content) in enumerate(picture_files.items()):
            name = f"{name.split('.')[0]}.{ending}" if ending else name
            (folder / "a" / name).write_bytes(mutated(content, changes[number]) if number in changes else content)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert check_images(folder) is None
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@examples(30)
@given(names=st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
def test_any_names_in_a_folder(picture_files, names):
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for above, name in [("a", "x.png"), *names]:
            with contextlib.suppress(OSError, ValueError):
                # No name may lead out of the folder.
                place = folder / above.replace("/", "").strip(".") / name.replace("/", "")
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(picture_files["grey.png"])
        check_images(folder)

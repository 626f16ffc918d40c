"""A folder of images as a person has it: read as they see it, and what is left out is named."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from refusals import refused
from sweeps.core.errors import BadInput
from sweeps.inputs import content_checks, dicom_files, folder_listing, image_files, memory
from sweeps.inputs.image_folders import read_folder
from sweeps.inputs.images import find_dataset, find_other
from trainables.parts.datasets import dataset_of

RNG = np.random.default_rng(0)


def noise(*shape, high=256):
    return RNG.integers(0, high, shape).astype(np.uint8)


def save(path, pixels, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **more)
    return path


def fill(folder, counts, side=28, kind="png"):
    """Sub-folders with so many grey images each."""
    for name, count in counts.items():
        for number in range(count):
            save(folder / name / f"{number:03}.{kind}", noise(side, side))
    return folder


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "images", {"sick": 20, "healthy": 25})


def only(folder, name):
    """What is read of one image, beside others."""
    found = read_folder(folder)
    files = sorted(path for path in (folder / "x").iterdir())
    (row,) = [row for row, path in enumerate(files) if path.name == name]
    return found.train.images[found.train.labels == found.classes.index("x")][row]


def test_classes_are_the_sub_folders_and_a_fifth_of_each_is_locked(folder):
    found = read_folder(folder)
    assert found.classes == ("healthy", "sick")
    assert np.bincount(found.train.labels).tolist() == list(found.of_train) == [20, 16]
    assert np.bincount(found.test.labels).tolist() == [5, 4]
    (notice,) = found.notices
    assert "a fifth of the images of each class (9 of 45 images) is locked as one" in notice
    assert found.source == str(folder.resolve())


def test_every_image_is_read_once_in_the_order_of_names(folder):
    found = read_folder(folder)
    stored = [np.asarray(Image.open(path)) for name in found.classes for path in sorted((folder / name).iterdir())]
    tested = {image.tobytes() for image in found.test.images}
    assert [image.tobytes() for image in found.train.images] == [
        image.tobytes() for image in stored if image.tobytes() not in tested
    ]


def test_what_is_locked_depends_on_content_alone(folder, tmp_path):
    before = {image.tobytes() for image in read_folder(folder).test.images}
    for name in ("sick", "healthy"):
        for number, path in enumerate(sorted((folder / name).iterdir())):
            path.rename(path.with_name(f"{99 - number}.png"))
    assert {image.tobytes() for image in read_folder(folder).test.images} == before


def test_a_copy_stands_on_the_side_of_its_original(folder):
    for name in ("sick", "healthy"):
        for path in sorted((folder / name).iterdir()):
            (path.parent / f"copy {path.name}").write_bytes(path.read_bytes())
    found = read_folder(folder)
    assert not {image.tobytes() for image in found.train.images} & {image.tobytes() for image in found.test.images}


def test_train_and_test_above_the_classes(tmp_path):
    for split, count in (("train", 9), ("test", 3), ("val", 2)):
        fill(tmp_path / split, {"a": count, "b": count + 1})
    found = read_folder(tmp_path)
    assert (np.bincount(found.train.labels).tolist(), np.bincount(found.test.labels).tolist()) == ([9, 10], [3, 4])
    (notice,) = found.notices
    assert "only train and test are used, not val (validation images are drawn from train)" in notice


def test_train_and_test_have_the_same_classes(tmp_path):
    fill(tmp_path / "train", {"a": 9, "b": 9})
    fill(tmp_path / "test", {"a": 9, "c": 9})
    assert "got a, b and a, c" in refused(read_folder, tmp_path)


def test_its_fingerprint_is_of_pixels_and_names_and_not_of_files(folder):
    first = read_folder(folder).fingerprint
    path = folder / "sick" / "000.png"
    # Compressed otherwise. Which images are locked may change, so the first split is kept.
    assert read_folder(folder).fingerprint == first
    save(path, 255 - np.asarray(Image.open(path)))
    changed = read_folder(folder).fingerprint
    assert changed != first
    (folder / "sick").rename(folder / "ill")
    assert read_folder(folder).fingerprint not in (first, changed)


def deep(high):
    return np.linspace(0, high, 28 * 28).reshape(28, 28).astype(np.uint16)


GREY = noise(28, 28)
COLOUR = noise(28, 28, 3)
TRANSPARENT = np.dstack([COLOUR, np.where(np.arange(28) < 14, 255, 0) * np.ones((28, 1))]).astype(np.uint8)


@pytest.mark.parametrize(
    ("pixels", "name", "expected"),
    [
        (GREY, "a.png", GREY),
        (GREY, "a.bmp", GREY),
        (GREY, "a.TIF", GREY),
        (np.dstack([GREY] * 3), "a.png", GREY),
        (Image.fromarray(GREY).convert("P"), "a.png", GREY),
        (Image.fromarray(GREY > 99), "a.png", np.where(GREY > 99, 255, 0)),
        (Image.fromarray(GREY).convert("LA"), "a.png", GREY),
        (GREY.astype(np.uint16) * 257, "a.png", GREY),
        (GREY.astype(np.uint16) * 257, "a.tiff", GREY),
        # Twelve bits, as many scanners write them.
        (deep(4095), "a.png", np.rint(deep(4095) / 4095 * 255)),
        (COLOUR, "a.png", COLOUR),
        (COLOUR, "a.tiff", COLOUR),
        (Image.fromarray(COLOUR // 85 * 85).quantize(256), "a.png", COLOUR // 85 * 85),
        # What is transparent lies on black, as the borders are.
        (TRANSPARENT, "a.png", np.where(TRANSPARENT[..., 3:] > 0, COLOUR, 0)),
        (Image.fromarray(COLOUR).convert("CMYK"), "a.tiff", COLOUR),
    ],
)
def test_kinds_of_images_are_read_as_they_are_seen(tmp_path, pixels, name, expected):
    fill(tmp_path, {"x": 2, "y": 9})
    save(tmp_path / "x" / name, pixels)
    found = read_folder(tmp_path, train_only=True).train
    of_class = found.images[found.labels == 0]
    # The others' names begin with a digit.
    assert np.array_equal(of_class[-1], expected)
    assert found.images.ndim == 3 + (np.ndim(expected) == 3)


def test_jpegs_are_nearly_what_was_saved(tmp_path):
    smooth = np.add.outer(np.arange(28), np.arange(28)).astype(np.uint8) * 4
    fill(tmp_path, {"x": 2, "y": 9})
    save(tmp_path / "x" / "a.jpg", smooth, quality=95)
    save(tmp_path / "x" / "b.jpeg", Image.fromarray(smooth).convert("CMYK"), quality=95)
    for image in read_folder(tmp_path, train_only=True).train.images[2:4]:
        assert np.abs(image.astype(int) - smooth).max() < 9


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_that_a_camera_turned_stand_upright(tmp_path, orientation):
    turned = {
        1: lambda image: image,
        2: np.fliplr,
        3: lambda image: np.rot90(image, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda image: np.rot90(image, -1),
        7: lambda image: np.rot90(image, 2).T,
        8: np.rot90,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    fill(tmp_path, {"x": 2, "y": 9})
    save(tmp_path / "x" / "a.png", GREY, exif=exif)
    assert np.array_equal(read_folder(tmp_path, train_only=True).train.images[2], turned(GREY))


def test_what_is_not_square_gets_black_borders_and_what_is_larger_is_averaged(tmp_path):
    fill(tmp_path, {"x": 2, "y": 9}, side=56)
    wide = np.kron(np.maximum(noise(14, 28), 1), np.ones((2, 2), np.uint8))
    save(tmp_path / "x" / "a.png", wide)
    found = read_folder(tmp_path, train_only=True).train.images[2]
    assert np.array_equal(found[7:21], wide[::2, ::2])
    assert not found[:7].any()
    assert not found[21:].any()


@pytest.mark.parametrize(("side", "expected"), [(20, 28), (28, 28), (63, 28), (64, 64), (130, 128), (300, 224)])
def test_the_size_is_the_largest_that_enlarges_none(tmp_path, side, expected):
    fill(tmp_path, {"x": 8, "y": 8}, side=side)
    found = read_folder(tmp_path)
    assert found.train.images.shape[1:] == (expected, expected)
    assert any("enlarged" in notice for notice in found.notices) == (side < expected)


def test_one_small_image_that_makes_all_small_is_named(tmp_path):
    fill(tmp_path, {"x": 8, "y": 8}, side=100)
    save(tmp_path / "x" / "small.png", GREY)
    notice = next(each for each in read_folder(tmp_path).notices if "reduced" in each)
    assert "(x/small.png) has 28, though half of them have 100 and more: --size 64" in notice
    found = read_folder(tmp_path, size_px=64)
    assert found.train.images.shape[1:] == (64, 64)
    assert any("Smaller than 64 pixels, and enlarged to them (1 of 17): x/small.png" in each for each in found.notices)


def test_what_cannot_be_read_is_named_and_the_rest_is_read(folder, monkeypatch):
    whole = (folder / "sick" / "000.png").read_bytes()
    (folder / "sick" / "torn.png").write_bytes(whole[:200])
    (folder / "sick" / "empty.jpg").write_bytes(b"")
    (folder / "sick" / "text.bmp").write_text("no image")
    (folder / "sick" / "gone.png").symlink_to("nowhere")
    Image.fromarray(GREY).save(folder / "sick" / "pages.tif", save_all=True, append_images=[Image.fromarray(GREY)])
    save(folder / "sick" / "float.tif", Image.fromarray(GREY.astype(np.float32)))
    (folder / "sick" / "notes.txt").write_text("no image")
    (folder / "sick" / ".hidden.png").write_bytes(whole)
    (folder / ".git").mkdir()
    found = read_folder(folder)
    assert sum(found.of_train) == 36
    text = " ".join(found.notices)
    for name, why in (
        ("torn.png", "truncated"),
        ("empty.jpg", "it is none of PNG, JPEG, TIFF, BMP"),
        ("pages.tif", "2 pages"),
        ("gone.png", "no file"),
        ("float.tif", "floating-point"),
    ):
        # Five are named, and the sixth is counted.
        assert (f"sick/{name} ({why}" in text) != (name == "torn.png")
    assert "since they cannot be read (6)" in text
    assert "since they are no images of a class (1 .txt): sick/notes.txt" in text
    assert ".hidden" not in text


def test_a_class_with_too_few_left_says_what_was_left_out(tmp_path):
    fill(tmp_path, {"x": 3, "y": 20})
    for number in range(20):
        (tmp_path / "x" / f"torn {number}.png").write_bytes(b"\x89PNG")
    text = refused(find_dataset, str(tmp_path))
    assert "Expected at least 6 training images of class x" in text
    assert "cannot be read (20): x/torn 0.png" in text


def test_an_image_that_would_fill_the_memory_is_left_out(folder, monkeypatch):
    monkeypatch.setattr(image_files, "MOST_PIXELS", 29 * 28)
    save(folder / "sick" / "bomb.png", np.zeros((30, 30), np.uint8))
    found = read_folder(folder)
    assert "sick/bomb.png (30 x 30 pixels are too many)" in found.notices[-1]


def test_a_bomb_is_not_unpacked(folder):
    """Of a thousand million pixels, as a small file claims them."""
    whole = bytearray((folder / "sick" / "000.png").read_bytes())
    whole[16:24] = struct.pack(">II", 32000, 32000)
    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    (folder / "sick" / "bomb.png").write_bytes(whole)
    assert "are too many)" in read_folder(folder).notices[-1]


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ([], "got none. Put the images of each class into a folder"),
        (["x/a.png"], "at least two classes in"),
        (["x/a.png", "y/notes.txt"], "since each sub-folder is a class; got none. Take it away"),
        (["a.png", "b.png"], "got none. Put"),
    ],
)
def test_what_is_no_folder_of_classes(tmp_path, made, says):
    for name in made:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert says in refused(read_folder, tmp_path)


def test_a_whole_disk_is_refused(folder, monkeypatch):
    monkeypatch.setattr(folder_listing, "MOST_FILES", 10)
    assert "Expected at most 10 files" in refused(read_folder, folder)


def test_names_that_cannot_be_printed(tmp_path, folder):
    (folder / "b\x1b[31m").mkdir()
    assert "printable characters" in refused(read_folder, folder)


def test_of_a_large_class_no_more_are_read_than_seeds_draw_from(tmp_path, monkeypatch):
    monkeypatch.setattr("sweeps.inputs.image_folders.MOST_POOL", 7)
    fill(tmp_path, {"x": 20, "y": 9})
    (tmp_path / "x" / "001.png").write_bytes((tmp_path / "x" / "002.png").read_bytes()[:200])
    found = read_folder(tmp_path)
    assert np.bincount(found.train.labels).tolist() == [7, 7]
    assert found.of_train[1] == 8


def test_a_folder_is_a_data_set_and_can_be_one_beside_it(folder):
    dataset, notice = find_dataset(str(folder), shots=(2,))
    assert notice is None
    assert dataset.protocol.classes == ("healthy", "sick")
    assert (dataset.protocol.pool, dataset.protocol.validation, dataset.test_counts) == ((20, 16), 14, (5, 4))
    assert dataset_of(read_folder(folder), (2,)).fingerprint == dataset.fingerprint
    other, _ = find_other("breastmnist", str(folder), None)
    assert (len(other.images), other.classes) == (45, ("healthy", "sick"))


def test_an_image_beside_the_classes_is_named(folder):
    save(folder / "stray.png", noise(28, 28))
    save(folder / ".hidden.png", noise(28, 28))
    (notice,) = [each for each in read_folder(folder).notices if "Left out" in each]
    assert notice.endswith("since they are no images of a class (1 beside the classes): stray.png.")


def test_images_of_noughts_and_ones_are_refused(tmp_path):
    fill(tmp_path / "masks", {"a": 0, "b": 0})
    for name in ("a", "b"):
        for number in range(10):
            save(tmp_path / "masks" / name / f"{number}.png", noise(28, 28, high=2))
    with pytest.raises(BadInput, match=r"none has one above 1\. Multiply them by 255"):
        content_checks.content_of(dataset_of(read_folder(tmp_path / "masks")))


def test_dicom_files_need_an_extra_that_is_named(folder, monkeypatch):
    monkeypatch.setattr(dicom_files, "is_there", lambda: False)
    (folder / "sick" / "a.dcm").write_bytes(b"")
    text = refused(read_folder, folder)
    assert "reads the 1 DICOM files" in text
    assert "pydicom>=3" in text


@pytest.mark.parametrize("names", [("Training", "Testing"), ("TRAIN", "testing")])
def test_splits_have_several_names(tmp_path, names):
    for name, count in zip(names, (9, 3), strict=True):
        fill(tmp_path / name, {"a": count, "b": count})
    found = read_folder(tmp_path)
    assert (found.classes, len(found.train.labels), len(found.test.labels)) == (("a", "b"), 18, 6)
    (tmp_path / ("train" if names[0] == "Training" else "training")).mkdir()
    assert "Expected one folder for train in" in refused(read_folder, tmp_path)


@pytest.mark.parametrize("name", ["test", "Validation", "val"])
def test_a_split_is_no_class(tmp_path, name):
    fill(tmp_path, {"a": 9, name: 9})
    assert f"got {name}, which is a split's name" in refused(read_folder, tmp_path)


def test_folders_above_the_classes_are_no_classes(tmp_path):
    for site in ("north", "south"):
        fill(tmp_path / site, {"sick": 9, "healthy": 9})
    assert "north, south all have the same ones, healthy, sick, and no images" in refused(read_folder, tmp_path)
    fill(tmp_path, {"south": 1})
    assert read_folder(tmp_path).classes == ("north", "south")


def test_links_are_named_and_do_not_stop_the_rest(folder, tmp_path):
    (folder / "circle").symlink_to("circle")
    (folder / "sick" / "more").symlink_to(fill(tmp_path / "elsewhere", {"x": 3}))
    found = read_folder(folder)
    assert found.classes == ("healthy", "sick")
    assert "since they are no images of a class (1 link to a folder): sick/more." in found.notices[0]


def test_more_than_memory_holds_is_refused_before_any_is_read(folder, monkeypatch):
    pixels = 45 * 28 * 28
    monkeypatch.setattr(memory.os, "sysconf", lambda name: 2 * pixels if name == "SC_PAGE_SIZE" else 1)
    assert len(read_folder(folder, train_only=True).train.images) == 45
    save(folder / "sick" / "more.png", COLOUR)
    monkeypatch.setattr("sweeps.inputs.image_folders.decoded", None)
    assert "46 of 28 x 28 pixels they are" in refused(read_folder, folder)


def test_each_image_has_the_name_of_its_file(folder):
    (folder / "sick" / "019.png").rename(folder / "sick" / "\udcff.png")
    found = read_folder(folder)
    for split in (found.train, found.test):
        for name, image in zip(split.names, split.images, strict=True):
            # A name that is no text is shown as such.
            path = folder / name.replace("\\udcff", "\udcff")
            assert np.array_equal(np.asarray(Image.open(path)), image)
    every = [*found.train.names, *found.test.names]
    assert len(set(every)) == 45
    assert "sick/\\udcff.png" in every

"""Images and labels of an .npz file in every form that people have them: read alike, or called by their kind."""

from functools import partial

import numpy as np
import pytest

from npz_cases import complaint_about, load_npz, load_other, saved
from sweeps.inputs import memory
from trainables.parts.image_sets import PIXELS, POOL
from trainables.parts.protocol import study_protocol

BAD_ARRAYS = {
    "volumes": ("train_images", lambda images: np.zeros((len(images), 9, 9, 9), np.uint8), "flat images", "volumes"),
    "flattened_images": ("train_images", lambda images: images.reshape(-1, 784), "(N, H, W)", "(2013, 784)"),
    "four_channels": (
        "train_images",
        lambda images: np.repeat(images[..., None], 4, axis=-1),
        "(N, H, W, 3)",
        "(2013, 28, 28, 4)",
    ),
    "floats_of_another_range": (
        "train_images",
        lambda images: images / 100,
        "from 0 to 1",
        "float64, uint8 from 0 to 200",
    ),
    "negative_images": ("train_images", lambda images: images.astype(np.int16) - 7, "from 0 to 255", "from -7 to"),
    "deep_images": ("train_images", lambda images: images.astype(np.uint16) * 257, "from 0 to 255", "from 0 to 65535"),
    "images_that_are_no_numbers": (
        "train_images",
        lambda images: np.where(images == 3, np.nan, images / 255),
        "grey values",
        "got 264 that are NaN or infinite",
    ),
    "boolean_images": ("train_images", lambda images: images > 0, "grey values", "bool"),
    "no_images": ("train_images", lambda images: np.uint8(0), "as many", "a single number"),
    "float_labels": ("train_labels", lambda labels: labels + 0.5, "classes", "numbers in between"),
    "labels_that_are_no_numbers": ("train_labels", lambda labels: labels * np.nan, "classes", "in between"),
    "negative_labels": ("train_labels", lambda labels: labels.astype(int) - 1, "labels from 0", "-1"),
    "one_label_too_few": ("train_labels", lambda labels: labels[:-1], "as many", "2012 and 2013"),
    "labels_for_several_diseases": (
        "train_labels",
        lambda labels: np.repeat(labels, 14, axis=1),
        "one class an image",
        "14 yes-or-no labels an image (multi-label, as ChestMNIST has them), with none or several yes in 2013 of 2013",
    ),
    "several_numbers_an_image": ("train_labels", lambda labels: labels + np.arange(3), "one label", "(2013, 3)"),
    "one_class": ("train_labels", np.ones_like, "two classes", "got 1."),
    "no_text": ("train_labels", lambda labels: np.full(len(labels), b"\xff"), "text or numbers", "no text"),
    "times": ("train_labels", lambda labels: labels.astype("m8[s]"), "integers", "timedelta64"),
}


@pytest.mark.parametrize(("key", "change", "expected", "got"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_array_of_another_form(tmp_path, good_arrays, key, change, expected, got):
    path = saved(tmp_path, {**good_arrays, key: change(good_arrays[key])})
    text = complaint_about(path)
    before, after = text.split("; ", 1)
    assert expected in before
    assert got in after
    # Of another data set the training split must be as good.
    assert complaint_about(path, load_other)


BAD_TESTS = {
    "unknown_class": ("test_labels", lambda labels: labels + np.uint8(1), "the classes of train_labels, 0, 1", "2"),
    "single_class_in_test": ("test_labels", np.ones_like, "at least one test image of class 0", "got 0"),
    "another_size": ("test_images", lambda images: images[:, :20, :20], "one size", "test 20 x 20"),
    "text_beside_numbers": ("test_labels", lambda labels: labels.astype(str), "one kind", "text in one split"),
}


@pytest.mark.parametrize(("key", "change", "expected", "got"), BAD_TESTS.values(), ids=BAD_TESTS)
def test_test_split_of_another_form(tmp_path, good_arrays, key, change, expected, got):
    path = saved(tmp_path, {**good_arrays, key: change(good_arrays[key])})
    before, after = complaint_about(path).split("; ", 1)
    assert expected in before
    assert got in after
    load_other(path)


def on_images(change):
    return lambda arrays: {key: change(array) if "images" in key else array for key, array in arrays.items()}


def on_labels(change):
    return lambda arrays: {key: change(array) if "labels" in key else array for key, array in arrays.items()}


SAME = {
    "trailing axis": on_images(lambda images: images[..., None]),
    "leading channel": on_images(lambda images: images[:, None]),
    "fractions": on_images(lambda images: (images / 255).astype(np.float32)),
    "wider numbers": on_images(lambda images: images.astype(np.int64)),
    "equal channels": on_images(lambda images: np.repeat(images[..., None], 3, axis=-1)),
    "equal channels first": on_images(lambda images: np.repeat(images[:, None], 3, axis=1)),
    "Fortran order": on_images(np.asfortranarray),
    "flat labels": on_labels(np.ravel),
    "signed labels": on_labels(lambda labels: labels.astype(np.int64)),
    "float labels": on_labels(lambda labels: labels.astype(float)),
    "boolean labels": on_labels(lambda labels: labels.astype(bool)),
    "one hot": on_labels(lambda labels: np.eye(2)[labels.ravel()]),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_the_same_images_in_another_form_are_the_same(tmp_path, good_npz, good_arrays, change):
    found, plain = load_npz(saved(tmp_path, change(good_arrays))), load_npz(good_npz)
    assert np.array_equal(found.pool_images, plain.pool_images)
    assert np.array_equal(found.test_labels, plain.test_labels)
    assert found.protocol == plain.protocol
    assert found.fingerprint == plain.fingerprint
    assert found.pool_images.flags.c_contiguous


def test_that_fractions_were_stretched_is_said(tmp_path, good_arrays):
    (notice,) = load_npz(saved(tmp_path, SAME["fractions"](good_arrays))).notices
    assert "fractions from 0 to 1, read as grey values from 0 to 255" in notice


def test_colour_is_kept(tmp_path, good_arrays):
    tinted = on_images(lambda images: np.stack([images, images // 2, images // 3], axis=-1))
    found = load_npz(saved(tmp_path, tinted(good_arrays)))
    assert found.pool_images.shape == (2000, 28, 28, 3)
    assert found.pixel_sets()[POOL].view(PIXELS).shape == (2000, 3, 28, 28)


def test_other_sizes_are_kept_and_seen_small_from_scratch(tmp_path, good_arrays):
    larger = on_images(lambda images: np.kron(images, np.ones((1, 2, 2), np.uint8)))
    path = saved(tmp_path, larger(good_arrays))
    found = load_npz(path)
    assert found.pool_images.shape == (2000, 56, 56)
    plain = larger(good_arrays)["train_images"][:, ::2, ::2]
    small = found.pixel_sets()[POOL].view(PIXELS)
    assert {image.tobytes() for image in small} <= {image.tobytes() for image in plain}
    reduced = load_npz(path, size_px=28)
    assert np.array_equal(reduced.pool_images, small)
    assert "reduced from 56 to 28 pixels" in reduced.notices[0]


def test_a_size_that_it_does_not_have_is_refused(good_npz):
    with pytest.raises(ValueError, match=r"Expected images of at least 64 pixels in .*, as --size says; got 28\."):
        load_npz(good_npz, size_px=64)


def test_what_is_not_square_gets_black_borders(tmp_path, good_arrays):
    bright = on_images(lambda images: np.maximum(images, 1)[:, :, :21])
    found = load_npz(saved(tmp_path, bright(good_arrays)))
    assert found.pool_images.shape == (2000, 28, 28)
    assert (found.pool_images[..., 3:24] > 0).all()
    assert not found.pool_images[..., :3].any()
    assert not found.pool_images[..., 24:].any()
    assert "28 x 21 pixels" in found.notices[0]


@pytest.mark.parametrize(
    ("change", "classes"),
    [
        (lambda labels: np.where(labels == 1, "sick", "healthy"), ("healthy", "sick")),
        (lambda labels: labels + np.uint8(1), ("1", "2")),
    ],
    ids=["text", "numbers from one"],
)
def test_classes_that_have_names(tmp_path, good_npz, good_arrays, change, classes):
    found, plain = load_npz(saved(tmp_path, on_labels(change)(good_arrays))), load_npz(good_npz)
    assert found.protocol.classes == classes
    assert found.fingerprint != plain.fingerprint
    assert np.array_equal(found.pool_images, plain.pool_images)
    assert np.array_equal(found.test_labels, plain.test_labels)


def test_the_study_s_file_has_its_protocol_and_medmnist_s_names(tmp_path, good_npz):
    for name in ("pneumoniamnist.npz", "pneumoniamnist_64.npz"):
        (tmp_path / name).write_bytes(good_npz.read_bytes())
        assert load_npz(tmp_path / name).protocol == study_protocol(("normal", "pneumonia"))
    (tmp_path / "octmnist.npz").write_bytes(good_npz.read_bytes())
    assert load_npz(tmp_path / "octmnist.npz").protocol == study_protocol(("0", "1"))


def few(arrays, *counts):
    """The first images of each class."""
    labels = arrays["train_labels"].ravel()
    rows = np.concatenate([np.flatnonzero(labels == label)[:count] for label, count in enumerate(counts)])
    return {**arrays, **{f"train_{part}": arrays[f"train_{part}"][rows] for part in ("images", "labels")}}


@pytest.mark.parametrize(
    ("counts", "more", "expected"),
    [
        ((60, 60), {}, ((5, 5), 55, 55, (60, 60))),
        ((25, 400), {}, ((5, 5), 20, 20, (25, 400))),
        ((25, 400), {"shots": (2, 8)}, ((2, 8), 23, 23, (25, 400))),
        ((600, 2000), {"validation": 10}, ((5, 5), 10, 595, (600, 1000))),
        ((60, 60), {"validation": 900}, ((5, 5), 55, 55, (60, 60))),
        ((600, 600), {}, ((5, 5), 500, 500, (600, 600))),
        ((6, 7), {}, ((5, 5), 1, 1, (6, 7))),
    ],
)
def test_protocols_of_small_pools(tmp_path, good_arrays, counts, more, expected):
    protocol = load_npz(saved(tmp_path, few(good_arrays, *counts)), **more).protocol
    found = (protocol.shots, protocol.validation, protocol.confirmation, protocol.pool)
    assert found == (*expected[:3], tuple(np.minimum(expected[3], (1003, 1010))))
    for each in (protocol, protocol.for_confirmation()):
        learned, scored = each.split(0)
        assert len(learned) == sum(protocol.shots)
        assert len(scored) == 2 * each.validation


@pytest.mark.parametrize(
    ("counts", "more", "says"),
    [
        ((5, 60), {}, "at least 6 training images of class 0"),
        ((60, 60), {"shots": (60,)}, "at least 61 training images of class 0"),
        ((60, 60), {"shots": (1, 60)}, "at least 61 training images of class 1"),
        ((60, 60), {"shots": (1, 2, 3)}, "shots as one number, or as 2, one for each class"),
    ],
)
def test_too_few_images(tmp_path, good_arrays, counts, more, says):
    assert says in complaint_about(saved(tmp_path, few(good_arrays, *counts)), partial(load_npz, **more))


def test_more_than_two_classes(tmp_path, good_arrays):
    labels = {key: np.arange(len(array)) % 3 for key, array in good_arrays.items() if "labels" in key}
    protocol = load_npz(saved(tmp_path, {**good_arrays, **labels})).protocol
    assert (protocol.classes, protocol.shots, protocol.pool) == (("0", "1", "2"), (5, 5, 5), (671, 671, 671))


def test_without_a_test_split_a_fifth_of_each_class_is_locked(tmp_path, good_arrays):
    images = np.random.default_rng(0).integers(0, 256, (100, 8, 8), np.uint8)
    labels = np.repeat([0, 1], (40, 60))
    found = load_npz(saved(tmp_path, {"train_images": images, "train_labels": labels}))
    assert found.test_counts == (8, 12)
    assert found.protocol.pool == found.of_train == (32, 48)
    assert "no test split: a fifth of each class, 20 of 100 training images, is locked as one" in found.notices[0]
    rows = [int(name.removeprefix("train_images[").removesuffix("]")) for name in found.test_names]
    assert np.array_equal(images[rows], found.test_images)
    # In whatever order they stand.
    order = np.random.default_rng(1).permutation(100)
    other = load_npz(saved(tmp_path, {"train_images": images[order], "train_labels": labels[order]}))
    assert {each.tobytes() for each in found.test_images} == {each.tobytes() for each in other.test_images}


def test_the_same_images_are_locked_whatever_they_are_reduced_to(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 64, 64), np.uint8)
    path = saved(tmp_path, {"train_images": images, "train_labels": np.repeat([0, 1], 30)})
    whole, reduced = load_npz(path), load_npz(path, size_px=28)
    assert whole.test_names == reduced.test_names
    assert reduced.test_images.shape == (12, 28, 28)


def test_a_test_image_is_called_after_its_row(good_arrays, good_npz):
    found = load_npz(good_npz)
    labels = good_arrays["test_labels"].ravel()
    assert found.test_names == tuple(f"test_images[{row}]" for row in np.argsort(labels, kind="stable"))


def test_more_than_memory_holds_is_refused_before_it_is_unpacked(tmp_path, good_npz, monkeypatch):
    monkeypatch.setattr(memory, "MOST_OF_MEMORY", 1e-6)
    assert "unpacked they are" in complaint_about(good_npz)


@pytest.mark.parametrize("name", ["x" * 101, "a\x1b[31m", "\ud800"])
def test_text_labels_that_cannot_be_shown_are_refused_as_names_of_folders_are(tmp_path, good_arrays, name):
    labels = np.array([name, "other"])[good_arrays["train_labels"].ravel()]
    path = saved(tmp_path, {"train_images": good_arrays["train_images"], "train_labels": labels})
    assert "at most 100 printable characters as those of classes" in complaint_about(path)

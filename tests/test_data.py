import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from npz_cases import complaint_about, load_npz, load_other, saved
from trainables.parts.datasets import phantom_other
from trainables.parts.image_sets import PIXELS, POOL
from trainables.parts.protocol import TEST

either_loader = pytest.mark.parametrize("load", [load_npz, load_other], ids=["main", "other"])


def test_pool_is_the_first_1000_of_each_class_in_file_order(good_npz, good_arrays):
    expected = []
    for label in (0, 1):
        of_class = [row for row, (found,) in enumerate(good_arrays["train_labels"]) if found == label]
        expected += of_class[:1000]
    pool = load_npz(good_npz).pool_images
    assert [int(image[0, 0]) * 256 + int(image[0, 1]) for image in pool] == expected


def test_pool_has_the_labels_it_says(good_npz):
    assert load_npz(good_npz).labels()[POOL].tolist() == [0] * 1000 + [1] * 1000


def test_test_split_comes_as_it_is(good_npz, good_arrays):
    dataset = load_npz(good_npz)
    assert np.array_equal(dataset.test_images, good_arrays["test_images"])
    assert dataset.test_labels.dtype == np.int64
    assert dataset.test_labels.tolist() == good_arrays["test_labels"].ravel().tolist()


def test_pixel_sets_are_the_pool_and_the_test_split(good_npz):
    dataset = load_npz(good_npz)
    sets = dataset.pixel_sets()
    assert set(sets) == {POOL, TEST}
    assert np.array_equal(sets[POOL].view(PIXELS), dataset.pool_images)
    assert np.array_equal(sets[TEST].labels, dataset.test_labels)


def test_a_file_is_no_phantom_and_the_phantom_is(good_npz, phantom):
    assert not load_npz(good_npz).is_phantom
    assert phantom.is_phantom


def test_source_is_the_absolute_path(good_npz, monkeypatch):
    monkeypatch.chdir(good_npz.parent)
    assert load_npz(Path(good_npz.name)).source == str(good_npz.resolve())


def test_compressed_and_with_flat_labels_is_read_too(tmp_path, good_arrays):
    flat = {key: value.ravel() if "labels" in key else value for key, value in good_arrays.items()}
    np.savez_compressed(tmp_path / "images.npz", **flat)
    dataset = load_npz(tmp_path / "images.npz")
    assert dataset.pool_images.shape == (2000, 28, 28)
    assert dataset.test_labels.shape == (7,)


def test_signed_labels_and_extra_keys_are_no_problem(tmp_path, good_npz, good_arrays):
    more = {**good_arrays, "train_labels": good_arrays["train_labels"].astype(np.int64), "notes": np.zeros(3)}
    assert np.array_equal(load_npz(saved(tmp_path, more)).pool_images, load_npz(good_npz).pool_images)


def test_fingerprint_is_of_the_arrays_and_not_of_the_file(tmp_path, good_npz, good_arrays):
    np.savez_compressed(tmp_path / "images.npz", **good_arrays)
    assert load_npz(tmp_path / "images.npz").fingerprint == load_npz(good_npz).fingerprint


@pytest.mark.parametrize("key", ["train_images", "test_images", "train_labels", "test_labels"])
def test_fingerprint_changes_with_one_value(tmp_path, good_npz, good_arrays, key):
    changed = {name: value.copy() for name, value in good_arrays.items()}
    changed[key].flat[-1] ^= 1
    assert load_npz(saved(tmp_path, changed)).fingerprint != load_npz(good_npz).fingerprint


@either_loader
def test_missing_file(tmp_path, load):
    assert "there is none" in complaint_about(tmp_path / "no.npz", load)


@either_loader
def test_directory(tmp_path, load):
    complaint_about(tmp_path, load)


@either_loader
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"PK\x03\x04",
        b"label,pixel\n1,0\n",
        b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        bytes(1000),
    ],
    ids=["empty", "one_byte", "zip_header_only", "text", "html", "png", "zeros"],
)
def test_file_of_another_kind(tmp_path, content, load):
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    complaint_about(path, load)


@either_loader
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_file(tmp_path, good_npz, share, load):
    content = good_npz.read_bytes()
    path = tmp_path / "images.npz"
    path.write_bytes(content[: int(len(content) * share)])
    complaint_about(path, load)


@either_loader
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_file_with_damaged_bytes(tmp_path, good_arrays, save, load):
    path = tmp_path / "images.npz"
    save(path, **good_arrays)
    content = bytearray(path.read_bytes())
    # Inside the first array's data, behind its headers.
    content[200:400] = bytes(byte ^ 0xFF for byte in content[200:400])
    path.write_bytes(content)
    complaint_about(path, load)


@either_loader
def test_single_array(tmp_path, load):
    path = tmp_path / "images.npy"
    np.save(path, np.zeros((3, 28, 28), np.uint8))
    complaint_about(path, load)


def test_zip_of_something_else(tmp_path):
    path = tmp_path / "images.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    complaint_about(path)


def test_empty_zip(tmp_path):
    path = tmp_path / "images.npz"
    np.savez(path)
    assert "got nothing" in complaint_about(path)


def test_entries_that_are_not_arrays(tmp_path, good_arrays):
    path = tmp_path / "images.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for key in good_arrays:
            archive.writestr(f"{key}.npy", "hello")
    complaint_about(path)


class Hostile:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_pickle_is_refused_and_not_executed(tmp_path):
    path = tmp_path / "images.npz"
    path.write_bytes(pickle.dumps(Hostile(tmp_path / "executed")))
    complaint_about(path)
    assert not (tmp_path / "executed").exists()


@either_loader
def test_object_array_is_refused_and_not_executed(tmp_path, good_arrays, load):
    objects = np.array([Hostile(tmp_path / "executed")], dtype=object)
    complaint_about(saved(tmp_path, {**good_arrays, "train_images": objects}), load)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("key", ["train_images", "test_labels"])
def test_complaint_about_pickled_objects_says_so(tmp_path, good_arrays, key):
    text = complaint_about(saved(tmp_path, {**good_arrays, key: good_arrays[key].astype(object)}))
    assert f"Expected plain values as {key} in" in text
    assert "got Python objects, which are not read, since reading them can run any code. Save numpy." in text


def test_complaints_about_files_of_another_kind_name_it(tmp_path, good_npz):
    path = tmp_path / "images.npz"
    np.save(tmp_path / "one.npy", np.zeros((3, 28, 28), np.uint8))
    (tmp_path / "one.npy").rename(path)
    assert "got a single one, as numpy.save writes it" in complaint_about(path)
    for content in (pickle.dumps({"train_images": 1}), b"text", good_npz.read_bytes()[:5000]):
        path.write_bytes(content)
        assert "a zip archive of arrays; got a file of another kind, or a torn one" in complaint_about(path)


@pytest.mark.parametrize("key", ["train_images", "train_labels", "val_labels", "test_labels"])
def test_missing_key(tmp_path, good_arrays, key):
    text = complaint_about(saved(tmp_path, {name: value for name, value in good_arrays.items() if name != key}))
    expected, got = text.split("; got ")
    assert key in expected
    assert key not in got


@pytest.fixture
def other_arrays():
    labels = np.array([0, 1, 1, 0, 1], np.uint8)
    images = np.arange(5 * 28 * 28).astype(np.uint8).reshape(5, 28, 28)
    return {"train_images": images, "train_labels": labels[:, None]}


def test_other_data_set_is_its_training_split_in_file_order(tmp_path, other_arrays):
    other = load_other(saved(tmp_path, other_arrays))
    assert (other.name, other.source) == ("breastmnist", str((tmp_path / "images.npz").resolve()))
    assert not other.is_phantom
    assert np.array_equal(other.images, other_arrays["train_images"])
    assert (other.labels.dtype, other.labels.tolist()) == (np.int64, [0, 1, 1, 0, 1])


def test_source_of_another_data_set_is_the_absolute_path(tmp_path, other_arrays, monkeypatch):
    path = saved(tmp_path, other_arrays)
    monkeypatch.chdir(tmp_path)
    assert load_other(Path(path.name)).source == str(path.resolve())


def test_other_splits_of_another_data_set_are_not_even_read(tmp_path, other_arrays):
    plain = load_other(saved(tmp_path, other_arrays))
    more = {**other_arrays, "val_images": np.zeros(3), "test_labels": np.array([{}], dtype=object)}
    assert load_other(saved(tmp_path, more)).fingerprint == plain.fingerprint


@pytest.mark.parametrize("key", ["train_images", "train_labels"])
def test_fingerprint_of_another_data_set_changes_with_one_value(tmp_path, other_arrays, key):
    plain = load_other(saved(tmp_path, other_arrays))
    changed = {name: value.copy() for name, value in other_arrays.items()}
    # Of the third image, whose class has one to spare.
    changed[key][2] ^= 1
    assert load_other(saved(tmp_path, changed)).fingerprint != plain.fingerprint


@pytest.mark.parametrize("key", ["train_images", "train_labels"])
def test_missing_key_of_another_data_set(tmp_path, other_arrays, key):
    kept = {name: value for name, value in other_arrays.items() if name != key}
    expected, got = complaint_about(saved(tmp_path, kept), load_other).split("; got ")
    assert key in expected
    assert "test_images" not in expected
    assert key not in got


@pytest.mark.parametrize("label", [0, 1])
def test_other_data_set_has_two_images_of_each_class(tmp_path, other_arrays, label):
    labels = np.full(5, 1 - label)
    labels[3] = label
    text = complaint_about(saved(tmp_path, {**other_arrays, "train_labels": labels}), load_other)
    assert f"at least 2 training images of class {label}" in text
    assert "got 1" in text


def test_breast_phantom_is_one_and_has_the_training_split_alone():
    other = phantom_other("breastmnist")
    assert other.is_phantom
    assert (other.name, other.images.shape) == ("breastmnist", (546, 28, 28))
    assert np.bincount(other.labels).tolist() == [147, 399]

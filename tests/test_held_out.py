"""A class of which the test split would take all is refused, by its true reason."""

from __future__ import annotations

import numpy as np
import pytest

from refusals import refused
from sweeps.inputs import npz_files
from sweeps.inputs.held_out import check_some_left, content_hash
from sweeps.inputs.image_folders import read_folder
from sweeps.inputs.images import find_dataset
from test_folders import fill, noise, save


def test_a_class_of_copies(tmp_path):
    fill(tmp_path, {"a": 1, "b": 9})
    for number in range(1, 7):
        (tmp_path / "a" / f"{number:03}.png").write_bytes((tmp_path / "a" / "000.png").read_bytes())
    assert refused(read_folder, tmp_path) == (
        f"Expected at least two images of class a in {tmp_path} that differ, one to learn from and one to lock as the "
        "test split; all 7 are copies of one another. Add others, or leave the class out."
    )
    # Where nothing is locked nothing is lost.
    assert len(read_folder(tmp_path, train_only=True).train.labels) == 16


def test_a_class_of_one_image_that_can_be_read(tmp_path):
    fill(tmp_path, {"a": 1, "b": 9})
    (tmp_path / "a" / "torn.png").write_bytes(b"")
    text = refused(read_folder, tmp_path)
    assert "the test split; there is one. Add others" in text
    assert "since they cannot be read (1): a/torn.png (it is none of" in text


def test_what_cannot_be_read_takes_no_place_in_the_test_split(tmp_path):
    fill(tmp_path, {"a": 8, "b": 9})
    before = read_folder(tmp_path)
    whole = (tmp_path / "a" / "000.png").read_bytes()
    for number in range(20):
        # Their headers are whole.
        (tmp_path / "a" / f"torn {number}.png").write_bytes(whole[: 200 + number])
    found = read_folder(tmp_path)
    assert (found.fingerprint, found.of_train) == (before.fingerprint, before.of_train) == (found.fingerprint, (7, 8))
    assert found.test.names == before.test.names
    assert "(2 of 17 images) is locked as one" in found.notices[0]
    assert "since they cannot be read (20)" in found.notices[-1]


def test_a_class_of_one_group(tmp_path):
    for number in range(8):
        save(tmp_path / "a" / f"p1_{number}.png", noise(28, 28))
        save(tmp_path / "b" / f"p{number + 2}_.png", noise(28, 28))
    assert refused(lambda: find_dataset(str(tmp_path), group_by="(p[0-9]+)_")) == (
        f"Expected at least two groups of class a by --group-by in {tmp_path}, one to learn from and one to lock as "
        "the test split; all 8 of its images belong to 'p1'. Look at how groups are named, add images of others, or "
        "leave the class out."
    )


@pytest.mark.parametrize("by", ["copies", "groups"])
def test_classes_of_an_npz_file(tmp_path, by):
    images, labels = noise(40, 28, 28), np.arange(40) % 2
    if by == "copies":
        images[::2] = images[0]
    np.savez(tmp_path / "x.npz", train_images=images, train_labels=labels)
    rows = [f"{row},p{row % 2 * row}" for row in range(40)]
    (tmp_path / "x.csv").write_text("\n".join(["row,group", *rows]))
    text = refused(
        lambda: find_dataset(str(tmp_path / "x.npz"), group_by=str(tmp_path / "x.csv") if by == "groups" else None)
    )
    says = {"copies": "all 20 are copies of one another", "groups": "all 20 of its images belong to 'p0'"}
    assert "of class 0" in text
    assert says[by] in text


@pytest.mark.parametrize(("groups", "what"), [(None, "images"), (["p", "q", "q", "r"], "groups")])
def test_a_class_that_another_one_s_test_images_take_with_them(groups, what):
    labels = np.array([0, 0, 1, 1])
    is_test = np.array([True, True, True, False])
    text = refused(check_some_left, labels, is_test, [b"x", b"y", b"y", b"z"], groups, ("a", "b"), "there")
    assert text.startswith(f"Expected {what} of class a in there that can be learned from; all 2 are locked")
    assert f"since they are {what} of other classes too" in text


@pytest.mark.parametrize(
    ("split", "train_only", "hashed"), [("test", False, 0), ("val", True, 0), ("test", True, 0), ("val", False, 40)]
)
def test_images_of_an_npz_file_are_hashed_where_some_are_to_be_locked_alone(
    tmp_path, monkeypatch, split, train_only, hashed
):
    labels = np.arange(40) % 2
    arrays = {f"{name}_images": noise(40, 28, 28) for name in ("train", split)}
    np.savez(tmp_path / "x.npz", **arrays, **{f"{name}_labels": labels for name in ("train", split)})
    found = []
    monkeypatch.setattr(npz_files, "content_hash", lambda content: found.append(content) or content_hash(content))
    read = npz_files.read_npz(tmp_path / "x.npz", train_only=train_only)
    assert len(found) == hashed
    assert (read.test is None) == train_only

"""Whose images they are: nobody's stand on two sides of a split."""

from __future__ import annotations

import numpy as np
import pytest

from refusals import refused
from sweeps.core.seeds import scored
from sweeps.inputs.groups import grouping_of_files, groups_of_rows
from sweeps.inputs.held_out import held_out
from sweeps.inputs.images import find_dataset
from sweeps.run import shot_curve
from sweeps.run.plan_of_images import lines
from test_folders import noise, save
from trainables.parts.datasets import LabelledSplit, ReadImages, dataset_of, names_of_rows


@pytest.fixture
def folder(tmp_path):
    """Twenty persons with three images each, of whom every second is sick."""
    for person in range(20):
        for number in range(3):
            name = f"person{person}_{number}.png"
            save(tmp_path / "images" / ("sick" if person % 2 else "healthy") / name, noise(28, 28))
    return tmp_path / "images"


PATTERN = "(person[0-9]+)_"


def table(folder, rows, name="groups.csv", header="file,group"):
    path = folder.parent / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return str(path)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_a_pattern_over_names(folder):
    dataset, _ = find_dataset(str(folder), shots=(2,), group_by=PATTERN)
    protocol = dataset.protocol
    assert (protocol.pool, len(set(protocol.groups)), len(set(dataset.test_groups))) == ((24, 24), 16, 4)
    assert dataset.test_counts == (6, 6)
    # Class by class, three images of each.
    by_image = np.array(dataset.test_groups).reshape(4, 3)
    assert (by_image == by_image[:, :1]).all()
    for seed in range(20):
        learned, scored = protocol.split(seed)
        groups = np.array(protocol.groups)
        assert len(set(groups[learned])) == 4
        assert not set(groups[learned]) & set(groups[scored])


@pytest.mark.parametrize("key", ["path", "name"])
def test_a_table_says_the_same_as_the_pattern(folder, key):
    rows = [
        f"{name if key == 'path' else name.split('/')[1]},{name.split('/')[1].split('_')[0]}" for name in files(folder)
    ]
    by_table, by_pattern = (
        find_dataset(str(folder), shots=(2,), group_by=how)[0] for how in (table(folder, rows), PATTERN)
    )
    assert by_table.protocol == by_pattern.protocol
    assert by_table.fingerprint == by_pattern.fingerprint
    assert by_table.fingerprint != find_dataset(str(folder))[0].fingerprint


@pytest.mark.parametrize("key", ["healthy/1.png", "1.png"])
def test_one_line_of_a_table_is_not_for_several_files(tmp_path, key):
    for name in ("healthy", "sick"):
        for number in range(9):
            save(tmp_path / "images" / name / f"{number}.png", noise(28, 28))
    folder = tmp_path / "images"
    rows = [f"{name},{name}" for name in files(folder) if not name.endswith("/1.png")]
    text = refused(lambda: find_dataset(str(folder), group_by=table(folder, [*rows, f"{key},p"])))
    assert f"the first is {'sick' if '/' in key else 'healthy'}/1.png" in text


def test_groups_and_names_of_test_images_are_class_by_class_whatever_the_order_in_the_file():
    labels, groups = np.array([1, 0, 1, 0, 1]), np.array([4, 9, 5, 8, 6])
    pool = LabelledSplit(
        images=noise(60, 28, 28), labels=np.arange(60) % 2, names=names_of_rows("train", 60), groups=np.arange(60)
    )
    test = LabelledSplit(images=noise(5, 28, 28), labels=labels, names=tuple("abcde"), groups=groups)
    read = ReadImages(source="x", fingerprint="f", classes=("a", "b"), train=pool, test=test, of_train=(30, 30))
    assert dataset_of(read).test_groups == (9, 8, 4, 5, 6)
    assert dataset_of(read).test_names == ("b", "d", "a", "c", "e")


@pytest.mark.parametrize("pattern", [f"(person[0-9]+)_{'.?' * 150}", "~?(person[0-9]+)_", "~(x)"])
def test_a_pattern_need_not_be_possible_as_a_path(pattern):
    assert grouping_of_files(pattern).of("a/person3_1.png") == (None if "x" in pattern else "person3")


def test_tables_as_spreadsheets_write_them(folder):
    rows = [f"{name};{name[-6]}" for name in files(folder)]
    path = table(folder, [], header="")
    with open(path, "w", encoding="utf-8-sig") as file:  # noqa: PTH123 - a text with a mark
        file.write("\r\n".join(["File;Group", *rows, ";"]))
    assert grouping_of_files(path).of(files(folder)[0]) == files(folder)[0][-6]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("person", "Expected one pair of brackets"),
        ("(p)(e)", "got 2 in"),
        ("(", "or a regular expression; got '('"),
        ("(nobody)", "60 of 60 have none, the first is healthy/person0_0.png"),
        ("(person1)[0-9]*_", None),
        ("missing.csv", "Expected a CSV file at --group-by missing.csv; there is none."),
    ],
)
def test_patterns(folder, how, says):
    if says is None:
        assert "have none" in refused(lambda: find_dataset(str(folder), group_by=how))
    else:
        assert says in refused(lambda: find_dataset(str(folder), group_by=how))


@pytest.mark.parametrize(
    ("header", "rows", "says"),
    [
        ("name,person", ["a,b"], "Expected a first line with the names file and group"),
        ("file,group", ["a.png,1", "a.png,2"], "one group for each file in"),
        ("file,group", ["a.png"], "line 2 lacks one"),
        ("file,group", ["healthy/person0_0.png,a"], "59 of 60 have none, the first is healthy/person0_1.png"),
    ],
)
def test_tables_that_are_wrong(folder, header, rows, says):
    assert says in refused(lambda: find_dataset(str(folder), group_by=table(folder, rows, header=header)))


def test_a_table_that_is_no_text(folder):
    (folder.parent / "x.csv").write_bytes(b"\xff\xfe\x00")
    assert "in UTF-8" in refused(lambda: find_dataset(str(folder), group_by=str(folder.parent / "x.csv")))


def test_somebody_on_both_sides_of_given_splits_is_refused(tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            for person in range(8):
                first = 0 if split == "train" else 7
                save(tmp_path / split / name / f"person{name}{first + person}_.png", noise(28, 28))
    text = refused(lambda: find_dataset(str(tmp_path), shots=(2,), group_by="(person.[0-9]+)_"))
    assert "2 have images on both, the first is 'persona7'" in text
    assert find_dataset(str(tmp_path), shots=(2,))[0].test_counts == (8, 8)


def test_too_few_persons_are_refused(folder):
    text = refused(lambda: find_dataset(str(folder), shots=(8,), group_by=PATTERN))
    assert "Expected at least 9 groups (such as patients) of class healthy" in text
    assert "got 8" in text


def test_rows_of_an_npz_file(tmp_path, good_arrays):
    np.savez(tmp_path / "x.npz", **good_arrays)
    count = len(good_arrays["train_labels"])
    path = table(tmp_path / "x", [f"{row},{row // 3}" for row in range(count)], header="row,group")
    dataset, _ = find_dataset(str(tmp_path / "x.npz"), group_by=path)
    assert len(dataset.protocol.groups) == 2000
    plain, _ = find_dataset(str(tmp_path / "x.npz"))
    assert plain.fingerprint != dataset.fingerprint
    assert np.array_equal(plain.pool_images, dataset.pool_images)
    assert "have no file names; got '(x)'" in refused(lambda: groups_of_rows("(x)", 3, tmp_path))
    assert "2013 training images" in refused(
        lambda: find_dataset(str(tmp_path / "x.npz"), group_by=table(tmp_path / "x", ["0,a"], header="row,group"))
    )


def test_the_phantom_has_no_patients():
    assert "the phantom has no patients" in refused(lambda: find_dataset("phantom", group_by="(x)"))


def test_a_fifth_of_the_groups_of_each_class_is_held_out_whole():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 300)
    labels = groups % 2
    hashes = [rng.bytes(8) for _ in range(300)]
    is_test = held_out(labels, hashes, groups)
    tested = set(groups[is_test].tolist())
    assert not tested & set(groups[~is_test].tolist())
    assert [sum(group % 2 == label for group in tested) for label in (0, 1)] == [
        len(set(groups[labels == label].tolist())) // 5 for label in (0, 1)
    ]
    order = rng.permutation(300)
    again = held_out(labels[order], [hashes[row] for row in order], groups[order])
    assert np.array_equal(again, is_test[order])


def test_the_plan_says_on_how_many_images_seeds_are_really_scored(folder):
    """All images of whom a seed learns from drop out, three for each that learns."""
    protocol = find_dataset(str(folder), shots=(2,), group_by=PATTERN)[0].protocol
    sizes = {len(protocol.split(seed)[1]) // 2 for seed in range(2000, 2050)}
    assert protocol.scored(range(2000, 2050)) == (min(sizes), max(sizes))
    assert max(sizes) < protocol.confirmation
    (said,) = {scored(protocol)}
    assert said in (f"{min(sizes)}", f"{min(sizes)} to {max(sizes)}")
    planned = "\n".join(lines(find_dataset(str(folder), shots=(2,), group_by=PATTERN)[0], []))
    assert f"is scored on {said} others of each class; fresh seeds on {said}" in planned
    assert f"and others of their groups drop out, so {said} of each class are left" in " ".join(planned.split())
    assert "Groups    16 to draw from, 4 to test on; none stands on two sides of a split" in planned
    curve = shot_curve.plan_line((3,), protocol)
    assert f"; {scored(protocol.with_shots(3).for_confirmation())} of a class validate after 3" in curve


def test_the_plan_does_not_say_of_test_images_whose_they_are_if_nobody_did(tmp_path):
    """A table has the training images of an .npz file alone."""
    labels = np.arange(120) % 2
    arrays = {f"{name}_images": np.array([noise(28, 28) for _ in labels]) for name in ("train", "test")}
    np.savez(tmp_path / "own.npz", **arrays, train_labels=labels, test_labels=labels)
    (tmp_path / "rows.csv").write_text("row,group\n" + "".join(f"{row},{row // 6}\n" for row in range(120)))
    found, _ = find_dataset(str(tmp_path / "own.npz"), shots=(2,), group_by=str(tmp_path / "rows.csv"))
    planned = "\n".join(lines(found, []))
    assert "Groups    20 to draw from; none stands on two sides of a draw, and whose the test images are" in planned

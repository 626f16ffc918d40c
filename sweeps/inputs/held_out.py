"""The test split of images that come without one: a fifth of each class, by a hash of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sweeps.core.errors import BadInput

# One image of so many of a class, or one group.
ONE_OF = 5


def content_hash(content: bytes) -> bytes:
    """What decides on which side an image stands; copies of an image stand on the same."""
    return hashlib.sha256(content).digest()


def held_out(labels_N: np.ndarray, hashes: Sequence[bytes], groups_N: np.ndarray | None) -> np.ndarray:
    """Which images are locked as the test split, booleans (N,): a fifth of each class's, rounded down, at least one.

    With groups a fifth of each class's groups is, and all images of those. It depends on nothing but the content: the
    order and the names of images do not matter, and when images are added most stay where they are.
    """
    units_N = _as_units(hashes, groups_N)
    of_unit: dict[int, list[bytes]] = {}
    for unit, each in zip(units_N.tolist(), hashes, strict=True):
        of_unit.setdefault(unit, []).append(each)
    # Copies are of one hash, and a group is as it is in whatever order its images come.
    unit_hashes = {unit: content_hash(b"".join(sorted(set(own)))) for unit, own in of_unit.items()}
    locked: set[int] = set()
    for label in np.unique(labels_N).tolist():
        ranked = sorted(np.unique(units_N[labels_N == label]).tolist(), key=unit_hashes.__getitem__)
        locked.update(ranked[: max(len(ranked) // ONE_OF, 1)])
    return np.isin(units_N, sorted(locked))


def check_some_left(
    labels_N: np.ndarray,
    is_test_N: np.ndarray,
    hashes: Sequence[bytes],
    groups: Sequence[str] | None,
    classes: Sequence[str],
    path: Path,
) -> None:
    """Refuse what leaves a class nothing to learn from, since what `held_out` keeps on one side is locked as a whole.

    Args:
        labels_N: Places in the row of classes, int64 (N,).
        is_test_N: What `held_out` gave for the other arguments.
        hashes: Of each image.
        groups: The name of each image's group; None if each stands for itself.
        classes: Their names.
        path: Where the images are.

    Raises:
        BadInput: It does; the message says whether copies are why, or groups.
    """
    units = hashes if groups is None else groups
    for label in sorted(set(labels_N.tolist()) - set(labels_N[~is_test_N].tolist())):
        rows = np.flatnonzero(labels_N == label).tolist()
        own = {units[row] for row in rows}
        why = "one to learn from and one to lock as the test split"
        if len(own) > 1:
            what = "images" if groups is None else "groups"
            raise BadInput(
                f"Expected {what} of class {classes[label]} in {path} that can be learned from; all {len(own)} are "
                f"locked as the test split: a fifth of the {what} of each class, and the others since they are {what} "
                "of other classes too. Give each image one class, or put a test split of your own beside the training "
                "split."
            )
        if groups is not None:
            raise BadInput(
                f"Expected at least two groups of class {classes[label]} by --group-by in {path}, {why}; all "
                f"{len(rows)} of its images belong to {groups[rows[0]]!r}. Look at how groups are named, add images of "
                "others, or leave the class out."
            )
        found = f"all {len(rows)} are copies of one another" if len(rows) > 1 else "there is one"
        raise BadInput(
            f"Expected at least two images of class {classes[label]} in {path} that differ, {why}; {found}. Add "
            "others, or leave the class out."
        )


def _as_units(hashes: Sequence[bytes], groups_N: np.ndarray | None) -> np.ndarray:
    """What stands on one side as a whole: the images of a group, else the copies of an image."""
    if groups_N is not None:
        return groups_N
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(each, len(first)) for each in hashes], dtype=np.int64)

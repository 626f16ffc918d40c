"""The test split of images that come without one: a fifth of each class, by a hash of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

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


def _as_units(hashes: Sequence[bytes], groups_N: np.ndarray | None) -> np.ndarray:
    """What stands on one side as a whole: the images of a group, else the copies of an image."""
    if groups_N is not None:
        return groups_N
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(each, len(first)) for each in hashes], dtype=np.int64)

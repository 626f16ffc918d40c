"""Which test images are scored changed, and how they are changed; known before the test split is opened.

What it costs is one way of every changed image through each winner's backbone, so that the images are few: the same for
all approaches, as many of each class, spread over the file order.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from trainables.parts.corruptions import KINDS, UNCHANGED, Change, changed, evenly
from trainables.parts.datasets import Dataset

# Of MedMNIST-C's five.
SEVERITIES, SMOKE_SEVERITIES = (1, 3, 5), (5,)
# Test images in all; those that are scored at once, see `SCORING_BATCH`.
IMAGES, SMOKE_IMAGES = 50, 10


def changes(*, smoke: bool) -> list[Change]:
    """Every kind of change at every severity that is scored."""
    severities = SMOKE_SEVERITIES if smoke else SEVERITIES
    return [Change(kind=kind, severity=severity) for kind in KINDS for severity in severities]


def splits(*, smoke: bool) -> tuple[str, ...]:
    """What each seed is scored on: the images as they are, and after each change."""
    return (UNCHANGED, *(change.split for change in changes(smoke=smoke)))


def rows(labels_N: np.ndarray, *, smoke: bool) -> np.ndarray:
    """Rows of the test split with these labels that are scored changed, class by class."""
    return evenly(labels_N, SMOKE_IMAGES if smoke else IMAGES)


@cache
def _changes() -> dict[str, Change | None]:
    """Every split's change; None is none."""
    all_of_them = [*changes(smoke=False), *changes(smoke=True)]
    return {UNCHANGED: None, **{change.split: change for change in all_of_them}}


def is_changed(split: str) -> bool:
    """Whether it is a split of `splits`."""
    return split in _changes()


def change_of(split: str) -> Change | None:
    """How the images of that split are changed; None if they are not."""
    return _changes()[split]


def images(dataset: Dataset, split: str, *, smoke: bool) -> np.ndarray:
    """The images of a split of `splits`, uint8 (N, S, S) or (N, S, S, 3)."""
    chosen = dataset.test_images[rows(dataset.test_labels, smoke=smoke)]
    change = change_of(split)
    return chosen if change is None else changed(chosen, change)


def labels(dataset: Dataset, *, smoke: bool) -> np.ndarray:
    """Their labels, int64 (N,)."""
    return dataset.test_labels[rows(dataset.test_labels, smoke=smoke)]

"""The protocol that every approach runs under: which images a seed learns from and validates on.

For the study's images it is the course's own: one `RandomState(seed).permutation(1000)` for both classes; of each class
(the first 1000 images of the *train* split, in file order) positions 0:5 learn and 5:505 validate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

# Raise it in the commit that changes any result of any approach: sweeps begun with other numbers are not resumed.
NUMBERS_VERSION = 12

# The most images of a class that seeds draw from.
MOST_POOL = 1000
# The study's shots, and its validation images of a class.
STUDY_SHOTS, STUDY_VALIDATION = 5, 500
VALIDATION, TEST = "validation", "test"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Which images there are, how many of them a seed learns from, and how many it is scored on.

    The images of the pool stand class by class. A seed draws an order of as many numbers as the largest class has
    images, and each class takes those below its own size in that order: its shots first, then its validation images,
    which are as many in each class.

    Attributes:
        classes: Their names; a label is a place in this row.
        shots: Images of each class that are learned from.
        validation: Images of each class that a seed is scored on in the search, fewer where a class has fewer left.
        confirmation: The same on fresh seeds, where no choice is left to be made.
        pool: Images of each class that are drawn from.
        groups: Of each image of the pool, a number of whom or what it belongs to, such as a patient; empty if each
            image stands for itself. No group both learns and validates, and shots are of different groups as far as a
            class has so many.
    """

    classes: tuple[str, ...]
    shots: tuple[int, ...]
    validation: int
    confirmation: int
    pool: tuple[int, ...]
    groups: tuple[int, ...] = ()

    @property
    def support(self) -> int:
        """Images that a seed learns from."""
        return sum(self.shots)

    @property
    def labels(self) -> np.ndarray:
        """Of the images of the pool, int64."""
        return np.repeat(np.arange(len(self.classes)), self.pool)

    def with_shots(self, count: int) -> Protocol:
        """The protocol with so many images of each class to learn from.

        A seed's order of images stays the same, so its smaller sets are parts of its larger ones (with groups, as far
        as those of one class do not decide about another's).
        """
        confirmation = min(self.confirmation, min(self.pool) - count)
        return replace(self, shots=(count,) * len(self.classes), confirmation=confirmation)

    def for_confirmation(self) -> Protocol:
        """The protocol as fresh seeds follow it."""
        return replace(self, validation=self.confirmation)

    def split(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the pool that this seed learns from, and is scored on; class by class in both.

        Raises:
            ValueError: What is learned from leaves a class without another image, or one of another group.
        """
        order = np.random.RandomState(seed).permutation(max(self.pool))
        starts = np.cumsum([0, *self.pool[:-1]])
        drawn = [start + order[order < size] for start, size in zip(starts, self.pool, strict=True)]
        groups = np.array(self.groups) if self.groups else np.arange(sum(self.pool))
        shots = [self._shots(rows, groups, count) for rows, count in zip(drawn, self.shots, strict=True)]
        learned_from = np.concatenate(shots)
        others = [rows[~np.isin(groups[rows], groups[learned_from])] for rows in drawn]
        count = min(self.validation, *map(len, others))
        if count == 0:
            name = self.classes[int(np.argmin([len(rows) for rows in others]))]
            what = f"All groups of {name} have an image" if self.groups else f"All images of {name} are"
            raise ValueError(f"{what} among those that seed {seed} learns from.")
        return learned_from, np.concatenate([rows[:count] for rows in others])

    def scored(self, seeds: Iterable[int]) -> tuple[int, int]:
        """The least and the greatest number of images of each class that these seeds are scored on."""
        # Without groups nothing but those that are learned from drops out.
        found = [self._scored(seed) for seed in seeds] if self.groups else [self.validation]
        return min(found), max(found)

    def _scored(self, seed: int) -> int:
        try:
            return len(self.split(seed)[1]) // len(self.classes)
        except ValueError:
            return 0

    @staticmethod
    def _shots(rows: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
        """The first images, in this order, of so many different groups; then others, if there are fewer groups."""
        _, first = np.unique(groups[rows], return_index=True)
        is_first = np.zeros(len(rows), bool)
        is_first[first] = True
        # A stable sort puts the first image of each group ahead and keeps the order otherwise.
        return rows[np.argsort(~is_first, kind="stable")][:count]


def study_protocol(classes: tuple[str, ...] = ("normal", "pneumonia")) -> Protocol:
    """The study's protocol: five images of each of two classes learn, 500 validate, of pools of 1000."""
    return Protocol(
        classes=classes,
        shots=(STUDY_SHOTS,) * len(classes),
        validation=STUDY_VALIDATION,
        confirmation=STUDY_VALIDATION,
        pool=(MOST_POOL,) * len(classes),
    )

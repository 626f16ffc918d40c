"""The protocol that every approach runs under: which images a seed trains and validates on.

It is the course's own: one `RandomState(seed).permutation(1000)` for both classes; of each class (the first 1000 images
of the *train* split, in file order) positions 0:5 train and 5:505 validate.
"""

from __future__ import annotations

import numpy as np

# Raise it in the commit that changes any result of any approach: sweeps begun with other numbers are not resumed.
NUMBERS_VERSION = 4

IMAGES_PER_CLASS = 1000
SHOTS_PER_CLASS = 5
VALIDATION_PER_CLASS = 500
VALIDATION, TEST = "validation", "test"


def split_of_seed(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the pool that train (10) and validate (1000) under this seed; class 0 before class 1 in both.

    The pool holds 1000 images of class 0, then 1000 of class 1.
    """
    order = np.random.RandomState(seed).permutation(IMAGES_PER_CLASS)
    train = order[:SHOTS_PER_CLASS]
    validation = order[SHOTS_PER_CLASS : SHOTS_PER_CLASS + VALIDATION_PER_CLASS]
    return (
        np.concatenate([train, IMAGES_PER_CLASS + train]),
        np.concatenate([validation, IMAGES_PER_CLASS + validation]),
    )

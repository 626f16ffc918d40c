"""What is counted in the images before anything learns from them: leaks, copies, blanks, and labels that disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from sweeps.core.errors import BadInput
from sweeps.store.spec import Content
from trainables.parts.datasets import Dataset, resized

# Pixels of a side at which images are compared that may have been scaled or compressed meanwhile.
COMPARED_PX = 16
# Two images are nearly the same if they differ by at most so many grey values (root mean square) at that size, and by
# at most a fifteenth of what images of the set usually differ by. On PneumoniaMNIST scaling up and JPEG make .3 to 2.6;
# the nearest other image is 8.6 away and more in 99 of 100, and usually 17.
NEARLY = 3.0
SHARE_OF_USUAL = 1 / 15
# Test images that are compared with all others at the same time.
BATCH = 1024


def content_of(dataset: Dataset) -> Content:
    """Count what a person should know of the pool and the test split.

    Raises:
        BadInput: All images of the pool are the same.
    """
    pool, test = ([image.tobytes() for image in images] for images in (dataset.pool_images, dataset.test_images))
    in_pool = Counter(pool)
    if len(in_pool) == 1:
        raise BadInput(
            f"Expected images that differ in {dataset.source}; all {len(pool)} to draw from are the same. Look at how "
            "they were saved."
        )
    labels = [*dataset.protocol.labels.tolist(), *dataset.test_labels.tolist()]
    labels_of: dict[bytes, set[int]] = {}
    for image, label in zip([*pool, *test], labels, strict=True):
        labels_of.setdefault(image, set()).add(label)
    leaked = np.array([image in in_pool for image in test])
    return Content(
        test_in_pool=int(leaked.sum()),
        test_nearly_in_pool=_nearly_in_pool(dataset, ~leaked),
        copies_in_pool=len(pool) - len(in_pool),
        blank=sum(_is_blank(image) for images in dataset.images().values() for image in images),
        with_two_labels=sum(len(labels_of[image]) > 1 for image in [*pool, *test]),
    )


def _is_blank(image: np.ndarray) -> bool:
    return bool(image.min() == image.max())


def _nearly_in_pool(dataset: Dataset, rows: np.ndarray) -> int:
    """How many of these test images are nearly one of the pool's."""
    pool, test = _as_compared(dataset.pool_images), _as_compared(dataset.test_images[rows])
    pool_squares = np.square(pool).sum(1)
    usual: float | None = None
    found = 0
    for begin in range(0, len(test), BATCH):
        batch = test[begin : begin + BATCH]
        squares = np.square(batch).sum(1)[:, None] + pool_squares - 2 * batch @ pool.T
        distances = np.sqrt(np.maximum(squares, 0) / pool.shape[1])
        usual = float(np.median(distances)) if usual is None else usual
        found += int(np.count_nonzero(distances.min(1) <= min(NEARLY, usual * SHARE_OF_USUAL)))
    return found


def _as_compared(images: np.ndarray) -> np.ndarray:
    """Grey values of small images, float32 (N, 256)."""
    grey = images if images.ndim == 3 else np.rint(images.mean(-1)).astype(np.uint8)
    return resized(grey, COMPARED_PX).reshape(len(images), COMPARED_PX**2).astype(np.float32)


def notices(dataset: Dataset, content: Content) -> Iterator[str]:
    """What cannot be missed: that the numbers would say another thing than they seem to."""
    if content.is_leaked(dataset.test_counts):
        yield (
            f"THE TEST SPLIT IS NOT FRESH: of its {sum(dataset.test_counts)} images {content.test_in_pool} stand among "
            f"those that are learned from too, and {content.test_nearly_in_pool} more nearly do. Results on it are too "
            "good: take them out of one of the two."
        )
    if content.is_repeated(dataset.protocol):
        yield (
            f"COPIES: {content.copies_in_pool} of the {sum(dataset.protocol.pool)} images that seeds draw from are "
            "copies of others. What a seed learns from, it is then scored on: accuracies are too high and intervals "
            "too narrow. Leave one of each."
        )


def note(content: Content) -> str | None:
    """All that was counted, in one sentence; None if there is nothing to say."""
    counted = [f"{count} {what}" for what, count in content.by_kind().items() if count]
    return f"Among the images are {', '.join(counted)}." if counted else None

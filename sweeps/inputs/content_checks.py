"""What is counted in the images before anything learns from them: leaks, copies, blanks, and labels that disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from sweeps.core.errors import BadInput
from sweeps.inputs.medmnist_sets import INFO
from sweeps.store.spec import Content, with_another_label
from trainables.parts.datasets import Dataset, OtherDataset, resized

# Pixels of a side at which images are compared that may have been scaled or compressed meanwhile.
COMPARED_PX = 16
# Two images are nearly the same if they differ by at most so many grey values (root mean square) at that size, and by
# at most a fifteenth of what images of the set usually differ by. On PneumoniaMNIST scaling up and JPEG make .3 to 2.6;
# the nearest other image is 8.6 away and more in 99 of 100, and usually 17.
NEARLY = 3.0
SHARE_OF_USUAL = 1 / 15
# Images that are compared with 2000 others, or fewer with more, at the same time.
BATCH = 1024


def content_of(dataset: Dataset) -> Content:
    """Count what a person should know of the pool and the test split.

    Raises:
        BadInput: All images of the pool are the same, or have no value above 1.
    """
    pool, test = ([_hashed(image) for image in images] for images in (dataset.pool_images, dataset.test_images))
    pool_labels, test_labels = dataset.protocol.labels.tolist(), dataset.test_labels.tolist()
    in_pool = _labels_of(pool, pool_labels)
    # Of each image, how many stand there with another label than most.
    otherwise_in_pool = [labels.total() - max(labels.values()) for labels in in_pool.values()]
    if len(in_pool) == 1:
        raise BadInput(
            f"Expected images that differ in {dataset.source}; all {len(pool)} to draw from are the same. Look at how "
            "they were saved."
        )
    if dataset.pool_images.max() == 1:
        raise BadInput(
            f"Expected grey values from 0 to 255 in {dataset.source}; of the {len(pool)} images to draw from none has "
            "one above 1. Multiply them by 255 and save them again."
        )
    anywhere = _labels_of([*pool, *test], [*pool_labels, *test_labels])
    leaked = np.array([image in in_pool for image in test])
    otherwise = [image in in_pool and not in_pool[image][label] for image, label in zip(test, test_labels, strict=True)]
    return Content(
        test_in_pool=int(leaked.sum()),
        test_otherwise_in_pool=sum(otherwise),
        test_nearly_in_pool=int(_nearly_among(dataset.test_images[~leaked], dataset.pool_images).sum()),
        copies_in_pool=len(pool) - len(in_pool),
        copies_otherwise=sum(otherwise_in_pool),
        blank=sum(_is_blank(image) for images in dataset.images().values() for image in images),
        with_two_labels=sum(len(anywhere[image]) > 1 for image in [*pool, *test]),
    )


def _labels_of(images: Sequence[bytes], labels: Sequence[int]) -> dict[bytes, Counter[int]]:
    """How often each image stands there with each label."""
    found: dict[bytes, Counter[int]] = {}
    for image, label in zip(images, labels, strict=True):
        found.setdefault(image, Counter())[label] += 1
    return found


def _is_blank(image: np.ndarray) -> bool:
    return bool(image.min() == image.max())


def _hashed(image: np.ndarray) -> bytes:
    """What stands for an image: large ones all together would fill the memory twice."""
    return blake2b(image.tobytes(), digest_size=32).digest()


def check_apart(dataset: Dataset, other: OtherDataset) -> None:
    """Refuse another data set that holds an image to be validated or tested on: its labels would be learned.

    Raises:
        BadInput: It does, at whatever size, or both are of one MedMNIST set.
    """
    own = list(dataset.images().values())
    hashes = {_hashed(image) for images in own for image in images}
    is_common = np.array([_hashed(image) in hashes for image in other.images])
    # Of images without content no label can be learned, and many sets have some.
    has_content = _as_compared(other.images, COMPARED_PX).std(1) > NEARLY
    for images in own:
        is_common |= has_content & _nearly_among(other.images, images)
    if is_common.any():
        what = f"{is_common.sum()} of {other.source} are among them, or nearly are"
    elif _medmnist_set(dataset.source) is not None and _medmnist_set(dataset.source) == _medmnist_set(other.source):
        what = f"{other.source} is of the same MedMNIST set"
    else:
        return
    raise BadInput(
        f"Expected other images as {other.name} than those of {dataset.source}; {what}. Give other ones with --also "
        f"{other.name}=PATH."
    )


def _medmnist_set(source: str) -> str | None:
    """The MedMNIST set that a file is called after, of whatever size."""
    name = Path(source).stem.split("_")[0]
    return name if name in INFO else None


def _nearly_among(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which images nearly are one of the others, bool (N,)."""
    side = min(images.shape[1], others.shape[1])
    wanted, pool = _as_compared(images, side), _as_compared(others, side)
    pool_squares = np.square(pool).sum(1)
    usual: float | None = None
    found = np.zeros(len(wanted), dtype=bool)
    step = max(min(BATCH, BATCH * 2000 // len(pool)), 1)
    for begin in range(0, len(wanted), step):
        batch = wanted[begin : begin + step]
        squares = np.square(batch).sum(1)[:, None] + pool_squares - 2 * batch @ pool.T
        distances = np.sqrt(np.maximum(squares, 0) / pool.shape[1])
        usual = float(np.median(distances)) if usual is None else usual
        found[begin : begin + step] = distances.min(1) <= min(NEARLY, usual * SHARE_OF_USUAL)
    return found


def _as_compared(images: np.ndarray, side: int) -> np.ndarray:
    """Grey values of small images, float32 (N, 256), after all that are compared have been made of one size.

    Without it 28 and 64 pixels of a picture would differ by 4 on PneumoniaMNIST, and not by 1.6.
    """
    grey = images if images.ndim == 3 else np.rint(images.mean(-1)).astype(np.uint8)
    return resized(resized(grey, side), COMPARED_PX).reshape(len(images), COMPARED_PX**2).astype(np.float32)


def notices(dataset: Dataset, content: Content) -> Iterator[str]:
    """What cannot be missed: that the numbers would say another thing than they seem to."""
    if content.is_leaked(dataset.test_counts):
        yield (
            f"THE TEST SPLIT IS NOT FRESH: of its {sum(dataset.test_counts)} images {content.test_in_pool} stand among "
            f"those that are learned from too{with_another_label(content.test_otherwise_in_pool)}, and "
            f"{content.test_nearly_in_pool} more nearly do. Results on it are {content.effect_of_leaks}: take them out "
            "of one of the two."
        )
    if content.is_repeated(dataset.protocol):
        yield (
            f"COPIES: {content.copies_in_pool} of the {sum(dataset.protocol.pool)} images that seeds draw from are "
            f"copies of others{with_another_label(content.copies_otherwise)}. What a seed learns from, it is then "
            f"scored on: accuracies are {content.effect_of_copies}. Leave one of each"
            f"{', with the label that is right' if content.copies_otherwise else ''}."
        )


def note(content: Content) -> str | None:
    """All that was counted, in one sentence; None if there is nothing to say."""
    counted = [f"{count} {what}" for what, count in content.by_kind().items() if count]
    return f"Among the images are {', '.join(counted)}." if counted else None

"""Labelled images as they were read, and the data set and protocol that are made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.phantom import phantom_arrays, phantom_breast_arrays
from trainables.parts.protocol import MOST_POOL, STUDY_SHOTS, STUDY_VALIDATION, TEST, Protocol

PHANTOM = "phantom"
PHANTOM_CLASSES = ("normal", "pneumonia")
PHANTOM_BREAST_CLASSES = ("malignant", "normal, benign")
# Of another data set only the training split is read; a triplet needs two images of one class and one of another.
LEAST_PER_OTHER_CLASS = 2
BREASTMNIST = "breastmnist"
# What stands in for each other data set.
OTHER_PHANTOMS = {BREASTMNIST: (phantom_breast_arrays, PHANTOM_BREAST_CLASSES)}
# What networks from scratch see, in pixels.
SMALL_PX = 28


class MisfitError(ValueError):
    """Images are not as the protocol needs them; the message says what was expected and what came."""


@dataclass(frozen=True, kw_only=True)
class LabelledSplit:
    """Images of one split, in file order.

    Attributes:
        images: uint8, grey (N, S, S) or colour (N, S, S, 3).
        labels: int64 (N,), places in the row of classes.
        names: Of each image its file below the folder, or its place in an array: "test_images[3]".
        groups: int64 (N,), of each image a number of whom or what it belongs to; None if each stands for itself.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    groups: np.ndarray | None = None

    def rows(self, rows: np.ndarray) -> LabelledSplit:
        """These rows of it."""
        return LabelledSplit(
            images=self.images[rows],
            labels=self.labels[rows],
            names=tuple(self.names[row] for row in rows.tolist()),
            groups=None if self.groups is None else self.groups[rows],
        )


@dataclass(frozen=True, kw_only=True)
class ReadImages:
    """What was read, from wherever it came.

    Attributes:
        source: Where it was.
        fingerprint: A SHA-256 over all that was read, in 16 hexadecimal digits.
        classes: Their names.
        train: What seeds draw from, and what other data sets are learned from.
        test: The locked split; None where only the training split was asked for.
        of_train: Training images of each class that there are, of which `train` may have the first alone.
        notices: What a person should know of how they were read.
        white: The value that became 255 in files of more than 8 bits; None if there were none.
    """

    source: str
    fingerprint: str
    classes: tuple[str, ...]
    train: LabelledSplit
    test: LabelledSplit | None
    of_train: tuple[int, ...]
    notices: tuple[str, ...] = ()
    white: int | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A checked data set: where it came from, what it is, and the protocol's images of it.

    Attributes:
        source: Where it was.
        fingerprint: A SHA-256 over all that was read, in 16 hexadecimal digits.
        protocol: Which of the pool's images a seed learns from, and is scored on.
        pool_images: What seeds draw from, class by class as the protocol says; uint8, grey (N, S, S) or colour
            (N, S, S, 3).
        test_images: The test split, of the same form.
        test_labels: Its labels, int64 (N,).
        test_names: Of each test image, class by class as hits are kept, its name as in `LabelledSplit`.
        of_train: Training images of each class, of which the pool has the first.
        test_groups: Of each test image, class by class, whom or what it belongs to; empty if each stands for itself.
        notices: What a person should know of how they were read.
        white: As in `ReadImages`.
    """

    source: str
    fingerprint: str
    protocol: Protocol
    pool_images: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    test_names: tuple[str, ...]
    of_train: tuple[int, ...]
    test_groups: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()
    white: int | None = None

    @property
    def is_phantom(self) -> bool:
        """Whether these are synthetic images, on which no result means anything medical."""
        return self.source == PHANTOM

    @property
    def test_counts(self) -> tuple[int, ...]:
        """Test images of each class."""
        return tuple(np.bincount(self.test_labels, minlength=len(self.protocol.classes)).tolist())

    def images(self) -> dict[str, np.ndarray]:
        """All images that a sweep may touch, by image set: the pool, and the test split."""
        return {POOL: self.pool_images, TEST: self.test_images}

    def labels(self) -> dict[str, np.ndarray]:
        """The labels of `images`, int64 (N,)."""
        return {POOL: self.protocol.labels, TEST: self.test_labels}

    def pixel_sets(self) -> dict[str, ImageSet]:
        """The pool and the test split, with the pixels as their only view."""
        labels = self.labels()
        return {
            name: ImageSet(
                labels=labels[name],
                views={PIXELS: small(images)},
                protocol=self.protocol if name == POOL else None,
            )
            for name, images in self.images().items()
        }


def small(images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, S, S) or (N, S, S, 3) as networks from scratch see them: (N, 28, 28) or (N, 3, 28, 28).

    Larger ones are averaged over areas, smaller ones enlarged bilinearly.
    """
    planes = images if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return resized(planes, SMALL_PX)


def resized(planes: np.ndarray, size_px: int) -> np.ndarray:
    """Square planes uint8 (..., S, S) of that size: averaged over areas, or enlarged bilinearly."""
    if planes.shape[-2:] == (size_px, size_px):
        return planes
    # Pillow's box filter averages over areas when it makes smaller, each pixel by how much of it is covered.
    filtering = Image.Resampling.BOX if planes.shape[-1] > size_px else Image.Resampling.BILINEAR
    flat = [
        np.asarray(Image.fromarray(plane).resize((size_px, size_px), filtering))
        for plane in planes.reshape(-1, *planes.shape[-2:])
    ]
    return np.array(flat, np.uint8).reshape(*planes.shape[:-2], size_px, size_px)


def reduced(images: np.ndarray, size_px: int) -> np.ndarray:
    """Square images uint8 (N, S, S) or (N, S, S, 3) of that size, as `resized` does it."""
    if images.ndim == 3:
        return resized(np.ascontiguousarray(images), size_px)
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return resized(planes, size_px).transpose(0, 2, 3, 1)


@dataclass(frozen=True, kw_only=True)
class OtherDataset:
    """A checked data set beside the protocol's, from which an approach may learn more than its few images tell.

    `images` uint8, grey (N, S, S) or colour (N, S, S, 3), and `labels` int64 (N,), places in the row of `classes`, are
    all of its training split, of a folder at most the first 1000 of each class, and nothing else of it. BreastMNIST's
    are 546 breast ultrasound images, 147 malignant (0) and 399 normal or benign (1): 0 is the sick class there.
    `fingerprint` is a SHA-256 over what was read, in 16 hexadecimal digits.
    """

    name: str
    source: str
    fingerprint: str
    classes: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    notices: tuple[str, ...] = ()

    @property
    def is_phantom(self) -> bool:
        """Whether these are synthetic images, from which nothing medical can be learned."""
        return self.source == PHANTOM


def dataset_of(
    read: ReadImages,
    shots: Sequence[int] = (STUDY_SHOTS,),
    validation: int | None = None,
) -> Dataset:
    """The data set and the protocol that these images allow.

    Args:
        read: What was read, with a test split.
        shots: Images of each class that a seed learns from; one number is for all classes.
        validation: Images of each class that a seed is scored on in the search, or as many as there are; then all that
            are left are scored on fresh seeds. None is the study's number, on fresh seeds too.

    Raises:
        MisfitError: There are too few images of a class, or of groups of it, or shots for another number of classes.
    """
    shots = _shots_of(read, shots)
    train, test = read.train, read.test
    assert test is not None
    rows_of_class = [np.flatnonzero(train.labels == label)[:MOST_POOL] for label in range(len(read.classes))]
    pool = train.rows(np.concatenate(rows_of_class))
    sizes = [len(rows) for rows in rows_of_class]
    for name, size, learn in zip(read.classes, sizes, shots, strict=True):
        if size < learn + 1:
            raise MisfitError(
                f"Expected at least {learn + 1} training images of class {name} in {read.source}, {learn} to "
                f"learn from and one to be scored on; got {size}. Give fewer shots, or more images."
            )
    _check_test(read, test)
    if pool.groups is not None:
        _check_groups(read, pool, shots)
    left = min(size - learn for size, learn in zip(sizes, shots, strict=True))
    # As hits are kept.
    by_class = np.argsort(test.labels, kind="stable")
    return Dataset(
        source=read.source,
        fingerprint=read.fingerprint,
        protocol=Protocol(
            classes=read.classes,
            shots=shots,
            validation=min(STUDY_VALIDATION if validation is None else validation, left),
            confirmation=min(STUDY_VALIDATION, left) if validation is None else left,
            pool=tuple(sizes),
            groups=() if pool.groups is None else tuple(pool.groups.tolist()),
        ),
        pool_images=pool.images,
        test_images=test.images,
        test_labels=test.labels,
        test_names=tuple(test.names[row] for row in by_class.tolist()),
        of_train=read.of_train,
        test_groups=() if test.groups is None else tuple(test.groups[by_class].tolist()),
        notices=read.notices,
        white=read.white,
    )


def other_of(name: str, read: ReadImages) -> OtherDataset:
    """The data set of that name to learn from besides, of its training split.

    Raises:
        MisfitError: There are too few images of a class.
    """
    for label, of_class in enumerate(read.classes):
        count = int(np.count_nonzero(read.train.labels == label))
        if count < LEAST_PER_OTHER_CLASS:
            raise MisfitError(
                f"Expected at least {LEAST_PER_OTHER_CLASS} training images of class {of_class} in {read.source}; got "
                f"{count}. Add some, or leave the class out."
            )
    return OtherDataset(
        name=name,
        source=read.source,
        fingerprint=read.fingerprint,
        classes=read.classes,
        images=read.train.images,
        labels=read.train.labels,
        notices=read.notices,
    )


def phantom_dataset(shots: Sequence[int] = (STUDY_SHOTS,), validation: int | None = None) -> Dataset:
    """The built-in synthetic images.

    Raises:
        MisfitError: There are too few of them for so many shots, or shots for another number of classes.
    """
    return dataset_of(phantom_images(), shots, validation)


@cache
def phantom_images() -> ReadImages:
    """All of the built-in synthetic images."""
    arrays = phantom_arrays()
    train, test = (_split_of(arrays, split) for split in ("train", "test"))
    return ReadImages(
        source=PHANTOM,
        fingerprint=fingerprint(arrays),
        classes=PHANTOM_CLASSES,
        train=train,
        test=test,
        of_train=tuple(np.bincount(train.labels).tolist()),
    )


def phantom_other(name: str) -> OtherDataset:
    """The synthetic images that stand in for that other data set."""
    make, classes = OTHER_PHANTOMS[name]
    arrays = {key: array for key, array in make().items() if key.startswith("train")}
    train = _split_of(arrays, "train")
    read = ReadImages(
        source=PHANTOM,
        fingerprint=fingerprint(arrays),
        classes=classes,
        train=train,
        test=None,
        of_train=tuple(np.bincount(train.labels).tolist()),
    )
    return other_of(name, read)


def fingerprint(arrays: Mapping[str, np.ndarray]) -> str:
    """A SHA-256 over the names, shapes and values of arrays, in 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(f"{key}{arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()[:16]


def _split_of(arrays: Mapping[str, np.ndarray], split: str) -> LabelledSplit:
    labels = arrays[f"{split}_labels"].ravel().astype(np.int64)
    return LabelledSplit(images=arrays[f"{split}_images"], labels=labels, names=names_of_rows(split, len(labels)))


def names_of_rows(split: str, count: int) -> tuple[str, ...]:
    """The names of so many images that stand in the array of that split."""
    return tuple(f"{split}_images[{row}]" for row in range(count))


def _shots_of(read: ReadImages, shots: Sequence[int]) -> tuple[int, ...]:
    """The shots of each class."""
    if len(shots) == 1:
        return tuple(shots) * len(read.classes)
    if len(shots) != len(read.classes):
        raise MisfitError(
            f"Expected shots as one number, or as {len(read.classes)}, one for each class of {read.source} "
            f"({_listed(read.classes)}); got {len(shots)}."
        )
    return tuple(shots)


def _check_test(read: ReadImages, test: LabelledSplit) -> None:
    counts = np.bincount(test.labels, minlength=len(read.classes))
    if not counts.all():
        name = read.classes[int(counts.argmin())]
        raise MisfitError(
            f"Expected at least one test image of class {name} in {read.source}; got 0. Add some, or leave the class "
            "out."
        )


def _check_groups(read: ReadImages, pool: LabelledSplit, shots: Sequence[int]) -> None:
    """Refuse groups of which some seed could leave none to score a class on."""
    assert pool.groups is not None
    of_class = [set(pool.groups[pool.labels == label].tolist()) for label in range(len(shots))]
    for label, name in enumerate(read.classes):
        # Groups that other classes learn from are lost to this one too.
        others = [
            min(learn, len(of_class[label] & of_class[other])) for other, learn in enumerate(shots) if other != label
        ]
        needed = shots[label] + sum(others) + 1
        if len(of_class[label]) < needed:
            raise MisfitError(
                f"Expected at least {needed} groups (such as patients) of class {name} to draw from in {read.source}; "
                f"got {len(of_class[label])}, and a seed may learn from {needed - 1} of them. Give fewer shots, or "
                "more groups."
            )


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])

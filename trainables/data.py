"""Image files of MedMNIST's form, checked before anything uses them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.phantom import phantom_arrays
from trainables.protocol import IMAGES_A_CLASS, PIXELS, TEST, VALIDATION, ImageSet

PHANTOM = "phantom"
# What each split must hold of either class: the protocol draws from the first 1000 of each, and AUROC needs both.
LEAST_OF_A_CLASS = {"train": IMAGES_A_CLASS, "val": 0, "test": 1}


class MisfitError(ValueError):
    """A file of images is not as the protocol needs it; the message says what was expected and what came."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A checked data set: where it came from, what it is, and the protocol's images of it.

    `pool_images` uint8 (2000, 28, 28) are the first 1000 training images of class 0, then of class 1, in file order;
    `test_images` (N, 28, 28) with `test_labels` (N,) are the official test split. `fingerprint` is a SHA-256 over all
    arrays of the file, in 16 hexadecimal digits.
    """

    source: str
    fingerprint: str
    pool_images: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def is_phantom(self) -> bool:
        """Whether these are synthetic images, on which no result means anything medical."""
        return self.source == PHANTOM

    def images(self) -> dict[str, np.ndarray]:
        """All images a sweep may touch, by split: "validation" is the pool of training and validation images."""
        return {VALIDATION: self.pool_images, TEST: self.test_images}

    def labels(self) -> dict[str, np.ndarray]:
        """The labels of `images`, int64 (N,)."""
        return {VALIDATION: np.repeat([0, 1], IMAGES_A_CLASS), TEST: self.test_labels}

    def pixel_sets(self) -> dict[str, ImageSet]:
        """Both splits with the pixels as their only view."""
        return {
            split: ImageSet(labels=self.labels()[split], views={PIXELS: images})
            for split, images in self.images().items()
        }


def phantom_dataset() -> Dataset:
    """The built-in synthetic images."""
    return _dataset(PHANTOM, phantom_arrays())


def load_npz(path: Path) -> Dataset:
    """Read and check a file of MedMNIST's form.

    Raises:
        MisfitError: It cannot be read or has another form; the message says what was expected and what came.
    """
    wanted = [f"{split}_{part}" for split in LEAST_OF_A_CLASS for part in ("images", "labels")]
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in wanted if key not in file.files]
            if missing:
                found = ", ".join(file.files) or "nothing"
                raise MisfitError(f"Expected {', '.join(wanted)} in {path}; got {found}. Give a MedMNIST .npz file.")
            arrays = {key: file[key] for key in wanted}
    except FileNotFoundError:
        raise MisfitError(f"Expected an .npz file of images at {path}; there is none.") from None
    except MisfitError:
        raise
    except Exception as error:
        # Text, a torn zip, flipped bits, pickled objects and a lone array are each another exception.
        raise MisfitError(
            f"Expected a readable .npz file of plain arrays at {path}; NumPy gives {type(error).__name__}. "
            "Copy or download it again."
        ) from None
    for split, least in LEAST_OF_A_CLASS.items():
        _check_split(path, split, arrays[f"{split}_images"], arrays[f"{split}_labels"], least)
    return _dataset(str(path.resolve()), arrays)


def _check_split(path: Path, split: str, images: np.ndarray, labels: np.ndarray, least: int) -> None:
    if not isinstance(images, np.ndarray) or not isinstance(labels, np.ndarray):
        raise MisfitError(f"Expected arrays as {split}_images and {split}_labels in {path}; got other entries.")
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise MisfitError(
            f"Expected {split}_images of uint8 and shape (N, 28, 28) in {path}; got {images.dtype} {images.shape}."
        )
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(images),), (len(images), 1)):
        raise MisfitError(
            f"Expected {split}_labels of integers and shape ({len(images)}, 1) in {path}; "
            f"got {labels.dtype} {labels.shape}."
        )
    other = sorted(set(np.unique(labels).tolist()) - {0, 1})
    if other:
        raise MisfitError(f"Expected the labels 0 and 1 in {split}_labels of {path}; got also {other[:5]}.")
    for label in (0, 1):
        count = int(np.count_nonzero(labels == label))
        if count < least:
            raise MisfitError(
                f"Expected at least {least} images of class {label} in {split}_images of {path}; got {count}."
            )


def _dataset(source: str, arrays: dict[str, np.ndarray]) -> Dataset:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(f"{key}{arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    train_labels = arrays["train_labels"].ravel()
    rows = np.concatenate([np.flatnonzero(train_labels == label)[:IMAGES_A_CLASS] for label in (0, 1)])
    return Dataset(
        source=source,
        fingerprint=digest.hexdigest()[:16],
        pool_images=arrays["train_images"][rows],
        test_images=arrays["test_images"],
        test_labels=arrays["test_labels"].ravel().astype(np.int64),
    )

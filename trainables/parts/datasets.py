"""Image files of MedMNIST's form, checked before anything uses them."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.phantom import phantom_arrays, phantom_breast_arrays
from trainables.parts.protocol import MOST_POOL, TEST, Protocol, study_protocol

PHANTOM = "phantom"
# What each split must hold of either class: the protocol draws from the first 1000 of each, and AUROC needs both.
LEAST_OF_PER_CLASS = {"train": MOST_POOL, "val": 0, "test": 1}
# Of another data set only the training split is read; a triplet needs two images of one class and one of the other.
LEAST_PER_OTHER_CLASS = {"train": 2}
BREASTMNIST = "breastmnist"
# What stands in for each other data set.
OTHER_PHANTOMS = {BREASTMNIST: phantom_breast_arrays}


class MisfitError(ValueError):
    """A file of images is not as the protocol needs it; the message says what was expected and what came."""


# What networks from scratch see, in pixels.
SMALL_PX = 28


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A checked data set: where it came from, what it is, and the protocol's images of it.

    `pool_images` uint8, grey (N, S, S) or colour (N, S, S, 3), are the images that seeds draw from, class by class as
    `protocol` says; `test_images`, of the same form, with `test_labels` (N,) are the test split. `fingerprint` is a
    SHA-256 over all that was read, in 16 hexadecimal digits.
    """

    source: str
    fingerprint: str
    protocol: Protocol
    pool_images: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

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
    if planes.shape[-2:] == (SMALL_PX, SMALL_PX):
        return planes
    # Pillow's box filter averages over areas when it makes smaller, each pixel by how much of it is covered.
    filtering = Image.Resampling.BOX if planes.shape[-1] > SMALL_PX else Image.Resampling.BILINEAR
    flat = [
        np.asarray(Image.fromarray(plane).resize((SMALL_PX, SMALL_PX), filtering))
        for plane in planes.reshape(-1, *planes.shape[-2:])
    ]
    return np.stack(flat).reshape(*planes.shape[:-2], SMALL_PX, SMALL_PX)


@dataclass(frozen=True, kw_only=True)
class OtherDataset:
    """A checked data set beside the protocol's, from which an approach may learn more than its ten images tell.

    `images` uint8 (N, 28, 28) and `labels` int64 (N,) are all of its official training split and nothing else of the
    file. BreastMNIST's are 546 breast ultrasound images, 147 malignant (0) and 399 normal or benign (1): 0 is the
    sick class there. `fingerprint` is a SHA-256 over both arrays of the file, in 16 hexadecimal digits.
    """

    name: str
    source: str
    fingerprint: str
    images: np.ndarray
    labels: np.ndarray

    @property
    def is_phantom(self) -> bool:
        """Whether these are synthetic images, from which nothing medical can be learned."""
        return self.source == PHANTOM


def phantom_dataset() -> Dataset:
    """The built-in synthetic images."""
    return _dataset(PHANTOM, phantom_arrays())


def phantom_other(name: str) -> OtherDataset:
    """The synthetic images that stand in for that other data set."""
    arrays = OTHER_PHANTOMS[name]()
    return _other(name, PHANTOM, {key: arrays[key] for key in _keys(LEAST_PER_OTHER_CLASS)})


def load_npz(path: Path) -> Dataset:
    """Read and check a file of MedMNIST's form.

    Raises:
        MisfitError: It cannot be read or has another form; the message says what was expected and what came.
    """
    return _dataset(str(path.resolve()), _checked_arrays(path, LEAST_OF_PER_CLASS))


def load_other_npz(name: str, path: Path) -> OtherDataset:
    """Read and check the training split of a file of MedMNIST's form; it need not hold another one.

    Raises:
        MisfitError: It cannot be read or has another form; the message says what was expected and what came.
    """
    return _other(name, str(path.resolve()), _checked_arrays(path, LEAST_PER_OTHER_CLASS))


def _keys(splits: Iterable[str]) -> list[str]:
    return [f"{split}_{part}" for split in splits for part in ("images", "labels")]


def _checked_arrays(path: Path, least_per_class: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The arrays of these splits, each with at least so many images of either class, in C order."""
    wanted = _keys(least_per_class)
    try:
        if not path.is_file():
            # Opening a pipe would wait for somebody who writes into it.
            raise FileNotFoundError
        # NumPy warns of a header that Python 2 wrote.
        with warnings.catch_warnings(action="ignore"), np.load(path, allow_pickle=False) as file:
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
    for split, least in least_per_class.items():
        _check_split(path, split, arrays[f"{split}_images"], arrays[f"{split}_labels"], least)
    # Arithmetic on arrays in another order would give other bits.
    return {key: np.ascontiguousarray(array) for key, array in arrays.items()}


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


def _fingerprint(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for key in sorted(arrays):
        digest.update(f"{key}{arrays[key].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[key]).tobytes())
    return digest.hexdigest()[:16]


def _dataset(source: str, arrays: Mapping[str, np.ndarray]) -> Dataset:
    train_labels = arrays["train_labels"].ravel()
    rows = np.concatenate([np.flatnonzero(train_labels == label)[:MOST_POOL] for label in (0, 1)])
    return Dataset(
        source=source,
        fingerprint=_fingerprint(arrays),
        protocol=study_protocol(),
        pool_images=arrays["train_images"][rows],
        test_images=arrays["test_images"],
        test_labels=arrays["test_labels"].ravel().astype(np.int64),
    )


def _other(name: str, source: str, arrays: Mapping[str, np.ndarray]) -> OtherDataset:
    return OtherDataset(
        name=name,
        source=source,
        fingerprint=_fingerprint(arrays),
        images=arrays["train_images"],
        labels=arrays["train_labels"].ravel().astype(np.int64),
    )

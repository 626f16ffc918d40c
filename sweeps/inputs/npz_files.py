"""Image files of MedMNIST's form, `{train,val,test}_{images,labels}` in an .npz, checked before anything uses them."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from sweeps.core.errors import BadInput
from sweeps.inputs.groups import groups_of_rows, numbered
from sweeps.inputs.held_out import check_some_left, content_hash, held_out
from sweeps.inputs.medmnist_sets import INFO
from sweeps.inputs.memory import check_fits
from sweeps.inputs.npz_labels import FoundLabels, read_labels
from trainables.parts.datasets import LabelledSplit, ReadImages, fingerprint, names_of_rows, reduced
from trainables.parts.squares import squared

SPLITS = ("train", "val", "test")
# By their fingerprints, sets whose classes have names whatever a copy is called and whatever form it has.
KNOWN = {"bb38d5ceb4993e36": "pneumoniamnist"}


@dataclass(frozen=True, kw_only=True)
class _Pixels:
    """The images of each split, uint8, and what a person should know of how they were read.

    `hashes_of_train` are of the images before they were reduced, so that whatever their size the same ones are locked;
    none where none is locked.
    """

    of_split: dict[str, np.ndarray]
    notices: tuple[str, ...]
    hashes_of_train: tuple[bytes, ...]


def read_npz(
    path: Path, *, size_px: int | None = None, group_by: str | None = None, train_only: bool = False
) -> ReadImages:
    """Read and check a file.

    Args:
        path: Where it is.
        size_px: To reduce its images to; None is as they are.
        group_by: The path of a table that says whom or what each training image belongs to; None if each stands for
            itself.
        train_only: Read the training split alone; otherwise, if there is no test split, a fifth of the training images
            becomes one.

    Raises:
        BadInput: It cannot be read, or is of another form; the message says what was expected and what came.
    """
    arrays = _arrays(path, ("train",) if train_only else SPLITS)
    splits = [split for split in SPLITS if f"{split}_images" in arrays]
    labels = read_labels(path, {split: arrays[f"{split}_labels"] for split in splits})
    for split in splits:
        images, count = arrays[f"{split}_images"], len(labels.of_split[split])
        if images.ndim == 0 or len(images) != count:
            raise BadInput(
                f"Expected as many {split}_labels as {split}_images in {path}; got {count} and "
                f"{len(images) if images.ndim else 'a single number'}."
            )
    is_locked = "test" not in splits and not train_only
    pixels = _pixels(path, {split: arrays[f"{split}_images"] for split in splits}, size_px, with_hashes=is_locked)
    del arrays
    groups_of_train = None if group_by is None else groups_of_rows(group_by, len(labels.of_split["train"]), path)
    found_print = fingerprint(_as_fingerprinted(pixels, labels, groups_of_train))
    numbers = None if groups_of_train is None else numbered(groups_of_train)[0]

    def split_of(name: str, groups: np.ndarray | None = None) -> LabelledSplit:
        own = labels.of_split[name]
        return LabelledSplit(
            images=pixels.of_split[name], labels=own, names=names_of_rows(name, len(own)), groups=groups
        )

    train, classes = split_of("train", numbers), _class_names(labels, KNOWN.get(found_print, path.stem))
    notices = [*pixels.notices, *_of_grades(path)]
    test = None
    if "test" in splits:
        test = split_of("test")
    elif is_locked:
        is_test = held_out(train.labels, pixels.hashes_of_train, train.groups)
        check_some_left(train.labels, is_test, pixels.hashes_of_train, groups_of_train, classes, path)
        train, test = train.rows(np.flatnonzero(~is_test)), train.rows(np.flatnonzero(is_test))
        notices.append(
            f"{path} has no test split: a fifth of each class, {len(test.labels)} of {len(is_test)} training images, "
            "is locked as one, chosen by a hash of the images."
        )
    return ReadImages(
        # A link keeps its name, which may say what the classes are called.
        source=str(path.absolute()),
        fingerprint=found_print,
        classes=classes,
        train=train,
        test=test,
        of_train=tuple(np.bincount(train.labels, minlength=len(labels.classes)).tolist()),
        notices=tuple(notices),
    )


def images_in(path: Path) -> dict[str, np.ndarray]:
    """Every array of images in a file, without labels: those called `images`, or something with `_images` behind it.

    Returns:
        uint8 (N, H, W) or (N, H, W, 3), by the arrays' names.

    Raises:
        BadInput: There is none, or one is of another form.
    """
    with _opened(path) as file:
        names = [name for name in file.files if f"_{name}".endswith("_images")]
        if not names:
            raise BadInput(f"Expected arrays of images, called images or NAME_images, in {path}; got none.")
        wanted = {f"{name}.npy" for name in names}
        check_fits(path, sum(each.file_size for each in file.zip.infolist() if each.filename in wanted), "unpacked")
        arrays = {
            name: _with_axes(path, name.removesuffix("images").strip("_"), _array(path, file, name)) for name in names
        }
    return _as_bytes(path, arrays)[0]


def _arrays(path: Path, splits: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of these splits, of which only the training split must be there."""
    try:
        if not path.is_file():
            # Opening a pipe would wait for somebody who writes into it.
            raise FileNotFoundError
        # NumPy warns of a header that Python 2 wrote.
        with warnings.catch_warnings(action="ignore"), _opened(path) as file:
            present = [split for split in splits if split == "train" or f"{split}_images" in file.files]
            wanted = [f"{split}_{part}" for split in present for part in ("images", "labels")]
            missing = [key for key in wanted if key not in file.files]
            if missing:
                found = ", ".join(file.files) or "nothing"
                raise BadInput(
                    f"Expected {', '.join(wanted)} in {path}; got {found}. Give an .npz file of MedMNIST's form."
                )
            _check_size(path, file.zip, wanted)
            arrays = {key: _array(path, file, key) for key in wanted}
    except FileNotFoundError:
        raise BadInput(f"Expected an .npz file or a folder of images at {path}; there is none.") from None
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(f"Expected a readable .npz file at {path}; got {error.strerror or error}.") from None
    except Exception as error:
        # A torn array, flipped bits and odd headers are each another exception.
        raise BadInput(
            f"Expected a readable .npz file of plain arrays at {path}; NumPy gives {type(error).__name__}. "
            "Copy or download it again."
        ) from None
    return arrays


def _opened(path: Path) -> Any:
    """The file, of which no array is read yet.

    Raises:
        BadInput: It is no .npz file.
    """
    with path.open("rb") as file:
        is_array = file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX
    if is_array:
        raise BadInput(
            f"Expected an .npz file, of several arrays, at {path}; got a single one, as numpy.save writes it. Save "
            "images and labels together with numpy.savez."
        )
    if not zipfile.is_zipfile(path):
        raise BadInput(
            f"Expected an .npz file at {path}, which is a zip archive of arrays; got a file of another kind, or a torn "
            "one. Copy or download it again, or save images and labels with numpy.savez."
        )
    return np.load(path, allow_pickle=False)


def _array(path: Path, file: Any, key: str) -> np.ndarray:
    try:
        array = file[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        how = "numpy.stack(list(images))" if key.endswith("images") else "numpy.array(list(labels))"
        raise BadInput(
            f"Expected plain values as {key} in {path}; got Python objects, which are not read, since reading them can "
            f"run any code. Save {how} instead."
        ) from None
    if not isinstance(array, np.ndarray):
        raise BadInput(f"Expected an array as {key} in {path}; got another entry.")
    return array


def _check_size(path: Path, archive: zipfile.ZipFile, keys: Sequence[str]) -> None:
    """Refuse what would not fit into memory, before it is unpacked.

    Raises:
        BadInput: It would not.
    """
    wanted = {name for key in keys for name in (key, f"{key}.npy")}
    size = sum(each.file_size for each in archive.infolist() if each.filename in wanted)
    check_fits(path, size, "unpacked")


def _class_names(labels: FoundLabels, name: str) -> tuple[str, ...]:
    """Those that labels bring; else those of the MedMNIST set of that name, of whatever size, if they are so many."""
    names = tuple(INFO.get(name.split("_")[0], {"label": {}})["label"].values())
    return labels.classes if labels.are_named_by_file or len(names) != len(labels.classes) else names


def _of_grades(path: Path) -> Iterator[str]:
    """What is to be said of a MedMNIST set whose classes have an order."""
    if "ordinal" in INFO.get(path.stem.split("_")[0], {"task": ""})["task"]:
        yield (
            f"The classes of {path} are grades: a next one is as wrong here as any other, since classes have no order."
        )


def _pixels(path: Path, of_split: dict[str, np.ndarray], size_px: int | None, *, with_hashes: bool) -> _Pixels:
    """Images as the rest knows them: uint8, square, grey (N, S, S) or colour (N, S, S, 3), in C order."""
    found = {split: _with_axes(path, split, images) for split, images in of_split.items()}
    found, notices = _as_bytes(path, found)
    if all(images.ndim == 3 or _is_grey(images) for images in found.values()):
        found = {split: images if images.ndim == 3 else images[..., 0] for split, images in found.items()}
    else:
        found = {
            split: images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)
            for split, images in found.items()
        }
    sides = {images.shape[1:3] for images in found.values()}
    if len(sides) > 1:
        sizes = ", ".join(f"{split} {h} x {w}" for split, (h, w) in ((s, i.shape[1:3]) for s, i in found.items()))
        raise BadInput(f"Expected images of one size in {path}; got {sizes} pixels.")
    ((height, width),) = sides
    if height != width:
        found = {split: squared(images) for split, images in found.items()}
        notices.append(f"Images of {path} have {height} x {width} pixels; black borders make them square.")
    hashes_of_train = tuple(content_hash(image.tobytes()) for image in found["train"]) if with_hashes else ()
    side = max(height, width)
    if size_px is not None and size_px != side:
        if size_px > side:
            raise BadInput(
                f"Expected images of at least {size_px} pixels in {path}, as --size says; got {side}. Omit --size: "
                "what needs larger images enlarges them itself."
            )
        found = {split: reduced(images, size_px) for split, images in found.items()}
        notices.append(f"Images of {path} were reduced from {side} to {size_px} pixels.")
    # Arithmetic on arrays in another order would give other bits.
    return _Pixels(
        of_split={split: np.ascontiguousarray(images) for split, images in found.items()},
        notices=tuple(notices),
        hashes_of_train=hashes_of_train,
    )


def _with_axes(path: Path, split: str, images: np.ndarray) -> np.ndarray:
    """Images with their axes as (N, H, W) or (N, H, W, 3)."""
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    elif images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[-1] != 3:
        images = images[:, 0] if images.shape[1] == 1 else np.moveaxis(images, 1, -1)
    shape = str(images.shape)
    if images.ndim >= 4 and images.shape[-1] > 4 and images.shape[1] > 4:
        raise BadInput(
            f"Expected flat images as {split}_images in {path}; got volumes, {shape}, as of a 3-D MedMNIST "
            "set. Save one slice of each, (N, H, W)."
        )
    is_flat = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] == 3)
    if not is_flat or not all(images.shape[1:3]):
        raise BadInput(
            f"Expected {split}_images of shape (N, H, W) or, in colour, (N, H, W, 3) in {path}; got {images.dtype} "
            f"{shape}."
        )
    if not len(images):
        # A range of nothing cannot be told.
        images = np.zeros(images.shape, np.uint8)
    return images


def _as_bytes(path: Path, of_split: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Grey values as uint8: whole numbers from 0 to 255 as they are, fractions from 0 to 1 stretched to them."""
    kinds = {images.dtype for images in of_split.values() if len(images)}
    if kinds <= {np.dtype(np.uint8)}:
        return of_split, []
    wrong = next((kind for kind in kinds if kind.kind not in "iuf"), None)
    if wrong is not None:
        raise BadInput(f"Expected images of grey values from 0 to 255, uint8, in {path}; got {wrong}.")
    filled = [images for images in of_split.values() if len(images)]
    odd = sum(int(np.count_nonzero(~np.isfinite(images))) for images in filled)
    if odd:
        raise BadInput(
            f"Expected grey values in {path}; got {odd} that are NaN or infinite. Replace them, or leave their images "
            "out, and save all as uint8."
        )
    low, high = min(images.min() for images in filled), max(images.max() for images in filled)
    is_float = any(kind.kind == "f" for kind in kinds)
    if is_float and low >= 0 and high <= 1:
        stretched = {split: np.rint(images * 255.0).astype(np.uint8) for split, images in of_split.items()}
        return stretched, [f"Images of {path} have fractions from 0 to 1, read as grey values from 0 to 255."]
    if not is_float and low >= 0 and high <= 255:
        return {split: images.astype(np.uint8) for split, images in of_split.items()}, []
    wanted = "from 0 to 1, or whole ones (uint8) from 0 to 255" if is_float else "from 0 to 255 (uint8)"
    raise BadInput(
        f"Expected grey values {wanted} in {path}; got {', '.join(sorted(map(str, kinds)))} from {low:g} to {high:g}. "
        "Scale all images alike, for example with (images - low) * 255 / (high - low), and save them as uint8."
    )


def _is_grey(images: np.ndarray) -> bool:
    """Whether three channels are equal in all images."""
    return bool((images[..., 0] == images[..., 1]).all() and (images[..., 0] == images[..., 2]).all())


def _as_fingerprinted(
    pixels: _Pixels, labels: FoundLabels, groups_of_train: Sequence[str] | None
) -> dict[str, np.ndarray]:
    """Everything that was read, whatever form it had; of MedMNIST's own files it is their arrays as they are."""
    kind = np.uint8 if len(labels.classes) <= 256 else np.int64
    found = {f"{split}_images": images for split, images in pixels.of_split.items()}
    found |= {f"{split}_labels": own.astype(kind)[:, None] for split, own in labels.of_split.items()}
    if labels.are_named_by_file:
        found["classes"] = np.array([repr(name) for name in labels.classes])
    if groups_of_train is not None:
        found["groups"] = np.array([repr(name) for name in groups_of_train])
    return found

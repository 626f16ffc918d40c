"""A folder of images with a sub-folder for each class, or with `train` and `test` above them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import file_digest
from pathlib import Path
from typing import TypeVar

import numpy as np

from sweeps.core.cpus import usable_cpus
from sweeps.core.errors import BadInput, first_line
from sweeps.inputs.folder_listing import Entry, Listing, listed, shown, some
from sweeps.inputs.groups import Grouping, check_apart, numbered
from sweeps.inputs.held_out import check_some_left, held_out
from sweeps.inputs.image_files import Decoded, Unreadable, as_bytes, decoded, header_of, white_of
from sweeps.inputs.memory import check_fits
from trainables.parts.datasets import LabelledSplit, ReadImages, fingerprint
from trainables.parts.protocol import MOST_POOL

# What images are reduced to: MedMNIST's sizes, the largest of which is what most backbones were trained on.
SIZES_PX = (28, 64, 128, 224)
LONGEST_REASON = 100
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class _Found:
    """An image whose pixels are not read yet."""

    entry: Entry
    side: int
    # The most that it takes for each of its pixels.
    pixel_bytes: int
    content: bytes
    group: str | None = None


def read_folder(
    folder: Path, *, size_px: int | None = None, grouping: Grouping | None = None, train_only: bool = False
) -> ReadImages:
    """Read the images of a folder, in the order of their names.

    What cannot be read is left out and named. Of each class the first 1000 images that are not for the test are read,
    since seeds draw from no others.

    Args:
        folder: Where they are.
        size_px: Side of the black square that each is put on; None is the largest of `SIZES_PX` for which none has to
            be enlarged, or the smallest of them.
        grouping: Whom or what images belong to; None if each stands for itself.
        train_only: Read no test split, and make none.

    Raises:
        BadInput: It is no such folder, too much of it cannot be read, the images would not fit into memory, or groups
            do not fit.
    """
    listing = listed(folder, with_test=not train_only)
    unread: dict[str, str] = {}
    train, test = _found(listing.train, unread), _found(listing.test or [], unread)
    if grouping is not None:
        every = [each.name for each in [*listing.train, *(listing.test or [])]]
        train, test = (_grouped(found, grouping, every, folder) for found in (train, test))
        check_apart([str(each.group) for each in train], [str(each.group) for each in test], folder)
    is_locked = listing.test is None and not train_only
    found, of_size = [*train, *test], list[str]()
    if size_px is None:
        size_px, of_size = _size_for(found)
    pixels: dict[str, Decoded] = {}
    while True:
        known = len(unread)
        if is_locked:
            # A fifth of what can be read, which is seen only when its pixels are.
            left = [each for each in found if each.entry.name not in unread]
            try:
                train, test = _locked(left, listing.classes, folder)
            except BadInput as error:
                # What was left out may be why there are too few.
                raise BadInput(" ".join([str(error), *listing.notices, *_of_unread(folder, unread)])) from None
        of_class = Counter(each.entry.label for each in train)
        count = sum(min(own, MOST_POOL) for own in of_class.values()) + len(test)
        most_bytes = max((each.pixel_bytes for each in [*train, *test]), default=1)
        check_fits(folder, count * size_px**2 * most_bytes, f"{count} of {size_px} x {size_px} pixels")
        read_train = list(_read(train, size_px, unread, pixels, most=MOST_POOL))
        read_test = list(_read(test, size_px, unread, pixels))
        if not is_locked or len(unread) == known:
            break
    notices = list(listing.notices)
    if is_locked:
        notices.append(
            f"{folder} has no test split: a fifth of the {'groups' if grouping else 'images'} of each class "
            f"({len(test)} of {len(train) + len(test)} images) is locked as one, chosen by a hash of the files' "
            "content."
        )
    notices += of_size
    smaller = [each for each in [*train, *test] if each.side < size_px]
    if smaller:
        notices.append(
            f"Smaller than {size_px} pixels, and enlarged to them ({len(smaller)} of {len(train) + len(test)}): "
            f"{some([each.entry.name for each in smaller])}."
        )
    notices += _of_unread(folder, unread)
    left = [each for each in train if each.entry.name not in unread]
    of_train = np.bincount([each.entry.label for each in left], minlength=len(listing.classes))
    return _as_read(folder, listing, read_train, None if train_only else read_test, of_train.tolist(), notices)


def _of_unread(folder: Path, unread: Mapping[str, str]) -> Iterator[str]:
    """What is to be said of files that cannot be read, if there are any."""
    if unread:
        named = [f"{name} ({why})" for name, why in sorted(unread.items())]
        yield f"Left out of {folder}, since they cannot be read ({len(unread)}): {some(named)}."


def _found(entries: Sequence[Entry], unread: dict[str, str]) -> list[_Found]:
    """The files that look like images, with what is needed before their pixels; why not, of others, in `unread`."""

    def look(entry: Entry) -> _Found:
        if not entry.path.is_file():
            # Opening a pipe would wait for somebody who writes into it.
            raise Unreadable("no file")
        with entry.path.open("rb") as file:
            content = file_digest(file, "sha256").digest()
        side, pixel_bytes = header_of(entry.path)
        return _Found(entry=entry, side=side, pixel_bytes=pixel_bytes, content=content)

    return [found for _, found in _of_each(look, entries, lambda entry: entry.name, unread)]


def _grouped(found: Sequence[_Found], grouping: Grouping, every: Sequence[str], folder: Path) -> list[_Found]:
    groups = grouping.of_all([each.entry.name for each in found], every, folder)
    return [replace(each, group=group) for each, group in zip(found, groups, strict=True)]


def _locked(found: Sequence[_Found], classes: Sequence[str], folder: Path) -> tuple[list[_Found], list[_Found]]:
    """What seeds draw from, and what is locked as the test split."""
    groups = [each.group for each in found if each.group is not None] or None
    labels = np.array([each.entry.label for each in found], dtype=np.int64)
    hashes = [each.content for each in found]
    is_test = held_out(labels, hashes, numbered(groups)[0] if groups else None)
    check_some_left(labels, is_test, hashes, groups, classes, folder)
    train, test = ([found[row] for row in np.flatnonzero(mask).tolist()] for mask in (~is_test, is_test))
    return train, test


def _size_for(found: Sequence[_Found]) -> tuple[int, list[str]]:
    """The size of the square, and what is to be said of it."""
    if not found:
        return SIZES_PX[0], []
    smallest = min(found, key=lambda each: each.side)
    size_px = max((size for size in SIZES_PX if size <= smallest.side), default=SIZES_PX[0])
    larger = int(np.median([each.side for each in found]))
    if size_px == SIZES_PX[-1] or larger < SIZES_PX[SIZES_PX.index(size_px) + 1]:
        return size_px, []
    return size_px, [
        f"Images are reduced to {size_px} pixels, since the smallest ({shown(smallest.entry.name)}) has "
        f"{smallest.side}, though half of them have {larger} and more: --size "
        f"{max(size for size in SIZES_PX if size <= larger)} enlarges it instead."
    ]


def _read(
    found: Sequence[_Found],
    size_px: int,
    unread: dict[str, str],
    known: dict[str, Decoded],
    most: int | None = None,
) -> Iterator[tuple[_Found, Decoded]]:
    """The images that can be read, of each class the first `most`; `known` has those that were read before."""

    def pixels(each: _Found) -> Decoded:
        if each.entry.name not in known:
            known[each.entry.name] = decoded(each.entry.path, size_px)
        return known[each.entry.name]

    for label in sorted({each.entry.label for each in found}):
        waiting = [each for each in found if each.entry.label == label]
        lacking = len(waiting) if most is None else most
        while waiting and lacking:
            batch, waiting = waiting[:lacking], waiting[lacking:]
            for each, image in _of_each(pixels, batch, lambda each: each.entry.name, unread):
                lacking -= 1
                yield each, image


def _of_each(
    work: Callable[[Item], Result], items: Sequence[Item], name: Callable[[Item], str], unread: dict[str, str]
) -> Iterator[tuple[Item, Result]]:
    """What comes out of each item, in their order; of those that fail `unread` gets the reason.

    Decoders let go of Python's lock, so threads suffice.
    """

    def tried(item: Item) -> Result | Exception:
        try:
            return work(item)
        except Exception as error:
            # Torn, hostile and simply odd files are each another exception.
            return error

    # Pillow warns of much that it then reads; how large an image may be is checked here.
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(usable_cpus().allowed) as pool:
        for item, result in zip(items, pool.map(tried, items), strict=True):
            if isinstance(result, Exception):
                unread[name(item)] = first_line(result, type(result).__name__)[:LONGEST_REASON]
            else:
                yield item, result


def _numbers(*splits: Sequence[_Found]) -> list[np.ndarray]:
    return numbered(*([str(each.group) for each in split] for split in splits))


def _as_read(
    folder: Path,
    listing: Listing,
    train: Sequence[tuple[_Found, Decoded]],
    test: Sequence[tuple[_Found, Decoded]] | None,
    of_train: Sequence[int],
    notices: Sequence[str],
) -> ReadImages:
    """All images as one record: in colour if one of them is."""
    every = [*train, *(test or [])]
    white = white_of(image for _, image in every)
    pixels = as_bytes([image for _, image in every], white)
    if any(image.ndim == 3 for image in pixels):
        pixels = [image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=-1) for image in pixels]
    labels = np.array([each.entry.label for each, _ in every], dtype=np.int64)
    groups = _numbers([each for each, _ in every])[0] if every and every[0][0].group is not None else None

    def split(begin: int, end: int) -> LabelledSplit:
        images = np.stack(pixels[begin:end]) if end > begin else np.zeros((0, 1, 1), np.uint8)
        return LabelledSplit(
            images=images,
            labels=labels[begin:end],
            names=tuple(shown(each.entry.name) for each, _ in every[begin:end]),
            groups=None if groups is None else groups[begin:end],
        )

    splits = {"train": split(0, len(train))}
    if test is not None:
        splits["test"] = split(len(train), len(every))
    arrays = {"classes": np.array([repr(name) for name in listing.classes])}
    for name, own in splits.items():
        arrays |= {f"{name}_images": own.images, f"{name}_labels": own.labels}
    if groups is not None:
        arrays["groups"] = np.array([repr(each.group) for each, _ in every])
    return ReadImages(
        source=str(folder.resolve()),
        fingerprint=fingerprint(arrays),
        classes=listing.classes,
        train=splits["train"],
        test=splits.get("test"),
        of_train=tuple(of_train),
        notices=tuple(notices),
        white=white,
    )

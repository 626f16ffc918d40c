"""Image files classified with a kept model: a table with a row for each."""

from __future__ import annotations

import argparse
import csv
import importlib
import itertools
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from sweeps.core.errors import BadInput, first_line, in_one_line, path_of
from sweeps.core.files import whole
from sweeps.core.formatting import PROBABILITY
from sweeps.core.progress import Progress
from sweeps.inputs import dicom_files
from sweeps.inputs.folder_listing import shown, some
from sweeps.inputs.image_files import DICOM_ENDINGS, ENDINGS, Unreadable, as_bytes, decoded, header_of
from sweeps.inputs.image_folders import LONGEST_REASON
from sweeps.inputs.npz_files import images_in
from sweeps.run.standalone import CODE, DATA

NPZ = ".npz"
# Endings of what is read.
KNOWN = (*ENDINGS, *DICOM_ENDINGS, NPZ)
TABLE = "predictions.csv"
# Images that are read and classified together.
BATCH = 100


@dataclass
class Left:
    """What is not in the table.

    Attributes:
        unread: Files that look like images and cannot be read, and why.
        others: How many files have an ending of no image, by the ending.
        deeper: Files of more than 8 bits, where the model has learned from none.
    """

    unread: dict[str, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    deeper: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """What a person should know, a line each."""
        if self.unread:
            named = [f"{name} ({why})" for name, why in self.unread.items()]
            yield f"Left out, since they cannot be read ({len(named)}): {some(named)}."
        if self.others:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.others.most_common())
            yield f"Left out, since they are no images: {kinds}."
        if self.deeper:
            yield (
                f"Of more than 8 bits, unlike what the model learned from, so that each was scaled by the bits that it "
                f"uses ({len(self.deeper)}): {some(self.deeper)}."
            )


def predict(asked: argparse.Namespace) -> int:
    """Classify all images below a folder and write the table; the exit code.

    Args:
        asked: What `sweeps/predict.py` was asked for.

    Raises:
        BadInput: There is no such model, no image that can be read, or no room for the table.
    """
    place, target = path_of(asked.folder), path_of(asked.to or TABLE)
    model_folder = path_of(asked.model)
    if not (model_folder / "MLmodel").is_file() or not (model_folder / "code" / CODE).is_dir():
        raise BadInput(f"Expected the folder of a model that export.py made at {model_folder}; there is none.")
    # The table takes the place of what is there, which must not be a device, a pipe or a link.
    if (target.exists() and not target.is_file()) or target.is_symlink() or not target.absolute().parent.is_dir():
        raise BadInput(
            f"Expected a file to write the table to, as --to; got {target}. Give one in a folder that is there."
        )
    if target.exists() and target.suffix.lower() in KNOWN:
        raise BadInput(f"Expected a file for the table, as --to; {target} is one of images. Give another name.")
    left = Left()
    files = _files(place, left)
    if not files:
        raise BadInput(
            f"Expected images ({', '.join((*ENDINGS[:2], DICOM_ENDINGS[0], NPZ))} and so on) at {place}; got none."
        )
    model = _load(model_folder)
    images = _read(place, files, model.form, left)
    counts: Counter[str] = Counter()
    try:
        with whole(target) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
            for name in _write(file, model, images, len(files)):
                counts[name] += 1
            if not counts:
                raise BadInput(" ".join([f"Expected at least one image at {place} that can be read.", *left.lines()]))
    except OSError as error:
        raise BadInput(f"Expected to write {target}; got {error}. Give another file with --to.") from None
    for line in left.lines():
        print(line, file=sys.stderr)
    found = ", ".join(f"{counts[name]} {name}" for name in model.classes)
    print(f"{target}: {sum(counts.values())} images, of which the model calls {found}.")
    return 0


def _load(folder: Path) -> Any:
    """The model, with its own version of the training code.

    Raises:
        BadInput: It cannot be loaded here.
    """
    # This project's may be another one, and has been imported to read images. What was imported stays as it is.
    for name in [each for each in sys.modules if each.partition(".")[0] == CODE]:
        del sys.modules[name]
    sys.path.insert(0, str((folder / "code").absolute()))
    try:
        return importlib.import_module("trainables.parts.exported").load(folder / "data" / DATA)
    except Exception as error:
        # A damaged file, a library that is missing and one of another version are each another exception.
        raise BadInput(
            f"Expected a model that can be loaded in {folder}; got {in_one_line(error, 300)}. What it needs is in its "
            "requirements.txt."
        ) from None


def _files(place: Path, left: Left) -> list[Path]:
    """The files that should be images, by name. Hidden ones are passed over."""
    if place.is_file():
        found = [place]
    else:
        found = []
        # As a sweep reads folders: one of a class may be a link, and no other is followed.
        links = sorted(each for each in place.glob("[!.]*") if each.is_symlink() and each.is_dir())
        for root in (place, *links):
            for path, folders, files in os.walk(root):
                folders[:] = sorted(each for each in folders if not each.startswith("."))
                found += [Path(path, each) for each in sorted(files) if not each.startswith(".")]
                if Path(path) != place:
                    left.others.update("link to a folder" for each in folders if Path(path, each).is_symlink())
    left.others.update(path.suffix.lower() or "no ending" for path in found if path.suffix.lower() not in KNOWN)
    return [path for path in found if path.suffix.lower() in KNOWN]


def _read(place: Path, files: Sequence[Path], form: Any, left: Left) -> Iterator[tuple[str, np.ndarray]]:
    """The images that can be read, with their names; why not, of others, in `left`."""
    for path in files:
        name = shown(path.relative_to(place).as_posix() if place.is_dir() else path.name)
        try:
            # Pillow warns of much that it then reads; how large an image may be is checked there.
            with warnings.catch_warnings(action="ignore"):
                if path.suffix.lower() == NPZ:
                    for array, images in images_in(path).items():
                        yield from ((f"{name}:{array}[{row}]", image) for row, image in enumerate(images))
                else:
                    yield name, _decoded(path, name, form, left)
        except Exception as error:
            # Torn, hostile and simply odd files are each another exception.
            left.unread[name] = first_line(error, type(error).__name__)[:LONGEST_REASON]


def _decoded(path: Path, name: str, form: Any, left: Left) -> np.ndarray:
    """The image in a file, as the sweep read its own."""
    if not path.is_file():
        # Opening a pipe would wait for somebody who writes into it.
        raise Unreadable("no file")
    if path.suffix.lower() in DICOM_ENDINGS and not dicom_files.is_there():
        raise Unreadable(f"it needs pydicom: {dicom_files.EXTRA}")
    # It refuses what has several pages.
    header_of(path)
    found = decoded(path, form.size_px)
    if found.peak is not None and form.white is None:
        left.deeper.append(name)
    return as_bytes([found], form.white)[0]


def _write(file: TextIO, model: Any, images: Iterator[tuple[str, np.ndarray]], count: int) -> Iterator[str]:
    """Write a row for each image, and give its class."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["file", "predicted", *(f"{PROBABILITY}{name}" for name in model.classes)])
    decide = importlib.import_module("trainables.parts.exported").decided
    done = 0
    with Progress("Images", count, "files") as progress:
        while batch := list(itertools.islice(images, BATCH)):
            probabilities = model.probabilities([image for _, image in batch])
            for (name, _), row, place in zip(batch, probabilities, decide(probabilities), strict=True):
                table.writerow([name, model.classes[place], *(f"{value:.6f}" for value in row)])
                yield model.classes[place]
            done += len(batch)
            progress.show(min(done, count), count)

"""Whom or what each image belongs to, by `--group-by`: a table of files and groups, or a pattern over file names."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from sweeps.core.errors import BadInput, path_of

# A table of a million files has about so many bytes.
MOST_BYTES = 100 << 20


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """What `--group-by` asks for.

    Attributes:
        option: As it was given.
        of: Gives a file's group by its path below the images' folder, or None.
        by_name: Groups by a file's name alone, for files whose path has none and whose name no other file has.
    """

    option: str
    of: Callable[[str], str | None]
    by_name: Mapping[str, str] = field(default_factory=dict)

    def of_all(self, names: Sequence[str], every: Sequence[str], folder: Path) -> list[str]:
        """The group of each of these files of a folder, which has `every` file.

        Raises:
            BadInput: Some have none: they could be of anybody.
        """
        of_name = Counter(PurePosixPath(name).name for name in every)
        once = {name: group for name, group in self.by_name.items() if of_name[name] == 1}
        found = [self.of(name) or once.get(PurePosixPath(name).name) for name in names]
        without = [name for name, group in zip(names, found, strict=True) if group is None]
        if without:
            raise BadInput(
                f"Expected a group for every image of {folder} by --group-by {self.option}; {len(without)} of "
                f"{len(names)} have none, the first is {without[0]}. Complete the table or the pattern, or take these "
                "images away."
            )
        return [group for group in found if group is not None]


def grouping_of_files(option: str) -> Grouping:
    """Read `--group-by` for files in a folder: the path of a CSV file, or a regular expression with one group.

    Raises:
        BadInput: It is neither.
    """
    if is_table(option):
        table = _table(option, "file")
        by_name = {name: group for name, group in table.items() if "/" not in name}
        return Grouping(option=option, of=table.get, by_name=by_name)
    try:
        pattern = re.compile(option)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadInput(
            f"Expected --group-by as the path of a CSV file or a regular expression; got {option!r} ({error})."
        ) from None
    if pattern.groups != 1:
        raise BadInput(
            f"Expected one pair of brackets in the pattern of --group-by, around the part of a file's name that says "
            f"whose image it is, such as (person[0-9]+)_; got {pattern.groups} in {option!r}."
        )

    def of(name: str) -> str | None:
        found = pattern.search(PurePosixPath(name).name)
        return found[1] or None if found else None

    return Grouping(option=option, of=of)


def groups_of_rows(option: str, images: int, path: Path) -> list[str]:
    """Read `--group-by` for the training images of an .npz file: the path of a CSV file with a row for each.

    Raises:
        BadInput: It is another thing, or lacks an image.
    """
    if not is_table(option):
        raise BadInput(
            f"Expected --group-by as the path of a CSV file with the columns row and group, since the images of {path} "
            f"have no file names; got {option!r}."
        )
    table = _table(option, "row")
    lacking = [row for row in range(images) if str(row) not in table]
    if lacking:
        raise BadInput(
            f"Expected a group for each of the {images} training images of {path} (rows 0 to {images - 1}) in "
            f"{option}; {len(lacking)} have none, the first is row {lacking[0]}."
        )
    return [table[str(row)] for row in range(images)]


def numbered(*splits: Sequence[str]) -> list[np.ndarray]:
    """Groups as numbers, in the order in which they come, the same in each of the splits."""
    first: dict[str, int] = {}
    return [np.array([first.setdefault(name, len(first)) for name in names], dtype=np.int64) for names in splits]


def check_apart(train: Sequence[str], test: Sequence[str], folder: Path) -> None:
    """Refuse a given test split that shares groups with the training split: it would be no test.

    Raises:
        BadInput: It does.
    """
    common = sorted(set(train) & set(test))
    if common:
        raise BadInput(
            f"Expected each group of --group-by on one side of train and test in {folder}; {len(common)} have images "
            f"on both, the first is {common[0]!r}. Move them, or put all images under train alone: then a fifth of the "
            "groups is locked as the test split."
        )


def is_table(option: str) -> bool:
    """Whether `--group-by` is meant as a path."""
    if option.lower().endswith(".csv"):
        return True
    try:
        return path_of(option).is_file()
    except (BadInput, OSError):
        # A long pattern is no path, nor one that begins as somebody's home.
        return False


def _table(option: str, key: str) -> dict[str, str]:
    """The group of each file or row."""
    path = path_of(option)
    try:
        if not path.is_file():
            raise FileNotFoundError
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"Expected a table of at most {MOST_BYTES >> 20} MiB as --group-by {path}; it is larger.")
        # Spreadsheets put a mark before the first name, and in many countries a semicolon between columns.
        text = path.read_text(encoding="utf-8-sig")
        delimiter = ";" if ";" in text.partition("\n")[0] else ","
        rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    except FileNotFoundError:
        raise BadInput(f"Expected a CSV file at --group-by {path}; there is none.") from None
    except (OSError, UnicodeError, csv.Error) as error:
        raise BadInput(
            f"Expected a CSV file in UTF-8 at --group-by {path}; it cannot be read as one ({type(error).__name__})."
        ) from None
    names = [name.strip().lower() for name in rows[0]] if rows else []
    if key not in names or "group" not in names:
        raise BadInput(
            f"Expected a first line with the names {key} and group in {path}; got "
            f"{', '.join(names)[:100] or 'nothing'}."
        )
    at, of = names.index(key), names.index("group")
    found: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(map(str.strip, row)):
            continue
        if len(row) <= max(at, of) or not row[at].strip() or not row[of].strip():
            raise BadInput(f"Expected a {key} and a group in each line of {path}; line {number} lacks one.")
        name, group = row[at].strip().replace("\\", "/").removeprefix("./"), row[of].strip()
        if found.setdefault(name, group) != group:
            raise BadInput(f"Expected one group for each {key} in {path}; {name} has {found[name]} and {group}.")
    return found

"""Which files of a folder are images of which class and split, before any is opened."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeps.core.errors import BadInput
from sweeps.inputs import dicom_files
from sweeps.inputs.class_names import check_names
from sweeps.inputs.image_files import DICOM_ENDINGS, ENDINGS

TRAIN, TEST, VALIDATION = "train", "test", ("val", "valid", "validation")
# What the folders of splits are called, in whatever case.
SPLITS = {"train": TRAIN, "training": TRAIN, "test": TEST, "testing": TEST}
# A folder with more of them is hardly one of images, but for example a whole disk.
MOST_FILES = 300_000
# What a message names of many.
MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file that should be an image: where it is, its name below the folder, the place of its class."""

    path: Path
    name: str
    label: int


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What is in a folder, by name; `test` is None if there is no test split, or if none is wanted."""

    classes: tuple[str, ...]
    train: list[Entry]
    test: list[Entry] | None
    notices: tuple[str, ...]


def listed(folder: Path, *, with_test: bool = True) -> Listing:
    """The images of a folder by class and split, in the order of their names. Hidden files are passed over.

    Raises:
        BadInput: It has no folders that could be classes, or those of train and test are others.
    """
    notices = []
    below = _folders(folder)
    roots = _roots(folder, below)
    if TRAIN not in roots:
        roots = {TRAIN: folder}
    else:
        ignored = sorted(set(below) - {root.name for root in roots.values()})
        if ignored:
            why = (
                " (validation images are drawn from train)"
                if {each.lower() for each in ignored} & set(VALIDATION)
                else ""
            )
            used = " and ".join(root.name for root in roots.values())
            notices.append(f"Of {folder} only {used} are used, not {some(ignored)}{why}.")
    classes = _classes(roots[TRAIN])
    if with_test and TEST in roots and _classes(roots[TEST]) != classes:
        raise BadInput(
            f"Expected the same sub-folders in {roots[TRAIN]} and {roots[TEST]}, one for each class; got "
            f"{some(classes)} and {some(_classes(roots[TEST]))}."
        )
    found: dict[str, list[Entry]] = {}
    others: list[tuple[str, str]] = []
    for split, root in roots.items():
        if split == TRAIN or with_test:
            found[split] = _entries(folder, root, classes, others)
    if others:
        kinds = Counter(kind for _, kind in others)
        of_kinds = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(MOST_NAMED))
        notices.append(
            f"Left out of {folder}, since they are no images of a class ({of_kinds}): "
            f"{some([name for name, _ in others])}."
        )
    dicom = [each for entries in found.values() for each in entries if each.path.suffix.lower() in DICOM_ENDINGS]
    if dicom and not dicom_files.is_there():
        raise BadInput(
            f"Expected pydicom, which reads the {len(dicom)} DICOM files of {folder}; it is not installed. Install it "
            f"with: {dicom_files.EXTRA}."
        )
    return Listing(classes=classes, train=found[TRAIN], test=found.get(TEST), notices=tuple(notices))


def folders_of_classes(folder: Path) -> list[Path]:
    """The folders of which each sub-folder is a class: those of train and test, or the whole folder.

    Raises:
        BadInput: It cannot be read, or has two folders for one split.
    """
    roots = _roots(folder, _folders(folder))
    return list(roots.values()) if TRAIN in roots else [folder]


def _folders(folder: Path) -> list[str]:
    """The names of its sub-folders, sorted, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return sorted(each.name for each in entries if not each.name.startswith(".") and _is_folder(each))
    except OSError as error:
        raise BadInput(f"Expected a folder of images at {folder}; it cannot be read ({error.strerror}).") from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that leads in a circle, for example.
        return False


def _roots(folder: Path, below: Sequence[str]) -> dict[str, Path]:
    """The folders of train and test, if there are any.

    Raises:
        BadInput: There are two of one.
    """
    roots: dict[str, Path] = {}
    for name in below:
        split = SPLITS.get(name.lower())
        if split in roots:
            raise BadInput(f"Expected one folder for {split} in {folder}; got {roots[split].name} and {shown(name)}.")
        if split is not None:
            roots[split] = folder / name
    return {split: roots[split] for split in (TRAIN, TEST) if split in roots}


def _classes(root: Path) -> tuple[str, ...]:
    names = _folders(root)
    if len(names) < 2:
        raise BadInput(
            f"Expected a sub-folder for each of at least two classes in {root}; got {some(names) or 'none'}. Put the "
            "images of each class into a folder with its name."
        )
    of_splits = [name for name in names if name.lower() in (*SPLITS, *VALIDATION)]
    if of_splits:
        raise BadInput(
            f"Expected a sub-folder for each class in {root}; got {some(of_splits)}, which is a split's name. Put the "
            "classes into train (and test), or call the class something else."
        )
    check_names(names, root)
    return tuple(names)


def _entries(folder: Path, root: Path, classes: Sequence[str], others: list[tuple[str, str]]) -> list[Entry]:
    """The files of all classes that should be images; the names and kinds of what else there is go into `others`.

    Raises:
        BadInput: A class has none, there is no end of files, or classes stand below other folders.
    """
    found: list[Entry] = []
    seen = 0
    for label, name in enumerate(classes):
        own: list[Entry] = []
        for path, folders, files in os.walk(root / name):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            links = [Path(path, each) for each in folders if Path(path, each).is_symlink()]
            others += [(shown(each.relative_to(folder).as_posix()), "link to a folder") for each in links]
            seen += len(files) + len(folders)
            if seen > MOST_FILES:
                raise BadInput(
                    f"Expected at most {MOST_FILES} files in {folder}; there are more. Give a folder of images."
                )
            for file in files:
                where = Path(path, file)
                relative = where.relative_to(folder).as_posix()
                if file.startswith("."):
                    continue
                if where.suffix.lower() in (*ENDINGS, *DICOM_ENDINGS):
                    own.append(Entry(path=where, name=relative, label=label))
                else:
                    others.append((shown(relative), where.suffix.lower() or "no ending"))
        if not own:
            raise BadInput(
                f"Expected images ({', '.join(ENDINGS[:2])} and so on) in {root / name}, since each sub-folder is a "
                "class; got none. Take it away if it is no class."
            )
        # By whole paths, so that the order is the same whatever the system lists first.
        found += sorted(own, key=lambda each: each.name)
    others += [(shown(each.relative_to(folder).as_posix()), "beside the classes") for each in _beside_folders(root)]
    others.sort()
    _check_not_above(root, classes, found)
    return found


def _beside_folders(root: Path) -> list[Path]:
    """Images that stand beside the classes' folders, and so have no class."""
    return [
        each
        for each in root.iterdir()
        if each.suffix.lower() in (*ENDINGS, *DICOM_ENDINGS) and not each.name.startswith(".") and not each.is_dir()
    ]


def _check_not_above(root: Path, classes: Sequence[str], found: Sequence[Entry]) -> None:
    """Refuse folders that all have the same several sub-folders and no image of their own: those are the classes.

    Raises:
        BadInput: They are such.
    """
    below: list[set[str]] = [set() for _ in classes]
    for each in found:
        first, *rest = each.path.relative_to(root / classes[each.label]).parts
        # An image of its own stands for itself.
        below[each.label].add(first if rest else each.name)
    if len(below[0]) > 1 and all(each == below[0] for each in below):
        raise BadInput(
            f"Expected a sub-folder for each class in {root}; {some(classes)} all have the same ones, "
            f"{some(sorted(below[0]))}, and no images of their own. If those are the classes, put the images of each "
            "into one folder; if not, give sub-folders other names."
        )


def shown(name: str) -> str:
    """A file's name as it can be printed."""
    return name.encode(errors="backslashreplace").decode()


def some(names: Sequence[str]) -> str:
    """The first names of a list."""
    more = [f"and {len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return ", ".join([*map(shown, names[:MOST_NAMED]), *more])

"""Finds the images, once, on the driver; workers never look for any or download anything."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sweeps.core.errors import BadInput, path_of
from sweeps.inputs.downloads import AUTO, certificate_trouble, downloading
from sweeps.inputs.groups import grouping_of_files
from sweeps.inputs.image_folders import SIZES_PX, read_folder
from sweeps.inputs.medmnist_sets import INFO, MEDMNIST
from sweeps.inputs.npz_files import read_npz
from trainables.parts.datasets import (
    OTHER_PHANTOMS,
    PHANTOM,
    SMALL_PX,
    Dataset,
    MisfitError,
    OtherDataset,
    ReadImages,
    dataset_of,
    other_of,
    phantom_dataset,
    phantom_other,
)
from trainables.parts.protocol import STUDY_SHOTS

PNEUMONIAMNIST = "pneumoniamnist"
Found = TypeVar("Found", Dataset, OtherDataset)


def find_dataset(
    option: str,
    *,
    size_px: int | None = None,
    shots: Sequence[int] = (STUDY_SHOTS,),
    validation: int | None = None,
    group_by: str | None = None,
) -> tuple[Dataset, str | None]:
    """The data set that `--dataset` asks for, and a notice if it is not what a person would have hoped for.

    Args:
        option: auto, phantom, the name of a MedMNIST set, or a path.
        size_px: What its images are reduced to, or which of MedMNIST's files it is; None is 28 of MedMNIST's, and as
            they are otherwise.
        shots: As for `dataset_of`.
        validation: As for `dataset_of`.
        group_by: Whom or what images belong to: the path of a table, or a pattern over the names of a folder's files.

    Raises:
        BadInput: A file is not usable, has too few images, or a data set was asked for by name and is nowhere to be
            had.
    """
    _check_kind(option)

    def load(path: Path) -> Dataset:
        read = read_images(path, size_px=size_px, group_by=group_by)
        try:
            return dataset_of(read, shots, validation)
        except MisfitError as error:
            # What was left out may be why there are too few.
            raise BadInput(" ".join([str(error), *read.notices])) from None

    return _find(
        PNEUMONIAMNIST if option == AUTO else option if option in MEDMNIST else None,
        "--dataset",
        option,
        beside=None,
        size_px=size_px or SMALL_PX,
        load=load,
        phantom=lambda: _phantom(size_px, shots, validation, group_by),
        loudly="SYNTHETIC IMAGES",
        instead="The built-in phantom is used instead; no number below is about real X-rays",
    )


def _phantom(size_px: int | None, shots: Sequence[int], validation: int | None, group_by: str | None) -> Dataset:
    if group_by is not None:
        raise BadInput(f"Expected no --group-by, since the phantom has no patients; got {group_by!r}. Omit it.")
    dataset = phantom_dataset(shots, validation)
    if size_px in (None, SMALL_PX):
        return dataset
    return replace(dataset, notices=(f"--size {size_px} means nothing here: the phantom has {SMALL_PX} pixels.",))


def find_other(
    name: str, option: str, beside: Path | None, *, with_phantom: bool = False
) -> tuple[OtherDataset, str | None]:
    """The data set that `--also <name>=<option>` asks for, and a notice if it is not what one would have hoped for.

    Args:
        name: The data set's name in medmnist, "breastmnist".
        option: auto, the name, phantom or a path.
        beside: The folder of the main images' file, where it is looked for first; None if they have none.
        with_phantom: The main images are the phantom by a person's wish: auto then takes this one's phantom too, and
            looks nowhere.

    Raises:
        BadInput: A file is not usable, or the data set was asked for by name and is nowhere to be had.
    """
    _check_kind(option)
    return _find(
        name if option in (AUTO, name) else option if option in MEDMNIST else None,
        f"--also {name}=",
        PHANTOM if with_phantom and option == AUTO else option,
        beside=beside,
        size_px=SMALL_PX,
        load=lambda path: other_of(name, read_images(path, train_only=True)),
        phantom=lambda: phantom_other(name),
        loudly=f"SYNTHETIC {name.upper()}",
        instead="A built-in phantom is used instead; nothing that an approach learns from it is about real images",
    )


def read_images(
    path: Path, *, size_px: int | None = None, group_by: str | None = None, train_only: bool = False
) -> ReadImages:
    """Read and check the images at a path.

    Raises:
        BadInput: There are none, or none that can be used.
    """
    if path.is_dir():
        grouping = grouping_of_files(group_by) if group_by is not None else None
        return read_folder(path, size_px=size_px, grouping=grouping, train_only=train_only)
    return read_npz(path, size_px=size_px, group_by=group_by, train_only=train_only)


def check_there(option: str) -> None:
    """Refuse what `--dataset` cannot be, as far as that is seen without reading any image.

    Raises:
        BadInput: It is one of MedMNIST's other sets, or a path where nothing is.
    """
    _check_kind(option)
    if option not in (AUTO, PHANTOM, *MEDMNIST) and not path_of(option).exists():
        close = difflib.get_close_matches(option, (AUTO, PHANTOM, *MEDMNIST), 4, 0.7)
        hint = f"; near it are {', '.join(close)}" if close else ""
        raise BadInput(f"Expected an .npz file or a folder of images at {path_of(option)}; there is none{hint}.")


def check_also(options: Sequence[str], needed: Collection[str]) -> dict[str, str]:
    """What `--also` asks for, by name; only of the `needed` ones something has to be there.

    Raises:
        BadInput: It is for no data set that an approach learns from, twice for the same, or where nothing is.
    """
    found: dict[str, str] = {}
    for option in options:
        name, _, what = option.partition("=")
        if name in found:
            raise BadInput(f"Expected --also once for {name}; got it twice. Omit one.")
        if name in needed and what not in (AUTO, PHANTOM, *MEDMNIST) and not path_of(what).exists():
            raise BadInput(f"Expected --also {name}= with {name}, phantom, auto or a path; there is no {what}.")
        found[name] = what
    return {name: found.get(name, AUTO) for name in OTHER_PHANTOMS}


def where_now(source: str) -> str:
    """Where images are found again that a sweep had from `source`, perhaps on another machine.

    What its own copy of a MedMNIST set was, is that set, which is then looked for by its name; whoever goes on compares
    fingerprints.
    """
    path = Path(source)
    name = path.stem.partition("_")[0]
    is_of_set = name in MEDMNIST and path.name in [_file_of(name, size_px) for size_px in SIZES_PX]
    return name if is_of_set and not path_of(source).exists() else source


def _check_kind(option: str) -> None:
    """Refuse by name what is no set of flat images with one label each.

    Raises:
        BadInput: It is one of MedMNIST's other sets.
    """
    if option not in INFO or option in MEDMNIST:
        return
    if option.endswith("3d"):
        raise BadInput(
            f"Expected a set of flat images; {_title(option)} has volumes of 28 x 28 x 28. Save one slice of each as "
            "an .npz file of MedMNIST's form, and give its path."
        )
    labels = len(INFO[option]["label"])
    raise BadInput(
        f"Expected a set with one label an image; {_title(option)} has {labels} yes-or-no labels an image "
        "(multi-label). Save an .npz file with one of their columns as labels, and give its path."
    )


def _find(
    name: str | None,
    flag: str,
    option: str,
    *,
    beside: Path | None,
    size_px: int,
    load: Callable[[Path], Found],
    phantom: Callable[[], Found],
    loudly: str,
    instead: str,
) -> tuple[Found, str | None]:
    """The data set as the option `flag` asks for it: `name` of medmnist, the phantom, or a path.

    `loudly` and `instead` are for the notice.
    """
    try:
        if option == PHANTOM:
            return phantom(), None
        if name is None:
            return load(path_of(option)), None
        file = _file_of(name, size_px)
        home = path_of(os.environ.get("MEDMNIST_ROOT") or "~/.medmnist")
        for folder in (beside, home, path_of("~/.medmnist")):
            if folder is not None and path_of(str(folder / file)).is_file():
                return load(folder / file), None
        try:
            return load(_download_dataset(name, home, size_px)), None
        except OSError as error:
            why = f"{_title(name)} is not on this machine and cannot be downloaded ({error})"
            how = f"Put {file} into ~/.medmnist, or give its path with {_with(flag, 'PATH')}"
            if option != AUTO:
                raise BadInput(f"{why}. {how}, or use {_with(flag, PHANTOM)}.") from None
            return phantom(), f"{loudly}: {why}. {instead}. {how}."
    except BadInput:
        raise
    except ValueError as error:
        raise BadInput(str(error)) from None


def _with(flag: str, value: str) -> str:
    return f"{flag}{value}" if flag.endswith("=") else f"{flag} {value}"


def _title(name: str) -> str:
    """How a data set is written, which is also its class in medmnist: PneumoniaMNIST."""
    return str(INFO[name]["python_class"])


def _file_of(name: str, size_px: int) -> str:
    """What medmnist calls the file of these images at this size."""
    return f"{name}.npz" if size_px == SMALL_PX else f"{name}_{size_px}.npz"


def _download_dataset(name: str, folder: Path, size_px: int) -> Path:
    """Fetch a data set with medmnist, which checks its MD5, and put it in place whole or not at all.

    Raises:
        OSError: It could not be downloaded or stored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # medmnist downloads with torchvision, whose import it would not survive beside a CPU-only torch.
    import trainables.parts.torchvision_import  # noqa: F401, I001
    import medmnist

    more = {} if size_px == SMALL_PX else {"size": size_px}
    with tempfile.TemporaryDirectory(dir=folder) as unfinished, downloading(_title(name)):
        try:
            getattr(medmnist, _title(name))(split="train", root=unfinished, download=True, **more)
        except RuntimeError as error:
            # medmnist's own message is a page of advice.
            trouble = certificate_trouble(error) or "no connection, or the file's checksum is wrong"
            raise OSError(trouble) from None
        file = _file_of(name, size_px)
        return (Path(unfinished) / file).replace(folder / file)

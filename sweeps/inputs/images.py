"""Finds the images, once, on the driver; workers never look for any or download anything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import medmnist

from sweeps.core.errors import BadInput, path_of
from sweeps.inputs.downloads import AUTO, downloading
from trainables.parts.datasets import (
    PHANTOM,
    Dataset,
    OtherDataset,
    load_npz,
    load_other_npz,
    phantom_dataset,
    phantom_other,
)

PNEUMONIAMNIST = "pneumoniamnist"
Found = TypeVar("Found", Dataset, OtherDataset)


def find_dataset(option: str) -> tuple[Dataset, str | None]:
    """The data set that `--dataset` asks for, and a notice if it is not what a person would have hoped for.

    Raises:
        BadInput: A file is not usable, or PneumoniaMNIST was asked for and is nowhere to be had.
    """
    return _find(
        PNEUMONIAMNIST,
        "--dataset",
        option,
        beside=None,
        load=load_npz,
        phantom=phantom_dataset,
        loudly="SYNTHETIC IMAGES",
        instead="The built-in phantom is used instead; no number below is about real X-rays",
    )


def find_other(
    name: str, option: str, beside: Path | None, *, with_phantom: bool = False
) -> tuple[OtherDataset, str | None]:
    """The data set that the option `--<name>` asks for, and a notice if it is not what a person would have hoped for.

    Args:
        name: The data set's name in medmnist, "breastmnist".
        option: auto, the name, phantom or a path.
        beside: The folder of the main images' file, where it is looked for first; None if they have none.
        with_phantom: The main images are the phantom by a person's wish: auto then takes this one's phantom too, and
            looks nowhere.

    Raises:
        BadInput: A file is not usable, or the data set was asked for by name and is nowhere to be had.
    """
    return _find(
        name,
        f"--{name}",
        PHANTOM if with_phantom and option == AUTO else option,
        beside=beside,
        load=lambda path: load_other_npz(name, path),
        phantom=lambda: phantom_other(name),
        loudly=f"SYNTHETIC {name.upper()}",
        instead="A built-in phantom is used instead; nothing that an approach learns from it is about real images",
    )


def _find(
    name: str,
    flag: str,
    option: str,
    *,
    beside: Path | None,
    load: Callable[[Path], Found],
    phantom: Callable[[], Found],
    loudly: str,
    instead: str,
) -> tuple[Found, str | None]:
    """The data set `name` of medmnist as the option `flag` asks for it; `loudly` and `instead` are for the notice."""
    file = f"{name}.npz"
    try:
        if option == PHANTOM:
            return phantom(), None
        if option not in (AUTO, name):
            return load(path_of(option)), None
        home = path_of(os.environ.get("MEDMNIST_ROOT") or "~/.medmnist")
        for folder in (beside, home, path_of("~/.medmnist")):
            if folder is not None and path_of(str(folder / file)).is_file():
                return load(folder / file), None
        try:
            return load(_download_dataset(name, home)), None
        except OSError as error:
            why = f"{_title(name)} is not on this machine and cannot be downloaded ({error})"
            how = f"Put {file} into ~/.medmnist, or give its path with {flag}"
            if option == name:
                raise BadInput(f"{why}. {how}, or use {flag} {PHANTOM}.") from None
            return phantom(), f"{loudly}: {why}. {instead}. {how}."
    except BadInput:
        raise
    except ValueError as error:
        raise BadInput(str(error)) from None


def _title(name: str) -> str:
    """How a data set is written, which is also its class in medmnist: PneumoniaMNIST."""
    return medmnist.INFO[name]["python_class"]


def _download_dataset(name: str, folder: Path) -> Path:
    """Fetch a data set with medmnist, which checks its MD5, and put it in place whole or not at all.

    Raises:
        OSError: It could not be downloaded or stored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # medmnist downloads with torchvision, whose import it would not survive beside a CPU-only torch.
    import trainables.parts.torchvision_import  # noqa: F401

    with tempfile.TemporaryDirectory(dir=folder) as unfinished, downloading(_title(name)):
        try:
            getattr(medmnist, _title(name))(split="train", root=unfinished, download=True)
        except RuntimeError:
            # medmnist's own message is a page of advice.
            raise OSError("no connection, or the file's checksum is wrong") from None
        return (Path(unfinished) / f"{name}.npz").replace(folder / f"{name}.npz")

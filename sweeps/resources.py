"""Finds the images and the weights, once, on the driver; workers never look for either or download anything."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import medmnist
import torch
from torch import Tensor

from sweeps.bad_input import BadInput, path_of
from trainables.backbones import BACKBONES, empty_backbone, random_backbone, weights_fingerprint
from trainables.data import PHANTOM, Dataset, OtherDataset, load_npz, load_other_npz, phantom_dataset, phantom_other

AUTO, IMAGENET, RANDOM, PNEUMONIAMNIST = "auto", "imagenet", "random", "pneumoniamnist"
DOWNLOAD_TIMEOUT_S = 10.0
Found = TypeVar("Found", Dataset, OtherDataset)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A backbone's weights: where they come from ("imagenet", "random" or a file), what they are."""

    source: str
    fingerprint: str
    state: Mapping[str, Tensor]

    @property
    def is_random(self) -> bool:
        """Whether nothing was ever learned by them."""
        return self.source == RANDOM


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
            if folder is not None and (folder / file).is_file():
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
    import trainables.vision  # noqa: F401

    with tempfile.TemporaryDirectory(dir=folder) as unfinished, _downloading(_title(name)):
        try:
            getattr(medmnist, _title(name))(split="train", root=unfinished, download=True)
        except RuntimeError:
            # medmnist's own message is a page of advice.
            raise OSError("no connection, or the file's checksum is wrong") from None
        return (Path(unfinished) / f"{name}.npz").replace(folder / f"{name}.npz")


@contextmanager
def _downloading(what: str) -> Iterator[None]:
    """Say what is being fetched, in our words instead of the library's, and do not wait for ever."""
    print(f"Fetching {what} ...", file=sys.stderr, flush=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)


def find_weights(option: str, backbones: Sequence[str]) -> tuple[dict[str, Weights], str | None]:
    """The weights of each backbone as `--weights` asks, and a notice if they are not what one would have hoped for.

    Backbones that are meant to be random are so whatever is asked for. Of the others, either all get ImageNet weights
    or none does: a mixture would compare approaches unfairly.

    Raises:
        BadInput: They were asked for by name and cannot be had, or a file does not fit.
    """
    if option not in (AUTO, IMAGENET, RANDOM) and not path_of(option).exists():
        raise BadInput(
            f"Expected --weights as imagenet, random, auto or a path; there is no such file or folder as {option}."
        )
    if not backbones:
        return {}, None
    untrained = {name: _random_weights(name) for name in backbones if not BACKBONES[name].pretrained}
    backbones = [name for name in backbones if name not in untrained]
    if option == RANDOM:
        return untrained | {name: _random_weights(name) for name in backbones}, None
    if option not in (AUTO, IMAGENET):
        path = path_of(option)
        return untrained | {name: _weights_from_file(path, name, len(backbones)) for name in backbones}, None
    try:
        return untrained | {name: _imagenet_weights(name) for name in backbones}, None
    except Exception as error:
        # No connection, a wrong hash and a damaged file in the cache are each another exception.
        found = (str(error).strip() or type(error).__name__).splitlines()[0]
        why = f"ImageNet weights cannot be had ({found})"
        if option == IMAGENET:
            raise BadInput(f"{why}. Give a state dict's path with --weights, or use --weights {RANDOM}.") from None
        return untrained | {name: _random_weights(name) for name in backbones}, (
            f"RANDOM WEIGHTS: {why}. The backbones are random projections instead of pretrained networks; no number "
            "below is about pretraining. Give a state dict's path with --weights."
        )


def _weights(source: str, state: Mapping[str, Tensor]) -> Weights:
    return Weights(source=source, fingerprint=weights_fingerprint(state), state=state)


def _random_weights(backbone: str) -> Weights:
    return _weights(RANDOM, random_backbone(backbone).state_dict())


def _imagenet_weights(backbone: str) -> Weights:
    """ImageNet weights as torchvision publishes them, from torch's cache or downloaded; hash-checked in either case.

    Raises:
        OSError: The file in the cache is another than the published one.
    """
    # Here and not above: importing torchvision takes a second, which sweeps from scratch need not spend.
    from trainables.vision import torchvision

    published = torchvision.models.get_model_weights(BACKBONES[backbone].network).IMAGENET1K_V1
    cached = Path(torch.hub.get_dir()) / "checkpoints" / published.url.rpartition("/")[2]
    if cached.is_file():
        # Torch checks only what it downloads. A file's name ends in the first digits of its SHA-256.
        with cached.open("rb") as file:
            if not hashlib.file_digest(file, "sha256").hexdigest().startswith(cached.stem.rpartition("-")[2]):
                raise OSError(f"{cached} is not the published file, by its checksum; delete it")
    with contextlib.nullcontext() if cached.is_file() else _downloading(f"ImageNet weights of {backbone}"):
        state = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    return _weights(IMAGENET, _fitting(state, backbone, Path(published.url)))


def _weights_from_file(path: Path, backbone: str, backbones: int) -> Weights:
    """A state dict of torchvision's form from a file, or from `<backbone>.pth` in a folder. Nothing in it is executed.

    Raises:
        BadInput: It cannot be read as tensors, or does not fit the backbone.
    """
    if path.is_dir():
        path = path / f"{backbone}.pth"
    elif backbones > 1:
        raise BadInput(
            f"Expected --weights as a folder with <backbone>.pth for each of {backbones} backbones; got {path}."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(f"Expected the weights of {backbone} at {path}; there is no such file.") from None
    except Exception as error:
        raise BadInput(
            f"Expected a state dict of tensors at {path}; torch cannot read it as one ({type(error).__name__}). "
            "Save it with torch.save(network.state_dict(), path)."
        ) from None
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        # As training frameworks save it, among other things.
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    ):
        raise BadInput(
            f"Expected a state dict (names to tensors) at {path}; got {type(state).__name__} of other things."
        )
    found = _fitting(state, backbone, path)
    if not all(bool(tensor.isfinite().all()) for tensor in found.values()):
        raise BadInput(f"Expected finite weights of {backbone} in {path}; some are NaN or infinite.")
    return _weights(str(path.resolve()), found)


def _fitting(state: Mapping[str, Tensor], backbone: str, path: Path) -> dict[str, Tensor]:
    """What the backbone needs of a state dict of torchvision's form, whose classifier is left out.

    Raises:
        BadInput: Something is missing or has another shape; the message names it.
    """
    wanted = empty_backbone(backbone).state_dict()
    found: dict[str, Tensor] = {}
    for name, tensor in wanted.items():
        if name.endswith("num_batches_tracked"):
            # Old files lack it, and nothing in eval mode reads it.
            found[name] = torch.tensor(0)
            continue
        shape = tuple(state[name].shape) if name in state else None
        if shape != tuple(tensor.shape):
            raise BadInput(
                f"Expected {name} of shape {tuple(tensor.shape)} for {backbone} in {path}; "
                f"got {'none' if shape is None else shape}."
            )
        value = state[name]
        if not value.is_floating_point() or value.layout != torch.strided or value.is_meta:
            raise BadInput(
                f"Expected {name} of dense floating-point numbers for {backbone} in {path}; got {value.dtype}, "
                f"{value.layout}, on {value.device}."
            )
        found[name] = value.detach().to(tensor.dtype)
    return found

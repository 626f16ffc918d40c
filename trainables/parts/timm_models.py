"""Networks of timm by their names there: their stages in a row, and the sizes of images that they take.

timm's own way to inner maps is `forward_intermediates`. Of a convolutional network it gives the map behind each stage,
and of a vision transformer what leaves each block: patch tokens (N, T, D) as a map (N, D, Y, X), without the class
token and the registers. A stage is counted from 1 in that row.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

# Floating-point operations that one CPU core does in a second, roughly.
FLOPS_PER_SECOND = 80e9


@dataclass(frozen=True, kw_only=True)
class Published:
    """What timm publishes of a network: its weights' full name, and where they are on the hub or else in the web."""

    name: str
    hub_id: str | None
    url: str | None


def _timm() -> Any:
    """The library, whose import takes seconds."""
    # timm imports torchvision, so torchvision must be there before.
    from trainables.parts.torchvision_import import torchvision

    assert torchvision
    import timm

    return timm


def check_name(network: str) -> None:
    """Refuse a name that timm does not know.

    Raises:
        ValueError: It does not; the message has the closest names that it does.
    """
    timm = _timm()
    known = {*timm.list_models(), *timm.list_pretrained()}
    if network not in known:
        close = difflib.get_close_matches(network, sorted(known), 4, 0.5)
        hint = f"; near it are {', '.join(close)}" if close else ""
        raise ValueError(
            f"Expected the name of a model of timm as --backbone, such as resnet18 or convnext_tiny.fb_in1k; got "
            f"{network!r}{hint}. `timm.list_models()` has them all."
        )


def build_whole(network: str) -> nn.Module:
    """The network with its classifier, randomly initialised."""
    found: nn.Module = _timm().create_model(network, pretrained=False)
    return found


def build(network: str, **more: Any) -> nn.Module:
    """The network without its classifier, randomly initialised, in eval mode.

    A vision transformer that can is made to take images of any multiple of its patches: its positions stay as they
    were learned, and are resampled for each image.
    """
    create = functools.partial(_timm().create_model, network, num_classes=0, **more)
    try:
        found: nn.Module = create(dynamic_img_size=True)
    except TypeError:
        # Most networks know no such option, and need none.
        found = create()
    return found.eval()


def maps_behind(network: nn.Module, stages: Collection[int]) -> Callable[[Tensor], Mapping[int, Tensor]]:
    """A function from images (N, 3, S, S) to the map (N, C, Y, X) behind each of these stages.

    Nothing behind the last of them is computed.
    """
    in_order = sorted(set(stages))
    return lambda images: dict(zip(in_order, _maps(network, images, [stage - 1 for stage in in_order]), strict=True))


def _maps(network: Any, images: Tensor, indices: list[int] | None) -> list[Tensor]:
    return network.forward_intermediates(
        images, indices=indices, stop_early=True, output_fmt="NCHW", intermediates_only=True
    )


@functools.lru_cache(maxsize=2)
def _without_values(network: str) -> nn.Module:
    with torch.device("meta"):
        return build(network)


@functools.cache
def shapes(network: str, size_px: int) -> tuple[tuple[int, ...], ...]:
    """The shape (C, Y, X) of the map behind each stage, for images of that size; nothing is computed.

    Raises:
        ValueError: The network takes no such images, or has no maps in a row.
    """
    try:
        with torch.inference_mode():
            images = torch.empty(1, 3, size_px, size_px, device="meta")
            found = tuple(tuple(each.shape[1:]) for each in _maps(_without_values(network), images, None))
    except Exception as error:
        # Each architecture refuses in its own way, down to a shape that does not fit somewhere inside.
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if not found or any(len(shape) != 3 for shape in found):
        raise ValueError(f"its inner outputs are {', '.join(map(str, found)) or 'none'} and no maps (C, Y, X)")
    return found


def own_size(network: str) -> int:
    """The size of images that the network was made for."""
    return int(_timm().get_pretrained_cfg(network).input_size[-1])


@functools.cache
def size_near(network: str, wanted_px: int) -> int:
    """The size of images nearest to the wanted one that the network takes; its own where it takes none within a third.

    Looked at are the wanted one and multiples of the usual patches.
    """
    steps = {step * count for step in (14, 16, 32) for count in range(1, 2 * wanted_px // step)}
    near = [size for size in steps if wanted_px * 2 / 3 <= size <= wanted_px * 4 / 3]
    for size_px in sorted({wanted_px, *near}, key=lambda size: (abs(size - wanted_px), size)):
        try:
            shapes(network, size_px)
        except ValueError:
            continue
        return size_px
    return own_size(network)


@functools.cache
def seconds_per_image(network: str) -> float:
    """About how long a CPU core needs for an image of 224 pixels in float32, from the number of operations."""
    size_px = size_near(network, 224)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        _maps(_without_values(network), torch.empty(1, 3, size_px, size_px, device="meta"), None)
    return counter.get_total_flops() / FLOPS_PER_SECOND * (224 / size_px) ** 2


def normalisation(network: str, known: Mapping[str, Any]) -> str:
    """Which of the known input normalisations, by name, the network was trained with; ImageNet's if none of them."""
    config = _timm().get_pretrained_cfg(network)
    return next((name for name, values in known.items() if values == (config.mean, config.std)), "imagenet")


def published(network: str) -> Published:
    """What timm publishes of the network."""
    config = _timm().get_pretrained_cfg(network)
    url = config.url[0] if isinstance(config.url, tuple) else config.url
    name = f"{config.architecture}.{config.tag}" if config.tag else str(config.architecture)
    return Published(name=name, hub_id=config.hf_hub_id, url=url)


def state_from(network: str, path: Path) -> dict[str, Tensor]:
    """The state dict of the network with the weights in a file that timm published, under the names that it has now.

    timm reads tensors and executes nothing.
    """
    overlay = {"file": str(path), "custom_load": False}
    return dict(build(network, pretrained=True, pretrained_cfg_overlay=overlay).state_dict())

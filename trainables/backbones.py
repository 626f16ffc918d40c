"""Frozen networks trained elsewhere: what they turn an image into.

A frozen backbone is in eval mode and its output never changes, so the 2000 images of the protocol go through it once;
every trial and seed then reads the table of features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """Where torchvision's network ends and its own 1000-class classifier begins, and what it costs.

    `pooled_side` is the side of the feature map that the classifier gets; `seconds_an_image` is for one CPU core and
    224 pixels, for the plan.
    """

    pooled_side: int
    seconds_an_image: float


BACKBONES = {
    "alexnet": Backbone(pooled_side=6, seconds_an_image=0.008),
    "vgg11": Backbone(pooled_side=7, seconds_an_image=0.14),
}
POOLINGS = ("full", "mean")


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """One table of features: everything it depends on besides the images and the weights.

    `pooling` "full" keeps the feature map as torchvision's classifier gets it, flattened channel by channel (AlexNet
    256 x 6 x 6 = 9216, VGG11 512 x 7 x 7 = 25088 numbers); "mean" averages it over its positions (256, 512).
    """

    backbone: str
    pooling: str
    size_px: int = 224

    @property
    def name(self) -> str:
        """The name of the view, and of the table's file."""
        return f"{self.backbone}-{self.size_px}px-{self.pooling}"

    def with_size(self, size_px: int) -> FeatureSpec:
        """The same for another input size."""
        return replace(self, size_px=size_px)


def random_backbone(name: str) -> nn.Module:
    """The backbone of that name, randomly initialised as torchvision does it, always from the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _build(name)


def empty_backbone(name: str) -> nn.Module:
    """The backbone of that name without values, to be given some; skips the slow initialisation."""
    with torch.device("meta"):
        return _build(name)


def _build(name: str) -> nn.Module:
    """The network without torchvision's classifier: images (N, 3, S, S) -> feature maps (N, C, side, side).

    Raises:
        ValueError: No such backbone.
    """
    if name not in BACKBONES:
        raise ValueError(f"Expected a backbone from {', '.join(BACKBONES)}; got {name!r}.")
    # Importing torchvision takes a second, which trials that only read features need not spend.
    from trainables.vision import torchvision

    network = torchvision.models.get_model(name, weights=None)
    return nn.Sequential(network.features, nn.AdaptiveAvgPool2d(BACKBONES[name].pooled_side)).eval()


def weights_fingerprint(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and values, 16 hexadecimal digits of it."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def extractor(backbone_name: str, weights: Mapping[str, Tensor], size_px: int) -> Callable[[Tensor], dict[str, Tensor]]:
    """A function from uint8 images (N, 28, 28) to their features (N, D) for each pooling.

    As in the report: upscaled to `size_px` (bilinear), grey repeated to three channels, Normalize(.5, .5).
    """
    backbone = empty_backbone(backbone_name).to_empty(device="cpu")
    backbone.load_state_dict(dict(weights))
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def extract(images_NHW: Tensor) -> dict[str, Tensor]:
        with torch.inference_mode():
            grey_N1SS = interpolate(
                images_NHW[:, None].float() / 127.5 - 1, size=(size_px, size_px), mode="bilinear", align_corners=False
            )
            colour_N3SS = grey_N1SS.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
            map_NCYX = backbone(colour_N3SS).contiguous()
            return {"full": map_NCYX.flatten(1), "mean": map_NCYX.mean((2, 3))}

    return extract

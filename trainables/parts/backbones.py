"""Networks pretrained on other images: what they turn an image into.

A frozen backbone is in eval mode and its output never changes, so the 2000 images of the protocol go through it once;
every trial and seed then reads the table of features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

# Raise it in the commit that changes what `extractor` gives: tables of another version are computed again.
FEATURES_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One of torchvision's networks without its classifier of 1000 classes, and what it costs.

    `side` is the side of the feature map that torchvision's classifier gets; `seconds_per_image` is for one CPU core,
    224 pixels and float32, for the plan. One that is not `pretrained` has random weights whatever is asked for.
    """

    network: str
    side: int
    seconds_per_image: float
    pretrained: bool = True


BACKBONES = {
    "alexnet": Backbone(network="alexnet", side=6, seconds_per_image=0.011),
    "vgg11": Backbone(network="vgg11", side=7, seconds_per_image=0.16),
    "vgg11_bn": Backbone(network="vgg11_bn", side=7, seconds_per_image=0.16),
    "vgg16": Backbone(network="vgg16", side=7, seconds_per_image=0.30),
    "resnet50": Backbone(network="resnet50", side=1, seconds_per_image=0.10),
    "vgg11_random": Backbone(network="vgg11", side=7, seconds_per_image=0.16, pretrained=False),
}

# Mean and sd of the three colours, for grey values of 0 to 1: the study's, and what the networks were trained with.
INPUT_NORMALISATIONS = {
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def before_last(blocks: int) -> str:
    """The output that the last so many blocks of a backbone get."""
    return f"before-last-{blocks}"


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """One table of features: everything it depends on besides the images and the weights.

    `output` "full" is the feature map as torchvision's classifier gets it, flattened channel by channel (AlexNet
    256 x 6 x 6 = 9216 numbers, VGG 512 x 7 x 7 = 25088, ResNet50 2048); "mean" is the last map averaged over its
    positions (256, 512, 2048); `before_last(k)` is the map (C, Y, X) that goes into the last k blocks.
    """

    backbone: str
    output: str
    size_px: int = 224
    normalisation: str = "half"
    precision: str = "float32"

    @property
    def name(self) -> str:
        """The name of the view; the precision is the sweep's and not a trial's affair."""
        return f"{self.backbone}-{self.size_px}px-{self.normalisation}-{self.output}"


def random_backbone(name: str) -> nn.Module:
    """The backbone of that name, randomly initialised as torchvision does it, always from the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _build(name)


def empty_backbone(name: str) -> nn.Module:
    """The backbone of that name without values, to be given some; skips the slow initialisation."""
    with torch.device("meta"):
        return _build(name)


def backbone_with(name: str, weights: Mapping[str, Tensor]) -> nn.Module:
    """The backbone of that name with these weights, which stay as they are, in eval mode."""
    backbone = empty_backbone(name).to_empty(device="cpu")
    backbone.load_state_dict(dict(weights))
    return backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _build(name: str) -> nn.Module:
    """The network without torchvision's classifier, under torchvision's names.

    Raises:
        ValueError: No such backbone.
    """
    if name not in BACKBONES:
        raise ValueError(f"Expected a backbone from {', '.join(BACKBONES)}; got {name!r}.")
    # Importing torchvision takes a second, which trials that only read features need not spend.
    from trainables.parts.torchvision_import import torchvision

    network: nn.Module = torchvision.models.get_model(BACKBONES[name].network, weights=None)
    for classifier in ("classifier", "fc"):
        if hasattr(network, classifier):
            setattr(network, classifier, nn.Identity())
    return network.eval()


def blocks(backbone: nn.Module) -> list[nn.Module]:
    """The backbone's layers in a row, from images (N, 3, S, S) to the last feature map (N, C, Y, X).

    A block of AlexNet (3) or VGG (5) ends with a max-pooling; those of a ResNet (5) are its stem and its four layers.
    """
    parts = dict(backbone.named_children())
    if "layer1" in parts:
        stem = nn.Sequential(*(parts[name] for name in ("conv1", "bn1", "relu", "maxpool")))
        return [stem, *(parts[f"layer{number}"] for number in range(1, 5))]
    found: list[list[nn.Module]] = [[]]
    for layer in parts["features"].children():
        found[-1].append(layer)
        if isinstance(layer, nn.MaxPool2d):
            found.append([])
    return [nn.Sequential(*layers) for layers in found if layers]


def weights_fingerprint(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and values, 16 hexadecimal digits of it."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def coloured(images_NHW: Tensor, size_px: int, normalisation: str) -> Tensor:
    """uint8 grey images as a backbone gets them: upscaled (bilinear), three colours, normalised; (N, 3, S, S)."""
    means, sds = (torch.tensor(values)[:, None, None] for values in INPUT_NORMALISATIONS[normalisation])
    grey_N1SS = interpolate(
        images_NHW[:, None].float() / 255, size=(size_px, size_px), mode="bilinear", align_corners=False
    )
    return ((grey_N1SS - means) / sds).contiguous(memory_format=torch.channels_last)


def extractor(
    spec: FeatureSpec, outputs: Sequence[str], weights: Mapping[str, Tensor]
) -> Callable[[Tensor], dict[str, Tensor]]:
    """A function from uint8 images (N, 28, 28) to their float32 features for each of `outputs`.

    Args:
        spec: The backbone, and what goes into it; `spec.output` is not looked at, since one run gives all outputs.
        outputs: As in `FeatureSpec`.
        weights: The backbone's state dict.

    Raises:
        ValueError: There is no output of that name.
    """
    dtype = PRECISIONS[spec.precision]
    stages = blocks(backbone_with(spec.backbone, weights).to(dtype))
    inputs = {before_last(len(stages) - index): index for index in range(len(stages))}
    unknown = set(outputs) - {"full", "mean", *inputs}
    if unknown:
        raise ValueError(f"Expected outputs from full, mean, {', '.join(inputs)}; got {', '.join(sorted(unknown))}.")

    def extract(images_NHW: Tensor) -> dict[str, Tensor]:
        features = {}
        with torch.inference_mode():
            map_NCYX = coloured(images_NHW, spec.size_px, spec.normalisation).to(dtype)
            for name, stage in zip(inputs, stages, strict=True):
                if name in outputs:
                    features[name] = map_NCYX.float().contiguous()
                map_NCYX = stage(map_NCYX)
            map_NCYX = map_NCYX.float().contiguous()
            if "full" in outputs:
                features["full"] = adaptive_avg_pool2d(map_NCYX, BACKBONES[spec.backbone].side).flatten(1)
            if "mean" in outputs:
                features["mean"] = map_NCYX.mean((2, 3))
        return features

    return extract

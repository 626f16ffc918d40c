"""Networks pretrained on other images: what they turn an image into.

A frozen backbone is in eval mode and its output never changes, so the images of the protocol go through it once; every
trial and seed then reads the table of features.

Shapes: N = images, H, W = their height and width, S = the size that a backbone gets, C = channels, Y, X = positions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from trainables.parts import timm_models

# Raise it in the commit that changes what `extractor` gives: tables of another version are computed again.
FEATURES_VERSION = 2
# Images that go through a backbone together: more are no faster, and the first maps of VGG16 take 13 MB each.
CHUNK = 20


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network of a library without its classifier of 1000 classes, unless it is `with_classifier`; and what it costs.

    `side` is the side of the feature map that the library's classifier gets; `seconds_per_image` is for one CPU core,
    224 pixels and float32, for the plan, and None is an estimate. One that is not `pretrained` has random weights
    whatever is asked for. `library` is "torchvision", or "timm", whose networks are only tapped behind their stages, or
    "package" for one of timm's that has its weights from an installed package and is tapped behind every block.
    """

    network: str
    side: int = 1
    seconds_per_image: float | None = None
    pretrained: bool = True
    library: str = "torchvision"
    with_classifier: bool = False


BACKBONES = {
    "alexnet": Backbone(network="alexnet", side=6, seconds_per_image=0.011),
    "vgg11": Backbone(network="vgg11", side=7, seconds_per_image=0.16),
    "vgg11_bn": Backbone(network="vgg11_bn", side=7, seconds_per_image=0.16),
    "vgg16": Backbone(network="vgg16", side=7, seconds_per_image=0.30),
    "resnet50": Backbone(network="resnet50", side=1, seconds_per_image=0.10),
    "vgg11_random": Backbone(network="vgg11", side=7, seconds_per_image=0.16, pretrained=False),
    # Its time is that of the blocks that are looked at, the first 8 of 16.
    "efficientnet_lite0": Backbone(network="tf_efficientnet_lite0", seconds_per_image=0.03, library="package"),
    "resnet18": Backbone(network="resnet18", seconds_per_image=0.04),
    "densenet121": Backbone(network="densenet121.ra_in1k", seconds_per_image=0.09, library="timm"),
    "dinov2_small": Backbone(network="vit_small_patch14_dinov2.lvd142m", seconds_per_image=0.15, library="timm"),
    "convnext_tiny": Backbone(network="convnext_tiny.in12k_ft_in1k", seconds_per_image=0.12, library="timm"),
    # VGG11 with ImageNet's classifier, whose 124 million weights only what looks at its outputs should load.
    "vgg11_logits": Backbone(network="vgg11", side=7, seconds_per_image=0.17, with_classifier=True),
}
# What stands before the name of any other network of timm that is a backbone.
OF_TIMM = "timm:"

# Numbers that a tap gives of an image at the most: those of VGG's last map at 224 pixels.
MOST_FEATURES = 512 * 7 * 7

# Mean and sd of the three colours, for values of 0 to 1: the study's, and what the networks were trained with.
INPUT_NORMALISATIONS = {
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def backbone_of(name: str) -> Backbone:
    """The backbone of that name.

    Raises:
        ValueError: There is none.
    """
    if name.startswith(OF_TIMM):
        return Backbone(network=name.removeprefix(OF_TIMM), library="timm")
    if name not in BACKBONES:
        raise ValueError(f"Expected a backbone from {', '.join(BACKBONES)}, or {OF_TIMM}NAME; got {name!r}.")
    return BACKBONES[name]


def seconds_per_image(name: str) -> float:
    """About how long a CPU core needs for an image of 224 pixels in float32."""
    backbone = backbone_of(name)
    if backbone.seconds_per_image is None:
        return timm_models.seconds_per_image(backbone.network)
    return backbone.seconds_per_image


def size_near(name: str, wanted_px: int) -> int:
    """The size of images nearest to the wanted one that the backbone takes."""
    backbone = backbone_of(name)
    return timm_models.size_near(backbone.network, wanted_px) if backbone.library == "timm" else wanted_px


def before_last(blocks: int) -> str:
    """The output that the last so many blocks of a backbone get."""
    return f"before-last-{blocks}"


def after(block: int, *, cut: int = 0, side: int = 7, enlarged: bool = False) -> str:
    """The output of a backbone's `block`-th block, counted from 1: a tap.

    `cut` eighths of the map (C, Y, X), in whole positions and at least one, are cut from each of its four sides, which
    have seen the padding and least of what the image shows; one position is always left. The rest is averaged to
    `side` x `side` positions and flattened channel by channel. There are fewer positions where the map has fewer,
    unless it is to be `enlarged`, and where there would be more than `MOST_FEATURES` numbers.
    """
    return f"after-{block}-cut-{cut}of8-{side}x{side}" + ("-enlarged" if enlarged else "")


@dataclass(frozen=True, kw_only=True)
class _Tap:
    """What the name that `after` gives says."""

    block: int
    cut: int
    side: int
    enlarged: bool

    @classmethod
    def of(cls, output: str) -> _Tap | None:
        """The tap of that name; None if the name is of another kind of output."""
        found = re.fullmatch(r"after-(\d+)-cut-(\d+)of8-(\d+)x\3(-enlarged)?", output)
        if not found:
            return None
        block, cut, side = map(int, found.groups()[:3])
        return cls(block=block, cut=cut, side=side, enlarged=bool(found[4]))

    def features(self, map_NCYX: Tensor) -> Tensor:
        """The features (N, C * side * side) of the map behind the block."""
        shortest = min(map_NCYX.shape[2:])
        cut = min(max(round(self.cut * shortest / 8), min(self.cut, 1)), (shortest - 1) // 2)
        inner_NCYX = map_NCYX[:, :, cut : map_NCYX.shape[2] - cut, cut : map_NCYX.shape[3] - cut].float()
        side = self.side if self.enlarged else min(self.side, shortest - 2 * cut)
        return adaptive_avg_pool2d(inner_NCYX, min(side, isqrt(MOST_FEATURES // map_NCYX.shape[1]))).flatten(1)


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """One table of features: everything it depends on besides the images and the weights.

    `output` "full" is the feature map as the library's classifier gets it, flattened channel by channel (AlexNet
    256 x 6 x 6 = 9216 numbers, VGG 512 x 7 x 7 = 25088, ResNet50 2048); "mean" is the last map averaged over its
    positions (256, 512, 2048); "logits" are the 1000 outputs of a backbone's own classifier, if it has it;
    `before_last(k)` is the map (C, Y, X) that goes into the last k blocks; `after(k)` is
    what comes out of the k-th, pooled. `interpolation`, by which images come to `size_px`, is "bilinear" or "bicubic";
    those that are `mirrored` are flipped left-right before anything else.
    """

    backbone: str
    output: str
    size_px: int = 224
    normalisation: str = "half"
    precision: str = "float32"
    interpolation: str = "bilinear"
    mirrored: bool = False

    @property
    def name(self) -> str:
        """The name of the view; the precision is the sweep's and not a trial's affair."""
        interpolation = "" if self.interpolation == "bilinear" else f"-{self.interpolation}"
        mirrored = "-mirrored" if self.mirrored else ""
        return f"{self.backbone}-{self.size_px}px-{self.normalisation}{interpolation}{mirrored}-{self.output}"


def random_backbone(name: str) -> nn.Module:
    """The backbone of that name, randomly initialised as its library does it, always from the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _build(name)


def empty_backbone(name: str) -> nn.Module:
    """The backbone of that name without values, to be given some; skips the slow initialisation."""
    with torch.device("meta"):
        return _build(name)


def backbone_with(name: str, weights: Mapping[str, Tensor]) -> nn.Module:
    """The backbone of that name with these weights, which stay as they are, in eval mode."""
    if backbone_of(name).library == "timm":
        # Its networks have values that are no weights, such as the frequencies of positions; only this sets them.
        backbone = random_backbone(name)
    else:
        backbone = empty_backbone(name).to_empty(device="cpu")
    backbone.load_state_dict(dict(weights))
    return backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _build(name: str) -> nn.Module:
    """The network under its library's names, without its library's classifier unless the backbone has that.

    Raises:
        ValueError: No such backbone.
    """
    backbone = backbone_of(name)
    if backbone.library == "timm":
        return timm_models.build(backbone.network)
    if backbone.library == "package":
        network = timm_models.build_whole(backbone.network)
    else:
        # Importing torchvision takes a second, which trials that only read features need not spend.
        from trainables.parts.torchvision_import import torchvision

        network = torchvision.models.get_model(backbone.network, weights=None)
    for classifier in ("classifier", "fc"):
        if hasattr(network, classifier) and not BACKBONES[name].with_classifier:
            setattr(network, classifier, nn.Identity())
    return network.eval()


def blocks(backbone: nn.Module) -> list[nn.Module]:
    """The backbone's layers in a row, from images (N, 3, S, S) to the last feature map (N, C, Y, X).

    A block of AlexNet (3) or VGG (5) ends with a max-pooling; those of a ResNet (5) are its stem and its four layers.
    Those of an EfficientNet (Lite0: 17) are its own, of which the first has the stem before it, and the convolution
    behind them.
    """
    parts = dict(backbone.named_children())
    if "conv_stem" in parts:
        first, *others = (block for stage in parts["blocks"].children() for block in stage.children())
        head = nn.Sequential(parts["conv_head"], parts["bn2"])
        return [nn.Sequential(parts["conv_stem"], parts["bn1"], first), *others, head]
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


def coloured(images: Tensor, size_px: int, normalisation: str, interpolation: str = "bilinear") -> Tensor:
    """Images as a backbone gets them: of its size, three colours, normalised; (N, 3, S, S).

    They are enlarged from the pixels there are. Images that are larger than S are made smaller with a filter as wide as
    what becomes a pixel, as Pillow does it ("antialias"). "bicubic" goes a little beyond black and white, and is not
    clipped.

    Args:
        images: uint8, grey (N, H, W) or of three colours (N, H, W, 3).
        size_px: S.
        normalisation: Of `INPUT_NORMALISATIONS`.
        interpolation: As in `FeatureSpec`.
    """
    means, sds = (torch.tensor(values)[:, None, None] for values in INPUT_NORMALISATIONS[normalisation])
    # Colours are planes like others here, since torch has another kernel for images of three: so three equal colours
    # have the bits of grey.
    planes = (images if images.ndim == 3 else images.permute(0, 3, 1, 2).flatten(0, 1))[:, None]
    resized = interpolate(
        planes.float() / 255,
        size=(size_px, size_px),
        mode=interpolation,
        align_corners=False,
        antialias=max(planes.shape[2:]) > size_px,
    )
    colours = resized.reshape(len(images), -1, size_px, size_px)
    return ((colours - means) / sds).contiguous(memory_format=torch.channels_last)


def _inputs(spec: FeatureSpec, images: Tensor) -> Tensor:
    """What a backbone gets of images, (N, 3, S, S) in its precision."""
    # Left and right are along their third dimension, whether colours follow or not.
    seen = images.flip(2) if spec.mirrored else images
    return coloured(seen, spec.size_px, spec.normalisation, spec.interpolation).to(getattr(torch, spec.precision))


def extractor(
    spec: FeatureSpec, outputs: Sequence[str], weights: Mapping[str, Tensor]
) -> Callable[[Tensor], dict[str, Tensor]]:
    """A function from images, as `coloured` takes them, to their float32 features for each of `outputs`.

    Args:
        spec: The backbone, and what goes into it; `spec.output` is not looked at, since one run gives all outputs.
        outputs: As in `FeatureSpec`.
        weights: The backbone's state dict.

    Raises:
        ValueError: There is no output of that name.
    """
    if backbone_of(spec.backbone).library == "timm":
        return _stages_extractor(spec, outputs, weights)
    dtype = getattr(torch, spec.precision)
    network = backbone_with(spec.backbone, weights).to(dtype)
    stages = blocks(network)
    named = ["full", "mean", *(["logits"] if BACKBONES[spec.backbone].with_classifier else [])]
    inputs = {before_last(len(stages) - index): index for index in range(len(stages))}
    taps = {name: tap for name in outputs if (tap := _Tap.of(name)) and 1 <= tap.block <= len(stages) and tap.side}
    unknown = set(outputs) - {*named, *inputs, *taps}
    if unknown:
        raise ValueError(
            f"Expected outputs from {', '.join([*named, *inputs])}, or after-K-cut-Cof8-SxS with K from 1 to "
            f"{len(stages)}; got {', '.join(sorted(unknown))}."
        )
    # Nothing behind the last block that is needed is computed.
    ends = {"full": len(stages), "mean": len(stages), "logits": len(stages)}
    ends |= {**inputs, **{name: tap.block for name, tap in taps.items()}}
    needed = max((ends[name] for name in outputs), default=0)

    def extract(images: Tensor) -> dict[str, Tensor]:
        features = {}
        with torch.inference_mode():
            map_NCYX = _inputs(spec, images)
            for count in range(needed + 1):
                # The map behind the first `count` blocks.
                before = before_last(len(stages) - count)
                if before in outputs:
                    features[before] = map_NCYX.float().contiguous()
                features |= {name: tap.features(map_NCYX) for name, tap in taps.items() if tap.block == count}
                if count < needed:
                    map_NCYX = stages[count](map_NCYX)
            map_NCYX = map_NCYX.float().contiguous()
            if "full" in outputs:
                features["full"] = adaptive_avg_pool2d(map_NCYX, BACKBONES[spec.backbone].side).flatten(1)
            if "logits" in outputs:
                full_ND = adaptive_avg_pool2d(map_NCYX, BACKBONES[spec.backbone].side).flatten(1)
                features["logits"] = network.get_submodule("classifier")(full_ND.to(dtype)).float()
            if "mean" in outputs:
                features["mean"] = map_NCYX.mean((2, 3))
        return features

    return extract


def _stages_extractor(
    spec: FeatureSpec, outputs: Sequence[str], weights: Mapping[str, Tensor]
) -> Callable[[Tensor], dict[str, Tensor]]:
    """The same of a network of timm, whose outputs are all taps."""
    taps = {name: tap for name in outputs if (tap := _Tap.of(name)) and tap.block and tap.side}
    unknown = set(outputs) - set(taps)
    if unknown:
        raise ValueError(
            f"Expected outputs after-K-cut-Cof8-SxS of {spec.backbone} with K from 1; got {', '.join(sorted(unknown))}."
        )
    network = backbone_with(spec.backbone, weights).to(getattr(torch, spec.precision))
    maps_behind = timm_models.maps_behind(network, {tap.block for tap in taps.values()})

    def extract(images: Tensor) -> dict[str, Tensor]:
        with torch.inference_mode():
            maps = maps_behind(_inputs(spec, images))
            return {name: tap.features(maps[tap.block]) for name, tap in taps.items()}

    return extract

"""Heads without training on further backbones: three of timm's, one of torchvision's, and any of timm's by its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from trainables.parts import timm_models
from trainables.parts.backbones import INPUT_NORMALISATIONS, OF_TIMM, FeatureSpec, after
from trainables.parts.taps import NAMED_SIZES_PX, TAPPED_INTERPOLATION
from trainables.tapped_head import SIDE, TappedHead

# How deep a tap of any network lies: behind so many quarters of its stages.
QUARTERS = 4


class FurtherHead(TappedHead):
    """A head without training on a further backbone; a subclass names it and its taps."""

    normalisation = "imagenet"


class ResNet18Frozen(FurtherHead):
    """A head without training on an inner layer of frozen ResNet18."""

    backbone = "resnet18"
    taps = ("2@96", "3@96", "4@96", "3@140", "4@140", "5@140")


class DenseNet121(FurtherHead):
    """A head without training on an inner layer of frozen DenseNet121."""

    backbone = "densenet121"
    taps = ("2@96", "3@96", "4@96", "3@140", "4@140", "5@140")


class DINOv2Small(FurtherHead):
    """A head without training on a block of frozen DINOv2 (ViT-S/14), whose patch tokens are its map."""

    backbone = "dinov2_small"
    taps = ("4@112", "8@112", "12@112", "4@140", "8@140", "12@140")


class ConvNeXtTiny(FurtherHead):
    """A head without training on a stage of frozen ConvNeXt-Tiny."""

    backbone = "convnext_tiny"
    taps = ("1@96", "2@96", "3@96", "2@140", "3@140", "4@140")


class TimmBackbone(TappedHead):
    """A head without training on a stage of the frozen network of timm that --backbone names."""

    taps = tuple(f"{quarter}/{QUARTERS}@{size}" for size in NAMED_SIZES_PX for quarter in range(1, QUARTERS + 1))
    # By what a tap calls it, the size of images that the network takes.
    sizes_px: ClassVar[Mapping[str, int]]
    stages: ClassVar[int]

    @classmethod
    def features(cls, tap: str, cut: int, mirrored: bool) -> FeatureSpec:
        """The table of a tap: of a network of 12 stages "1/4@small" is behind the 3rd."""
        depth, _, size = tap.partition("@")
        stage = math.ceil(int(depth.partition("/")[0]) * cls.stages / QUARTERS)
        return FeatureSpec(
            backbone=cls.backbone,
            output=after(stage, cut=cut, side=SIDE),
            size_px=cls.sizes_px[size],
            normalisation=cls.normalisation,
            interpolation=TAPPED_INTERPOLATION,
            mirrored=mirrored,
        )


def tapped_head_on(network: str) -> type[TappedHead]:
    """The learner on that network of timm.

    It is a class that no file has, so Ray sends it to workers as it is; all that depends on the network is in it.

    Raises:
        ValueError: timm has no network of that name, or it has no maps in a row.
    """
    timm_models.check_name(network)
    near_px = {size: timm_models.size_near(network, wanted_px) for size, wanted_px in NAMED_SIZES_PX.items()}
    try:
        shapes = timm_models.shapes(network, near_px["small"])
    except ValueError as error:
        raise ValueError(
            f"Expected a model of timm with maps in a row as --backbone; of {network} timm gives none ({error}). "
            "Choose another."
        ) from None
    pixels = " and ".join(map(str, dict.fromkeys(near_px.values())))

    class OnNetwork(TimmBackbone):
        __doc__ = (
            f"A head without training on a stage of frozen {network} of timm, which has {len(shapes)}, at {pixels} px."
        )
        backbone = f"{OF_TIMM}{network}"
        stages = len(shapes)
        normalisation = timm_models.normalisation(network, INPUT_NORMALISATIONS)
        sizes_px = near_px

    return OnNetwork

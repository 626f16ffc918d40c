"""Taps: where frozen backbones are looked at, by the names that configurations have for it.

"8@140" is the output of a backbone's 8th block for images enlarged to 140 pixels. "5+3@224" is that of the 5th block of
one backbone and of the 3rd of another. "2@64&6@140" are two taps.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainables.parts.backbones import FeatureSpec, after

# Where EfficientNet-Lite0 is tapped: a sweep's time goes furthest with early blocks on small images and later ones on
# larger ones.
LITE0_TAPS = ("2@64", "2@80", "5@96", "6@140", "8@140")
# How images are enlarged for it and for further networks with heads without training.
TAPPED_INTERPOLATION = "bicubic"
# What a tap of any network calls sizes, and the sizes that are wanted; it has those near them that the network takes.
NAMED_SIZES_PX = {"small": 96, "large": 140}
# How many eighths may be cut from each side of its maps.
CUTS = (0, 1)


def size_px_of(tap: str) -> int:
    """The size of the images, in pixels; of several taps the largest."""
    sizes = [each.partition("@")[2] for each in tap.split("&")]
    return max(NAMED_SIZES_PX[size] if size in NAMED_SIZES_PX else int(size) for size in sizes)


def features_at(
    backbones: Sequence[str],
    tap: str,
    *,
    side: int,
    cut: int = 0,
    enlarged: bool = False,
    normalisation: str = "half",
    interpolation: str = "bilinear",
    mirrored: bool = False,
) -> tuple[FeatureSpec, ...]:
    """The table of each backbone at a tap, in the backbones' order.

    `side`, `cut` and `enlarged` are as for `after`, the rest as for `FeatureSpec`.

    Raises:
        ValueError: The tap is of another number of backbones.
    """
    blocks = tap.partition("@")[0].split("+")
    return tuple(
        FeatureSpec(
            backbone=backbone,
            output=after(int(block), cut=cut, side=side, enlarged=enlarged),
            size_px=size_px_of(tap),
            normalisation=normalisation,
            interpolation=interpolation,
            mirrored=mirrored,
        )
        for backbone, block in zip(backbones, blocks, strict=True)
    )

"""Random changes of small images, on whole batches of tensors, each image with its own draw for all its colours.

Shapes: N = images, C = colours (1 of a grey image), H = W = 28 pixels, P = control points along a side. Values are
0..1, not yet normalised; a gain may take them above 1. What a map brings in from outside the image is black (0), as in
the study's libraries.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate


@dataclass(frozen=True, kw_only=True)
class CirilloStrengths:
    """How far `cirillo` goes; by default not at all."""

    gain_spread: float = 0.0
    gamma_spread: float = 0.0
    elastic_sigma_px: float = 0.0
    elastic_points: int = 3


@dataclass(frozen=True, kw_only=True)
class SatotoStrengths:
    """How far `satoto` goes; by default not at all."""

    rotation_deg: float = 0.0
    shear_x_deg: float = 0.0
    shear_y_deg: float = 0.0
    least_scale: float = 1.0
    reflect: bool = False


@dataclass(frozen=True, kw_only=True)
class AugmentationChoice(CirilloStrengths, SatotoStrengths):
    """Which augmentation: "none", "cirillo", "satoto" or "both", and how far."""

    augmentation: str


def augment(choice: AugmentationChoice, images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Change each image by the chosen augmentation; "both" is Cirillo's, then Satoto's.

    Raises:
        ValueError: There is none of that name.
    """
    match choice.augmentation:
        case "none":
            return images_NCHW
        case "cirillo":
            return cirillo(choice, images_NCHW, generator)
        case "satoto":
            return satoto(choice, images_NCHW, generator)
        case "both":
            return satoto(choice, cirillo(choice, images_NCHW, generator), generator)
        case unknown:
            raise ValueError(f"Expected an augmentation from none, cirillo, satoto, both; got {unknown!r}.")


def cirillo(strengths: CirilloStrengths, images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Changes of intensity, then an elastic deformation in both directions (Cirillo et al. 2021)."""
    changed_NCHW = random_intensity(
        images_NCHW, gain_spread=strengths.gain_spread, gamma_spread=strengths.gamma_spread, generator=generator
    )
    return random_elastic(
        changed_NCHW, points=strengths.elastic_points, sigma_px=strengths.elastic_sigma_px, generator=generator
    )


def satoto(strengths: SatotoStrengths, images_NCHW: Tensor, generator: torch.Generator) -> Tensor:
    """One affine map an image (Satoto et al. 2020). Their auto-contrast, which comes first, is a normalisation here."""
    return random_affine(
        images_NCHW,
        rotation_deg=strengths.rotation_deg,
        shear_x_deg=strengths.shear_x_deg,
        shear_y_deg=strengths.shear_y_deg,
        least_scale=strengths.least_scale,
        reflect=strengths.reflect,
        generator=generator,
    )


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.empty(count).uniform_(low, high, generator=generator)


def random_intensity(
    images_NCHW: Tensor, *, gain_spread: float, gamma_spread: float, generator: torch.Generator
) -> Tensor:
    """Change x to gain * x^gamma, with gain ~ U(1 +- gain_spread) and gamma ~ U(1 +- gamma_spread) for each image.

    Cirillo et al. 2021, who use a spread of 0.2 for both.
    """
    count = len(images_NCHW)
    gain_N = _uniform(count, 1 - gain_spread, 1 + gain_spread, generator)
    gamma_N = _uniform(count, 1 - gamma_spread, 1 + gamma_spread, generator)
    return gain_N[:, None, None, None] * images_NCHW.pow(gamma_N[:, None, None, None])


def random_elastic(images_NCHW: Tensor, *, points: int, sigma_px: float, generator: torch.Generator) -> Tensor:
    """Move a coarse grid of P x P control points by N(0, sigma_px^2) in both directions and bend the image along.

    The displacement between control points is bicubic and the image bilinear (Ronneberger et al. 2015; the 3 x 3 grid
    with sigma 1 is Cirillo et al. 2021).
    """
    count, _, height, width = images_NCHW.shape
    control_N2PP = sigma_px * torch.randn(count, 2, points, points, generator=generator)
    shift_N2HW = interpolate(control_N2PP, size=(height, width), mode="bicubic", align_corners=True)
    # grid_sample counts from -1 to 1 between the centres of the outermost pixels.
    in_grid_units_2 = torch.tensor([2 / (width - 1), 2 / (height - 1)])
    identity_1HW2 = affine_grid(torch.eye(2, 3)[None], [1, 1, height, width], align_corners=True)
    grid_NHW2 = identity_1HW2 + shift_N2HW.permute(0, 2, 3, 1) * in_grid_units_2
    return grid_sample(images_NCHW, grid_NHW2, mode="bilinear", padding_mode="zeros", align_corners=True)


def random_affine(
    images_NCHW: Tensor,
    *,
    rotation_deg: float,
    shear_x_deg: float,
    shear_y_deg: float,
    least_scale: float,
    reflect: bool,
    generator: torch.Generator,
) -> Tensor:
    """Rotate, shear and shrink each image about its centre, and mirror every other one left to right.

    Angles are U(-limit, limit) in degrees, the scale is U(least_scale, 1), a mirror image comes with probability 1/2
    if `reflect`.
    After Satoto et al. 2020: rotation to 90, shear x to 45, shear y to 60, scale from .5, reflection.
    """
    count, _, height, width = images_NCHW.shape

    def angle(limit_deg: float) -> Tensor:
        return torch.deg2rad(_uniform(count, -limit_deg, limit_deg, generator))

    rotation_N, shear_x_N, shear_y_N = angle(rotation_deg), angle(shear_x_deg), angle(shear_y_deg)
    scale_N = _uniform(count, least_scale, 1.0, generator)
    mirror_N = 1.0 - 2.0 * (_uniform(count, 0.0, 1.0, generator) < 0.5).float() * float(reflect)

    zero_N, one_N = torch.zeros(count), torch.ones(count)
    turn_N22 = _matrix(rotation_N.cos(), -rotation_N.sin(), rotation_N.sin(), rotation_N.cos())
    shear_x_N22 = _matrix(one_N, shear_x_N.tan(), zero_N, one_N)
    shear_y_N22 = _matrix(one_N, zero_N, shear_y_N.tan(), one_N)
    size_N22 = _matrix(scale_N * mirror_N, zero_N, zero_N, scale_N)
    forward_N22 = turn_N22 @ shear_x_N22 @ shear_y_N22 @ size_N22
    # The grid says where each output pixel comes from, hence the inverse.
    backward_N23 = torch.cat([torch.linalg.inv(forward_N22), torch.zeros(count, 2, 1)], dim=2)
    grid_NHW2 = affine_grid(backward_N23, [count, 1, height, width], align_corners=False)
    return grid_sample(images_NCHW, grid_NHW2, mode="bilinear", padding_mode="zeros", align_corners=False)


def _matrix(a_N: Tensor, b_N: Tensor, c_N: Tensor, d_N: Tensor) -> Tensor:
    """The N matrices [[a, b], [c, d]]."""
    return torch.stack([torch.stack([a_N, b_N], dim=1), torch.stack([c_N, d_N], dim=1)], dim=1)

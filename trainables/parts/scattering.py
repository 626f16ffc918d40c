"""The scattering transform (Bruna and Mallat 2013): averaged moduli of wavelet transforms; nothing in it is learned.

Shapes: N = images, S = side of an image, P = side of the padded image, J = scales, L = orientations, C = channels,
O = S / 2^J.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad

SCALES, ORIENTATIONS = 2, 8
# Those of Kymatio (Andreux et al. 2020): the finest wavelet's width in pixels and its frequency, and how much narrower
# than along the wave it is across, over the frequencies.
FINEST_SIGMA_PX, FINEST_FREQUENCY, SLANT = 0.8, 3 * math.pi / 4, 4 / ORIENTATIONS
STEP = 2**SCALES
MARGIN = 2 * STEP


def scattering(images_NSS: Tensor, *, order: int = 2) -> Tensor:
    """Scattering coefficients of orders 0, 1 and, unless `order` is 1, 2: (N, S, S) -> (N, C, O, O).

    |x * psi| for each wavelet psi of J scales and L orientations; |. * psi| of these for each coarser scale; all of
    them, and the image itself, averaged by a Gaussian of sd .8 * 2^J pixels at every 2^J-th pixel (Bruna and Mallat
    2013, section 2.3). C is 1 + J L + L^2 J (J - 1) / 2, without order 2 1 + J L: 81 and 17 for two scales and eight
    orientations. Images are mirrored at their borders.

    Raises:
        ValueError: 2^J does not divide S.
    """
    side = images_NSS.shape[-1]
    if side % STEP:
        raise ValueError(f"Expected images whose side {STEP} divides; got {side} pixels.")
    padded_N1PP = pad(images_NSS[:, None], [MARGIN] * 4, mode="reflect")
    wavelets_JLPP = wavelets(side + 2 * MARGIN)

    def moduli(maps_NCPP: Tensor, scale: int) -> Tensor:
        """(N, C, P, P) -> (N, C * L, P, P)."""
        spectra_NC1PP = torch.fft.fft2(maps_NCPP)[:, :, None]
        return torch.fft.ifft2(spectra_NC1PP * wavelets_JLPP[scale]).abs().flatten(1, 2)

    first = [moduli(padded_N1PP, scale) for scale in range(SCALES)]
    second = [moduli(first[finer], scale) for scale in range(SCALES) for finer in range(scale)] if order > 1 else []
    average_OP = averages(side)
    return average_OP @ torch.cat([padded_N1PP, *first, *second], dim=1) @ average_OP.T


@lru_cache(maxsize=2)
def wavelets(side: int) -> Tensor:
    """Frequency responses (J, L, P, P) of Morlet wavelets; they are real.

    A Morlet wavelet is a plane wave under a Gaussian, less a multiple of the Gaussian so that its mean is 0. Over the
    frequencies it is a Gaussian about the wave's frequency less one about 0.
    """
    frequencies_P = 2 * math.pi * torch.fft.fftfreq(side, dtype=torch.float64)

    def gaussian(sigma: float, theta: float, centre: float) -> Tensor:
        total_PP = torch.zeros(side, side, dtype=torch.float64)
        # Sampled at pixels, frequencies that differ by 2 pi are the same.
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                y_P1, x_P = (frequencies_P + 2 * math.pi * down)[:, None], frequencies_P + 2 * math.pi * across
                along_PP = x_P * math.cos(theta) + y_P1 * math.sin(theta) - centre
                aside_PP = -x_P * math.sin(theta) + y_P1 * math.cos(theta)
                total_PP += torch.exp(-(sigma**2) / 2 * (along_PP**2 + (aside_PP / SLANT) ** 2))
        return total_PP

    def morlet(scale: int, orientation: int) -> Tensor:
        sigma, theta = FINEST_SIGMA_PX * 2**scale, math.pi * orientation / ORIENTATIONS
        wave_PP, still_PP = gaussian(sigma, theta, FINEST_FREQUENCY / 2**scale), gaussian(sigma, theta, 0.0)
        return wave_PP - still_PP * (wave_PP[0, 0] / still_PP[0, 0])

    by_scale = [torch.stack([morlet(scale, turn) for turn in range(ORIENTATIONS)]) for scale in range(SCALES)]
    return torch.stack(by_scale).float()


@lru_cache(maxsize=2)
def averages(side: int) -> Tensor:
    """What averages a padded row at every 2^J-th pixel of the image: weights (O, P) that add up to 1."""
    centres_O1 = MARGIN + STEP * torch.arange(side // STEP, dtype=torch.float64)[:, None]
    distances_OP = torch.arange(side + 2 * MARGIN) - centres_O1
    weights_OP = torch.exp(-(distances_OP**2) / (2 * (FINEST_SIGMA_PX * STEP) ** 2))
    return (weights_OP / weights_OP.sum(1, keepdim=True)).float()

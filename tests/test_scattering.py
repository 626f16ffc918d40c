import itertools
import math

import numpy as np
import pytest
import torch

from trainables.parts.scattering import MARGIN, ORIENTATIONS, SCALES, STEP, scattering, wavelets
from trainables.pixel_baseline import PixelBaselineConfig, represent


def images(count=2, side=28):
    return torch.rand(count, side, side, generator=torch.Generator().manual_seed(0))


def morlet(scale, turn, reach=24):
    """The wavelet in space: a plane wave under a Gaussian, less a multiple of the Gaussian; the sum of the Gaussian, 1.

    Along the wave the Gaussian is .8 * 2^scale pixels wide, and across it twice that.
    """
    sigma, frequency, theta = 0.8 * 2**scale, 0.75 * math.pi / 2**scale, math.pi * turn / 8
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, across = x * math.cos(theta) + y * math.sin(theta), -x * math.sin(theta) + y * math.cos(theta)
    envelope = np.exp(-(along**2 + (across / 2) ** 2) / (2 * sigma**2)) / (4 * math.pi * sigma**2)
    wave = envelope * np.exp(1j * frequency * along)
    return wave - envelope * wave.sum() / envelope.sum()


@pytest.mark.parametrize(("scale", "turn"), list(itertools.product(range(SCALES), (0, 1, 4, 7))))
def test_wavelets_are_those_in_space(scale, turn):
    side, reach = 64, 24
    space = np.zeros((side, side), complex)
    rows = np.arange(-reach, reach + 1) % side
    space[np.ix_(rows, rows)] = morlet(scale, turn, reach)
    assert wavelets(side)[scale, turn].numpy() == pytest.approx(np.fft.fft2(space).real, abs=2e-3)


def test_a_coefficient_agrees_with_loops():
    image = images(1)[0]
    padded = np.pad(image.double().numpy(), MARGIN, mode="reflect")
    side = len(padded)
    rows = np.arange(-24, 25)

    def wavelet_modulus(values, scale, turn):
        kernel = morlet(scale, turn)
        found = np.zeros((side, side))
        for y, x in itertools.product(range(side), repeat=2):
            found[y, x] = abs((values[np.ix_((y - rows) % side, (x - rows) % side)] * kernel).sum())
        return found

    def averaged(values, row, column):
        centre = MARGIN + STEP * np.array([row, column])
        total = weight = 0.0
        for y, x in itertools.product(range(side), repeat=2):
            here = math.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * (0.8 * STEP) ** 2))
            total, weight = total + here * values[y, x], weight + here
        return total / weight

    found = scattering(image[None])[0]
    first = wavelet_modulus(padded, 0, 3)
    assert float(found[0, 2, 5]) == pytest.approx(averaged(padded, 2, 5), abs=1e-5)
    assert float(found[1 + 3, 2, 5]) == pytest.approx(averaged(first, 2, 5), abs=1e-3)
    second = wavelet_modulus(first, 1, 6)
    assert float(found[1 + 16 + 8 * 3 + 6, 2, 5]) == pytest.approx(averaged(second, 2, 5), abs=1e-3)


def test_shape_is_the_documented_one():
    assert scattering(images()).shape == (2, 1 + SCALES * ORIENTATIONS + ORIENTATIONS**2, 7, 7)
    assert scattering(images(1, 32)).shape == (1, 81, 8, 8)


def test_without_order_2_the_others_are_as_they_are_with_it():
    found = scattering(images(), order=1)
    assert found.shape == (2, 1 + SCALES * ORIENTATIONS, 7, 7)
    torch.testing.assert_close(found, scattering(images())[:, : found.shape[1]])


def test_side_must_be_a_multiple_of_the_step():
    with pytest.raises(ValueError, match="Expected images whose side 4 divides; got 30 pixels"):
        scattering(images(1, 30))


def test_wavelets_create_no_energy():
    energy = wavelets(44).double().square().sum((0, 1))
    opposite = energy.flip(0, 1).roll((1, 1), (0, 1))
    # Of a real image each wavelet sees a half of the frequencies and its mirror image the other.
    assert ((energy + opposite) / 2).max() <= 1
    assert wavelets(44)[:, :, 0, 0].abs().max() == 0


def test_a_constant_image_has_its_mean_and_nothing_else():
    found = scattering(torch.full((1, 28, 28), 0.3))
    assert found[:, 0].numpy() == pytest.approx(np.full((1, 7, 7), 0.3), abs=1e-5)
    assert found[:, 1:].abs().max() < 1e-5


def test_coefficients_of_order_1_and_2_are_proportional_to_contrast():
    image = images()
    found, less = scattering(image), scattering(0.25 * image + 0.5)
    torch.testing.assert_close(less[:, 1:], 0.25 * found[:, 1:], rtol=1e-3, atol=1e-5)


def test_waves_excite_their_orientation_most():
    y, x = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    for turn in range(ORIENTATIONS):
        theta = math.pi * turn / ORIENTATIONS
        wave = torch.cos(3 * math.pi / 8 * (x * math.cos(theta) + y * math.sin(theta)))
        assert scattering(wave[None])[0, 1 + ORIENTATIONS :, 3, 3][:ORIENTATIONS].argmax() == turn


def test_the_representation_is_its_logarithm_and_does_not_depend_on_what_came_before():
    pixels = (255 * images(3)).byte()
    config = PixelBaselineConfig(representation="scattering", classifier="ridge", ridge_alpha=1.0)
    expected = np.log(scattering(pixels.float() / 255).flatten(1).numpy() + 1e-3)
    for _ in range(2):
        found = represent(config, pixels)
        assert found == pytest.approx(expected, abs=1e-4)
        found[:] = 0


def test_the_first_order_of_normalised_images_does_not_depend_on_their_contrast():
    pixels = (100 * images(3)).byte()
    config = PixelBaselineConfig(representation="zscore_scattering", classifier="centroid")
    found = represent(config, pixels)
    normalised = pixels.float()
    normalised = (normalised - normalised.mean((1, 2), keepdim=True)) / normalised.std(
        (1, 2), keepdim=True, correction=0
    )
    assert found == pytest.approx(np.log(scattering(normalised)[:, 1:17].flatten(1).numpy() + 1e-3), abs=1e-3)
    assert represent(config, 2 * pixels + 20) == pytest.approx(found, abs=1e-3)


def test_the_representation_of_colours_is_each_one_s_behind_the_other():
    pixels = (255 * images(6)).byte().reshape(2, 3, 28, 28)
    config = PixelBaselineConfig(representation="scattering", classifier="ridge", ridge_alpha=1.0)
    each = [represent(config, pixels[:, colour]) for colour in range(3)]
    assert represent(config, pixels) == pytest.approx(np.concatenate(each, axis=1), abs=1e-4)

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from trainables.parts.normalisation import NORMALISATIONS, normalise, unit


@pytest.fixture(scope="module")
def raw():
    # Each image with its own range of grey values, as exposures differ.
    rng = np.random.default_rng(0)
    low, high = rng.integers(0, 100, 40), rng.integers(110, 256, 40)
    return np.stack([rng.integers(a, b, (28, 28), dtype=np.uint8) for a, b in zip(low, high, strict=True)])


def stretched(image):
    return (image - image.min()) / (image.max() - image.min()) * 2 - 1


ORACLES = {
    "none": lambda image: image / 255,
    "fixed": lambda image: (image / 255 - 0.5) / 0.5,
    "zscore": lambda image: (image - image.mean()) / image.std(),
    "autocontrast": stretched,
}


def test_every_normalisation_has_an_oracle():
    assert set(ORACLES) == set(NORMALISATIONS)


def test_unit_is_grey_values_over_255():
    every_value = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    assert unit(every_value).dtype == torch.float32
    assert unit(every_value).shape == (1, 1, 16, 16)
    assert np.allclose(unit(every_value).numpy().ravel(), np.arange(256) / 255, atol=1e-7)


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_a_loop_over_images(raw, name):
    found = normalise(name, unit(torch.from_numpy(raw))).numpy()[:, 0]
    assert found.dtype == np.float32
    for image, result in zip(raw, found, strict=True):
        assert np.allclose(result, ORACLES[name](image.astype(np.float64)), atol=1e-5)


def test_autocontrast_agrees_with_pillow(raw):
    found = (normalise("autocontrast", unit(torch.from_numpy(raw))).numpy()[:, 0] + 1) / 2 * 255
    for image, result in zip(raw, found, strict=True):
        # Pillow cuts off the fraction.
        assert np.abs(result - np.asarray(ImageOps.autocontrast(Image.fromarray(image)))).max() < 1.001


@pytest.mark.parametrize("grey", [0, 1, 77, 128, 200, 255])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("none", lambda grey: grey / 255),
        ("fixed", lambda grey: grey / 127.5 - 1),
        ("autocontrast", lambda grey: -1),
    ],
)
def test_constant_image_keeps_to_the_scale(name, value, grey):
    found = normalise(name, unit(torch.full((2, 28, 28), grey, dtype=torch.uint8)))
    assert found.numpy() == pytest.approx(np.full((2, 1, 28, 28), value(grey)), abs=1e-6)


def test_zscore_of_a_constant_image_is_0_whatever_its_grey():
    every_grey = torch.arange(256, dtype=torch.uint8)[:, None, None].expand(-1, 28, 28)
    assert normalise("zscore", unit(every_grey)).abs().max() < 1e-6


@pytest.mark.parametrize("name", ORACLES)
def test_one_image_alone_is_as_in_a_batch(raw, name):
    together = normalise(name, unit(torch.from_numpy(raw)))
    for row in range(len(raw)):
        alone = normalise(name, unit(torch.from_numpy(raw[row : row + 1])))
        assert torch.equal(alone[0], together[row])


@pytest.mark.parametrize("name", ORACLES)
def test_leaves_its_input_alone(raw, name):
    images = unit(torch.from_numpy(raw))
    before = images.clone()
    normalise(name, images)
    assert torch.equal(images, before)


def test_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="Expected a normalisation from none, fixed, zscore, autocontrast; got 'max'"):
        normalise("max", torch.zeros(1, 28, 28))


def coloured(raw):
    return raw[:39].reshape(13, 3, 28, 28)


@pytest.mark.parametrize("name", ORACLES)
def test_colours_of_an_image_are_looked_at_together(raw, name):
    found = normalise(name, unit(torch.from_numpy(coloured(raw)))).numpy()
    for image, result in zip(coloured(raw), found, strict=True):
        assert np.allclose(result, ORACLES[name](image.astype(np.float64)), atol=1e-5)


@pytest.mark.parametrize("name", ORACLES)
def test_equal_colours_are_grey(raw, name):
    grey = normalise(name, unit(torch.from_numpy(raw)))
    found = normalise(name, unit(torch.from_numpy(np.stack([raw] * 3, axis=1))))
    for colour in range(3):
        assert torch.allclose(found[:, colour], grey[:, 0], atol=1e-6)

"""Every corruption: what it keeps, that it is the same each time, that more severe is more, and a second reckoning."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from trainables.parts.corruptions import KINDS, UNCHANGED, Change, changed, evenly
from trainables.parts.torchvision_import import torchvision

SIZES = {"grey": (6, 28, 28), "colours": (3, 28, 28, 3), "large": (2, 224, 224), "large colours": (2, 224, 224, 3)}


def textured(shape, seed=0):
    """Smooth shapes with edges and a little noise, so that every corruption has something to change."""
    rng = np.random.default_rng(seed)
    side = shape[1]
    across, down = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    plane = 90 + 60 * np.sin(5 * across) * np.cos(4 * down) + 40 * (np.hypot(across, down) < 0.5)
    planes = plane[..., None] * [1.0, 0.8, 0.6] if len(shape) == 4 else plane
    return np.clip(planes + rng.normal(0, 6, shape), 0, 255).astype(np.uint8)


def distance(images, kind, severity):
    return np.abs(changed(images, Change(kind=kind, severity=severity)).astype(float) - images).mean()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_shape_and_kind_of_numbers_stay_and_more_severe_is_more(kind, size):
    images = textured(SIZES[size])
    before = images.copy()
    found = changed(images, Change(kind=kind, severity=3))
    assert (found.shape, found.dtype) == (images.shape, np.uint8)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(found, changed(images, Change(kind=kind, severity=3)))
    assert 0 < distance(images, kind, 1) < distance(images, kind, 3) < distance(images, kind, 5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_image_becomes_depends_on_nothing_but_itself_and_its_place(kind):
    images, change = textured((6, 28, 28)), Change(kind=kind, severity=5)
    whole = changed(images, change)
    for place in range(6):
        np.testing.assert_array_equal(changed(images[: place + 1], change)[place], whole[place])


def test_each_image_has_noise_of_its_own():
    images = np.full((3, 28, 28), 120, np.uint8)
    first, second, third = changed(images, Change(kind="gaussian noise", severity=5)).astype(int)
    assert (first != second).mean() > 0.9
    assert (second != third).mean() > 0.9
    assert np.std([first, second, third]) == pytest.approx(0.08 * 255, rel=0.05)


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"gaussian noise"}))
def test_a_constant_image_stays_constant(kind, value):
    for shape in ((2, 28, 28), (2, 28, 28, 3)):
        found = changed(np.full(shape, value, np.uint8), Change(kind=kind, severity=5))
        assert all(len(np.unique(image)) == 1 for image in found)


@pytest.mark.parametrize("severity", [1, 3, 5])
@pytest.mark.parametrize("shape", [(2, 28, 28), (2, 28, 28, 3)])
def test_they_are_what_pillow_and_torchvision_make(shape, severity):
    """MedMNIST-C is made with these; its `astype` cuts where we round."""
    images, functional = textured(shape), torchvision.transforms.functional

    def one(kind, place):
        return changed(images, Change(kind=kind, severity=severity))[place].astype(int)

    for place in (0, 1):
        image = Image.fromarray(images[place])
        at = severity - 1
        factor = ((1.1, 1.2, 1.3, 1.4, 1.5), (0.9, 0.8, 0.7, 0.6, 0.5))[place][at]
        assert np.abs(one("brightness", place) - np.asarray(ImageEnhance.Brightness(image).enhance(factor))).max() <= 1
        factor = ((1.1, 1.2, 1.3, 1.4, 1.6), (0.9, 0.8, 0.7, 0.6, 0.4))[place][at]
        assert np.abs(one("contrast", place) - np.asarray(ImageEnhance.Contrast(image).enhance(factor))).max() <= 1
        assert np.abs(one("gamma", place) - np.asarray(functional.adjust_gamma(image, factor))).max() <= 1
        blurred = np.asarray(functional.gaussian_blur(image, [3, 5, 7, 9, 11][at]))
        assert np.abs(one("gaussian blur", place) - blurred).max() <= 1
        file = io.BytesIO()
        image.save(file, "JPEG", quality=[50, 30, 15, 10, 7][at])
        np.testing.assert_array_equal(one("jpeg", place), np.asarray(Image.open(file)))
        small = image.resize((int(28 * [0.8, 0.7, 0.6, 0.5, 0.4][at]),) * 2, Image.Resampling.BOX)
        np.testing.assert_array_equal(one("pixelate", place), np.asarray(small.resize((28, 28), Image.Resampling.BOX)))


def test_the_greatest_change_of_grey_levels_is_another_fixed_normalisation():
    images = textured((2, 28, 28))
    found = changed(images, Change(kind="grey levels", severity=5)) / 255
    # A network that was trained on Normalize(.5, .5) and gets values from 0 to 1 sees these.
    np.testing.assert_allclose((found - 0.5) / 0.5, images / 255, atol=1 / 255)


def test_every_kind_has_five_severities_and_a_split_of_its_own():
    assert all(len(kind.strengths) == 5 and len(kind.odd) in (0, 5) for kind in KINDS.values())
    splits = [Change(kind=kind, severity=severity).split for kind in KINDS for severity in range(1, 6)]
    assert len({*splits, UNCHANGED}) == 41
    assert Change(kind="gaussian noise", severity=3).split == "test: gaussian noise 3"


def test_few_images_are_as_many_of_each_class_and_spread_over_the_file():
    labels = np.tile([0, 1, 1], 100)
    rows = evenly(labels, 50)
    assert labels[rows].tolist() == [0] * 25 + [1] * 25
    assert len(set(rows.tolist())) == 50
    assert rows[:25].max() > 280
    assert rows[25:].max() > 280
    np.testing.assert_array_equal(evenly(np.array([0, 1, 1, 0, 1]), 50), [0, 3, 1, 2])
    np.testing.assert_array_equal(evenly(np.repeat(np.arange(60), 3), 50), np.arange(60) * 3)

import dataclasses

import numpy as np
import pytest
import scipy.spatial
import torch
from skimage.feature import hog

from trainables.pixel_baseline import PixelBaselineConfig, decision, hog_of, represent, representation

CELLS = [4, 7]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    hog_of.cache_clear()


def by_skimage(image, cell_px):
    return hog(image, orientations=8, pixels_per_cell=(cell_px, cell_px), cells_per_block=(2, 2), block_norm="L2-Hys")


def remembered(image, cell_px):
    return hog_of(image.tobytes(), image.shape, cell_px)


def represented(images, cell_px):
    config = PixelBaselineConfig(representation="hog", classifier="centroid", hog_cell_px=cell_px)
    return represent(config, torch.from_numpy(images))


@pytest.mark.parametrize("cell_px", CELLS)
def test_hog_agrees_with_skimage_whatever_is_remembered(images, cell_px):
    for _ in range(2):
        for image in images:
            assert np.array_equal(remembered(image, cell_px), by_skimage(image, cell_px))
        assert np.array_equal(represented(images, cell_px), [by_skimage(image, cell_px) for image in images])
    assert hog_of.cache_info().misses == len(images)


@pytest.mark.parametrize(("cell_px", "size"), [(4, 6 * 6 * 2 * 2 * 8), (7, 3 * 3 * 2 * 2 * 8)])
def test_hog_has_a_histogram_of_each_cell_of_each_block(images, cell_px, size):
    assert represented(images, cell_px).shape == (6, size)


def test_hog_remembers_cell_sizes_and_shapes_apart(images):
    for cell_px in (*CELLS, *CELLS):
        assert np.array_equal(remembered(images[0], cell_px), by_skimage(images[0], cell_px))
    wide = images[0].reshape(14, 56)
    assert np.array_equal(remembered(wide, 7), by_skimage(wide, 7))


def test_changing_a_representation_changes_no_later_one(images):
    first = represented(images, 7)
    before = first.copy()
    first[:] = 0
    assert np.array_equal(represented(images, 7), before)


def test_hog_of_rows_of_a_larger_array_is_that_of_the_images(images):
    every_other = images[::2]
    turned = images.transpose(0, 2, 1)
    assert np.array_equal(represented(every_other, 7), represented(every_other.copy(), 7))
    assert np.array_equal(represented(turned, 7), [by_skimage(image, 7) for image in turned])


@pytest.mark.parametrize("cell_px", CELLS)
def test_hog_does_not_change_the_images(images, cell_px):
    before = images.copy()
    represented(images, cell_px)
    assert np.array_equal(images, before)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_both_representations_have_their_share_of_the_distances_between_the_images_learned_from(images, share):
    config = PixelBaselineConfig(
        representation="hog_scattering", classifier="svm", hog_cell_px=4, scattering_share=share
    )
    support, others = torch.from_numpy(images), torch.from_numpy(images[::-1] // 2)

    def part(name, pixels):
        return represent(dataclasses.replace(config, representation=name), pixels)

    def of_parts(pixels, first, second):
        """Squared distances between the images, of which each part adds its own."""
        total = 0.0
        for name, weight in (("hog", 1 - share), ("zscore_scattering", share)):
            among = scipy.spatial.distance.pdist(part(name, support), "sqeuclidean")
            # The mean squared distance of six images is 12 / 5 of their mean squared distance from their mean.
            scale = weight * 12 / 5 / among.mean()
            total += scale * np.square(part(name, pixels)[first] - part(name, pixels)[second]).sum()
        return total

    seen = representation(config, support)
    assert np.square(seen(support)).sum(1).mean() == pytest.approx(1)
    for pixels in (support, others):
        for first, second in ((0, 1), (2, 5)):
            squared = np.square(seen(pixels)[first] - seen(pixels)[second]).sum()
            assert squared == pytest.approx(of_parts(pixels, first, second), rel=1e-4)


def test_without_scattering_s_share_the_other_representations_are_as_they_are(images):
    config = PixelBaselineConfig(representation="hog", classifier="svm", hog_cell_px=4)
    pixels = torch.from_numpy(images)
    assert np.array_equal(representation(config, pixels[:3])(pixels), represent(config, pixels))


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "svm"])
def test_no_classifier_draws_from_numpy_s_global_random_state(classifier, images):
    config = PixelBaselineConfig(
        representation="zscore", classifier=classifier, ridge_alpha=1.0, logistic_c=1.0, svm_c=1.0
    )
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    decision(config, represent(config, torch.from_numpy(images)), np.array([0, 1] * 3))
    assert np.array_equal(np.random.get_state()[1], before)

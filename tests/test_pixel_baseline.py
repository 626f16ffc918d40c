import dataclasses

import numpy as np
import pytest
import scipy.spatial
import torch
from skimage.feature import hog
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from trainables.pixel_baseline import PixelBaselineConfig, Remembered, decision, hog_of, represent, representation

CELLS = [4, 7]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    hog_of.clear()


def by_skimage(image, cell_px):
    return hog(image, orientations=8, pixels_per_cell=(cell_px, cell_px), cells_per_block=(2, 2), block_norm="L2-Hys")


def remembered(image, cell_px):
    return hog_of(image, cell_px)


def represented(images, cell_px):
    config = PixelBaselineConfig(representation="hog", classifier="centroid", hog_cell_px=cell_px)
    return represent(config, torch.from_numpy(images))


@pytest.mark.parametrize("cell_px", CELLS)
def test_hog_agrees_with_skimage_whatever_is_remembered(images, cell_px):
    for _ in range(2):
        for image in images:
            assert np.array_equal(remembered(image, cell_px), by_skimage(image, cell_px))
        assert np.array_equal(represented(images, cell_px), [by_skimage(image, cell_px) for image in images])
    assert len(hog_of.found) == len(images)


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


def test_hog_of_equal_colours_is_that_of_grey(images):
    assert np.array_equal(represented(np.stack([images] * 3, axis=1), 7), represented(images, 7))


@pytest.mark.parametrize("colour", range(3))
def test_hog_takes_the_colour_of_the_greatest_gradient(images, colour):
    flat = np.full((6, 3, 28, 28), 90, np.uint8)
    flat[:, colour] = images
    assert np.array_equal(represented(flat, 7), represented(images, 7))


def test_hog_of_colours_agrees_with_skimage(images):
    coloured = np.stack([images, images[::-1], images.transpose(0, 2, 1)], axis=1)
    for image, found in zip(coloured, represented(coloured, 7), strict=True):
        expected = hog(
            image.transpose(1, 2, 0), orientations=8, pixels_per_cell=(7, 7), cells_per_block=(2, 2), channel_axis=2
        )
        assert np.array_equal(found, expected)


def test_what_does_not_fit_is_computed_again_and_what_is_there_stays(images):
    computed = []

    def first_row(image):
        computed.append(image)
        return image[0].astype(np.float64)

    # An image and its row take 784 and 224 bytes.
    remembered = Remembered(first_row, 2 * 1008)
    for _ in range(3):
        for image in images[:4]:
            assert np.array_equal(remembered(image), image[0])
    assert len(remembered.found) == 2
    assert remembered.bytes == 2 * 1008
    assert len(computed) == 4 + 2 + 2
    with pytest.raises(ValueError, match="read-only"):
        remembered(images[0])[0] = 1


PARAMETERS = {"ridge_alpha": 1.0, "logistic_c": 10.0, "svm_c": 10.0}


def decided(classifier, vectors, labels, queries):
    config = PixelBaselineConfig(representation="none", classifier=classifier, **PARAMETERS)
    return decision(config, vectors, labels)(queries)


def groups(counts, seed):
    """Points of classes whose means are 4 apart in as many dimensions, and as many to ask about."""
    rng, labels = np.random.default_rng(seed), np.repeat(np.arange(len(counts)), counts)
    return [4 * np.eye(len(counts))[labels] + 0.5 * rng.standard_normal((len(labels), len(counts))), labels]


@pytest.mark.parametrize("counts", [(5, 5, 5), (2, 8), (1, 1), (1, 1, 1), (1, 2, 3, 4)])
@pytest.mark.parametrize("classifier", ["centroid", "1nn", "ridge", "logistic", "svm"])
def test_any_number_of_classes_and_shots_is_told_apart(classifier, counts):
    queries, truth = groups([6] * len(counts), 1)
    found = decided(classifier, *groups(counts, 0), queries)
    assert found.shape == ((len(queries),) if len(counts) == 2 else (len(queries), len(counts)))
    right = (found >= 0) == truth if len(counts) == 2 else found.argmax(1) == truth
    assert right.mean() > 0.9


@pytest.mark.parametrize("counts", [(3, 2, 4), (5, 5), (1, 1, 1), (1, 1)])
def test_centroid_and_neighbour_agree_with_loops(counts):
    vectors, labels = groups(counts, 0)
    queries, _ = groups([2] * len(counts), 1)
    means = [vectors[labels == label].mean(0) for label in range(len(counts))]
    # With one image a class all of them are looked at as one group.
    whole = max(counts) == 1
    squares = [np.square(x - (vectors.mean(0) if whole else means[y])) for x, y in zip(vectors, labels, strict=True)]
    by_centroid, by_neighbour = decided("centroid", vectors, labels, queries), decided("1nn", vectors, labels, queries)
    for query, centroid, neighbour in zip(queries, by_centroid, by_neighbour, strict=True):
        to_means = np.array([-np.square(query - mean).sum() / (2 * np.mean(squares)) for mean in means])
        nearest = np.array(
            [-min(np.linalg.norm(query - x) for x in vectors[labels == label]) for label in range(len(counts))]
        )
        if len(counts) == 2:
            to_means, nearest = to_means[1] - to_means[0], nearest[1] - nearest[0]
        assert centroid == pytest.approx(to_means)
        assert neighbour == pytest.approx(nearest)


@pytest.mark.parametrize("classifier", ["ridge", "logistic", "svm"])
def test_another_copy_of_a_class_s_images_changes_no_decision_s_border(classifier):
    """Every class counts the same, so images that stand there twice count as once each."""
    vectors, labels = groups((4, 4, 4), 0)
    queries, _ = groups((5, 5, 5), 1)
    more = np.concatenate([np.arange(12), np.flatnonzero(labels == 2)])
    config = {"ridge_alpha": 1e-6, "logistic_c": 1e3, "svm_c": 1e3}
    config = PixelBaselineConfig(representation="none", classifier=classifier, **config, svm_gamma_factor=1.0)
    once = decision(config, vectors, labels)(queries)
    twice = decision(config, vectors[more], labels[more])(queries)
    assert np.array_equal(once.argmax(1), twice.argmax(1))


@pytest.mark.parametrize("counts", [(5, 5), (3, 4, 5)])
def test_logistic_regression_far_from_zero_is_at_its_optimum(counts):
    """As the logarithms of scattering coefficients are, and pixels of bright images."""
    vectors, labels = groups(counts, 0)
    queries, _ = groups([5] * len(counts), 1)
    config = PixelBaselineConfig(representation="none", classifier="logistic", logistic_c=1e-3)
    found = decision(config, (vectors - 3000).astype(np.float32), labels)((queries - 3000).astype(np.float32))
    tight = LogisticRegression(C=1e-3, tol=1e-10, max_iter=10000, class_weight="balanced").fit(vectors, labels)
    np.testing.assert_allclose(found, tight.decision_function(queries), rtol=1e-2, atol=1e-4)


def noisy(counts, seed):
    """Points of many dimensions whose classes' means are apart by less than images of a class are."""
    rng, labels = np.random.default_rng(seed), np.repeat(np.arange(len(counts)), counts)
    return 6 * np.eye(len(counts), 300)[labels] + rng.standard_normal((len(labels), 300)), labels


def worst_recall(classifier, counts, seeds=range(10)):
    recalls = []
    for seed in seeds:
        queries, truth = noisy([40] * len(counts), 100 + seed)
        found = decided(classifier, *noisy(counts, seed), queries)
        said = found >= 0 if len(counts) == 2 else found.argmax(1)
        recalls.append([np.mean(said[truth == label] == label) for label in range(len(counts))])
    return np.mean(recalls, axis=0).min()


@pytest.mark.parametrize("counts", [(2, 8), (8, 2), (2, 5, 10)])
def test_a_machine_finds_a_class_of_few_images_too(counts):
    assert worst_recall("svm", counts) > 0.75


@pytest.mark.parametrize("counts", [(5, 5), (4, 4, 4)])
def test_a_machine_of_classes_of_as_many_images_is_sklearn_s(counts):
    vectors, labels = noisy(counts, 0)
    queries, _ = noisy(counts, 1)
    gamma = 1 / (vectors.shape[1] * vectors.var())
    model = SVC(C=10, gamma=gamma, class_weight="balanced").fit(vectors, labels)
    assert np.array_equal(decided("svm", vectors, labels, queries), model.decision_function(queries))


def test_uneven_machines_add_up_to_sklearn_s_where_no_border_moves(monkeypatch):
    monkeypatch.setattr("trainables.parts.even_svc.border", lambda *_: 0.0)
    for counts in ((2, 8), (2, 4, 3), (1, 2, 3, 4)):
        vectors, labels = noisy(counts, 0)
        queries, _ = noisy([10] * len(counts), 1)
        model = SVC(C=10, class_weight="balanced").fit(vectors, labels)
        found = decided("svm", vectors, labels, queries)
        np.testing.assert_allclose(found, model.decision_function(queries), atol=2e-3)

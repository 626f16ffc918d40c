import hashlib

import medmnist
import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score

from trainables.parts.datasets import phantom_other
from trainables.parts.phantom import phantom_arrays, phantom_breast_arrays
from trainables.parts.run_seed import run_seed
from trainables.pixel_baseline import PixelBaseline

# What makes each phantom, and the class counts of the real file.
PHANTOMS = {
    "pneumoniamnist": (phantom_arrays, {"train": (1214, 3494), "val": (135, 389), "test": (234, 390)}),
    "breastmnist": (phantom_breast_arrays, {"train": (147, 399), "val": (21, 57), "test": (42, 114)}),
}
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module", params=PHANTOMS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def arrays(name):
    return PHANTOMS[name][0]()


def test_keys_are_those_of_a_medmnist_file(arrays):
    assert set(arrays) == {f"{split}_{part}" for split in SPLITS for part in ("images", "labels")}


@pytest.mark.parametrize("split", SPLITS)
def test_types_shapes_and_counts_are_the_real_file_s(name, arrays, split):
    images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    count = medmnist.INFO[name]["n_samples"][split]
    assert (images.dtype, images.shape) == (np.uint8, (count, 28, 28))
    assert (labels.dtype, labels.shape) == (np.uint8, (count, 1))
    assert tuple(np.bincount(labels.ravel())) == PHANTOMS[name][1][split]


def test_classes_are_mixed_along_the_file(arrays):
    labels = arrays["train_labels"].ravel().astype(int)
    assert np.count_nonzero(np.diff(labels)) > len(labels) / 4


def test_images_use_the_range_of_grey_values_and_none_is_flat(arrays):
    images = arrays["train_images"]
    assert images.std((1, 2)).min() > 10
    assert 60 < images.mean() < 195


def test_no_image_comes_twice(arrays):
    every = np.concatenate([arrays[f"{split}_images"] for split in SPLITS])
    assert len({hashlib.sha256(image.tobytes()).digest() for image in every}) == len(every)


def test_is_the_same_every_time_and_leaves_the_global_random_state_alone(name, arrays):
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    again = PHANTOMS[name][0]()
    assert all(np.array_equal(arrays[key], again[key]) for key in arrays)
    assert np.random.random() == expected


def test_is_the_same_on_every_machine(phantom):
    assert phantom.fingerprint == "8b7e55a0f39e10d8"
    assert phantom_other("breastmnist").fingerprint == "e7eeebc6fcf7b7c3"


def test_zscore_and_nearest_centroid_find_70_to_90_percent(phantom):
    params = {"representation": "zscore", "classifier": "centroid"}
    results = [run_seed(PixelBaseline, params, seed, phantom.pixel_sets())[0] for seed in range(10)]
    assert [result.error for result in results] == [None] * 10
    assert 0.7 < np.mean([result.accuracy for result in results]) < 0.9


def zscored(images_NHW):
    pixels_NP = images_NHW.reshape(len(images_NHW), -1) / 255
    return (pixels_NP - pixels_NP.mean(1, keepdims=True)) / pixels_NP.std(1, keepdims=True)


def test_zscore_and_ridge_tell_breasts_apart_from_a_hundred_images():
    arrays = phantom_breast_arrays()
    images, labels = arrays["train_images"], arrays["train_labels"].ravel()
    test_images, test_labels = arrays["test_images"], arrays["test_labels"].ravel()
    aurocs = []
    for seed in range(5):
        rows = np.random.RandomState(seed).permutation(len(labels))[:100]
        ridge = RidgeClassifier(alpha=100).fit(zscored(images[rows]), labels[rows])
        aurocs.append(roc_auc_score(test_labels, ridge.decision_function(zscored(test_images))))
    assert 0.8 < np.mean(aurocs) < 0.95

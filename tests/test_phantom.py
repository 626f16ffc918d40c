import hashlib

import medmnist
import numpy as np
import pytest

from trainables.phantom import phantom_arrays
from trainables.pixel_baseline import PixelBaseline
from trainables.protocol import run_seed

# Class counts of PneumoniaMNIST, normal and pneumonia.
COUNTS = {"train": (1214, 3494), "val": (135, 389), "test": (234, 390)}


@pytest.fixture(scope="module")
def arrays():
    return phantom_arrays()


def test_keys_are_those_of_a_medmnist_file(arrays):
    assert set(arrays) == {f"{split}_{part}" for split in ("train", "val", "test") for part in ("images", "labels")}


@pytest.mark.parametrize("split", COUNTS)
def test_types_shapes_and_counts_are_pneumoniamnist_s(arrays, split):
    images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    count = medmnist.INFO["pneumoniamnist"]["n_samples"][split]
    assert (images.dtype, images.shape) == (np.uint8, (count, 28, 28))
    assert (labels.dtype, labels.shape) == (np.uint8, (count, 1))
    assert tuple(np.bincount(labels.ravel())) == COUNTS[split]


def test_classes_are_mixed_along_the_file(arrays):
    changes = np.count_nonzero(np.diff(arrays["train_labels"].ravel().astype(int)))
    assert changes > 1000


def test_images_use_the_range_of_grey_values_and_none_is_flat(arrays):
    images = arrays["train_images"]
    assert images.std((1, 2)).min() > 10
    assert 60 < images.mean() < 195


def test_no_image_comes_twice(arrays):
    every = np.concatenate([arrays[f"{split}_images"] for split in COUNTS])
    assert len({hashlib.sha256(image.tobytes()).digest() for image in every}) == len(every)


def test_is_the_same_every_time_and_leaves_the_global_random_state_alone(arrays):
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    again = phantom_arrays()
    assert all(np.array_equal(arrays[key], again[key]) for key in arrays)
    assert np.random.random() == expected


def test_is_the_same_on_every_machine(phantom):
    assert phantom.fingerprint == "8b7e55a0f39e10d8"


def test_zscore_and_nearest_centroid_find_70_to_90_percent(phantom):
    params = {"representation": "zscore", "classifier": "centroid"}
    results = [run_seed(PixelBaseline, params, seed, phantom.pixel_sets())[0] for seed in range(10)]
    assert [result.error for result in results] == [None] * 10
    assert 0.7 < np.mean([result.accuracy for result in results]) < 0.9

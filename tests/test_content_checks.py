"""Leaks, copies, blanks and labels that disagree are counted before anything learns from them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from made_up import SPEC, changed, found
from refusals import refused
from sweeps.analysis import caveats
from sweeps.analysis.check import FINE, LOOK, CheckedSweep
from sweeps.analysis.input_checks import content as content_check
from sweeps.inputs.content_checks import content_of, note, notices
from sweeps.store.spec import Content
from trainables.parts.datasets import LabelledSplit, ReadImages, dataset_of, names_of_rows


def smooth(count, seed):
    """Images that differ as real ones do: blurred noise."""
    small = np.random.default_rng(seed).integers(0, 256, (count, 7, 7)).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((28, 28), Image.Resampling.BICUBIC)) for each in small])


@pytest.fixture
def clean():
    train, test = (
        LabelledSplit(
            images=smooth(2 * each, seed), labels=np.repeat([0, 1], each), names=names_of_rows("any", 2 * each)
        )
        for seed, each in ((0, 60), (1, 20))
    )
    read = ReadImages(source="x", fingerprint="f", classes=("a", "b"), train=train, test=test, of_train=(60, 60))
    return dataset_of(read)


def test_nothing_is_said_where_there_is_nothing(clean):
    assert content_of(clean) == Content()
    assert note(Content()) is None
    assert list(notices(clean, Content())) == []


def test_the_phantom_and_its_like_have_nothing(phantom):
    assert content_of(phantom) == Content()


def with_test(dataset, images):
    return replace(dataset, test_images=np.concatenate([images, dataset.test_images[len(images) :]]))


def test_test_images_that_are_in_the_pool(clean):
    found = content_of(with_test(clean, clean.pool_images[:5]))
    assert (found.test_in_pool, found.test_nearly_in_pool) == (5, 0)
    (notice,) = notices(clean, found)
    assert "of its 40 images 5 stand among those that are learned from too, and 0 more nearly do" in notice


def scaled(image):
    return np.asarray(Image.fromarray(image).resize((90, 90), Image.Resampling.BICUBIC).resize((28, 28), 4))


def compressed(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=80)
    return np.asarray(Image.open(file))


def brighter(image):
    return np.minimum(image.astype(int) + 1, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [scaled, compressed, brighter])
def test_test_images_that_are_nearly_in_the_pool(clean, change):
    images = np.stack([change(image) for image in clean.pool_images[:5]])
    assert content_of(with_test(clean, images)).test_nearly_in_pool == 5


def test_in_colour_too(clean):
    tinted = np.stack([clean.pool_images, clean.pool_images // 2, clean.pool_images // 3], axis=-1)
    colour = replace(clean, pool_images=tinted, test_images=np.repeat(clean.test_images[..., None], 3, axis=-1))
    assert content_of(colour) == Content()
    assert content_of(with_test(colour, tinted[:4])).test_in_pool == 4


def test_copies_blanks_and_two_labels(clean):
    pool = clean.pool_images.copy()
    # Of one class, and of both.
    pool[1] = pool[0]
    pool[60] = pool[0]
    pool[5] = 7
    content = content_of(replace(clean, pool_images=pool))
    assert (content.copies_in_pool, content.blank, content.with_two_labels) == (2, 1, 3)
    assert note(content) == (
        "Among the images are 2 copies within the pool, 1 blank images, 3 images that are there with another label too."
    )
    (notice,) = notices(clean, content)
    assert notice == (
        "COPIES: 2 of the 120 images that seeds draw from are copies of others (1 with another label). What a "
        "seed learns from, it is then scored on: accuracies are too high by those with the same label, and too low by "
        "those with another. Leave one of each, with the label that is right."
    )


@pytest.mark.parametrize(
    ("copies", "says"),
    [
        (range(1, 5), "copies of others. What a seed learns from, it is then scored on: accuracies are too high and "),
        (range(60, 64), "(4 with another label). What a seed learns from, it is then scored on: accuracies are "
         "too low, since labels contradict each other. Leave one of each, with the label that is right."),
    ],
)  # fmt: skip
def test_what_copies_do_to_accuracies_depends_on_their_labels(clean, copies, says):
    pool = clean.pool_images.copy()
    for row in copies:
        pool[row] = pool[0 if row < 60 else row - 60]
    (notice,) = notices(clean, content_of(replace(clean, pool_images=pool)))
    assert says in notice


def test_copies_with_another_label_than_most_are_counted_one_by_one(clean):
    pool = clean.pool_images.copy()
    pool[[1, 2, 60, 61]] = pool[0]
    content = content_of(replace(clean, pool_images=pool))
    assert (content.copies_in_pool, content.copies_otherwise) == (4, 2)


@pytest.mark.parametrize(
    ("rows", "otherwise", "effect"),
    [
        (range(5), 0, "too good"),
        (range(60, 65), 5, "too bad, since labels contradict each other"),
        ((0, 1, 60), 1, "too good by those with the same label, and too bad by those with another"),
    ],
)
def test_what_test_images_in_the_pool_do_depends_on_their_labels(clean, rows, otherwise, effect):
    # The first test images are of the first class.
    content = content_of(with_test(clean, clean.pool_images[list(rows)]))
    assert (content.test_in_pool, content.test_otherwise_in_pool) == (len(rows), otherwise)
    (notice,) = notices(clean, content)
    assert f"Results on it are {effect}: take them out" in notice
    assert (f"({otherwise} with another label)" in notice) == (otherwise > 0)


def test_a_test_image_that_stands_in_the_pool_with_its_own_label_too_is_not_among_the_contradicting(clean):
    pool = clean.pool_images.copy()
    pool[60] = pool[0]
    content = content_of(replace(with_test(clean, pool[:1]), pool_images=pool))
    assert (content.test_in_pool, content.test_otherwise_in_pool, content.copies_otherwise) == (1, 0, 1)


def test_a_pool_of_one_image_is_refused(clean):
    text = refused(content_of, replace(clean, pool_images=np.zeros_like(clean.pool_images)))
    assert "all 120 to draw from are the same" in text


@pytest.mark.parametrize(
    ("content", "warnings", "mark"),
    [
        (Content(), [], FINE),
        (Content(test_in_pool=1, copies_in_pool=3, blank=2), [], FINE),
        (Content(test_in_pool=100, test_nearly_in_pool=3), ["103 TEST IMAGES IN THE POOL"], LOOK),
        (Content(copies_in_pool=1950), ["1950 COPIES IN THE POOL"], LOOK),
        (
            Content(test_in_pool=100, test_otherwise_in_pool=3, copies_in_pool=1950, copies_otherwise=7),
            ["100 TEST IMAGES IN THE POOL (3 WITH ANOTHER LABEL)", "1950 COPIES IN THE POOL (7 WITH ANOTHER LABEL)"],
            LOOK,
        ),
        (Content(blank=300), [], LOOK),
        (Content(with_two_labels=300), [], LOOK),
    ],
)
def test_what_moves_numbers_stands_beside_them(content, warnings, mark):
    spec = changed(SPEC, {"content": content})
    assert caveats.warnings(spec) == warnings
    check = content_check(CheckedSweep(summary=found([], spec={"content": content}), trials=[]))
    assert check.mark == mark
    assert len(check.items) == sum(count > 0 for count in content.by_kind().values())

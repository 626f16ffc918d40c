"""Every approach on images that are not the study's: more classes, colours, other sizes, few shots, small pools."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import torch

from approaches import APPROACHES, brief_start_of, configurations, pretended, run, start_of, weights_of
from trainables.parts.datasets import BREASTMNIST, phantom_other, small
from trainables.parts.image_sets import POOL
from trainables.parts.metrics import metric_names, metrics_of
from trainables.parts.protocol import TEST, VALIDATION, Protocol
from trainables.parts.results import unpacked_hits
from trainables.parts.run_seed import prepare_worker, support_of
from trainables.parts.streams import Streams

PLACES = ((slice(2, 12), slice(2, 12)), (slice(16, 26), slice(16, 26)), (slice(2, 12), slice(16, 26)))
# By name: shots of each class, sizes of the pools, pixels along a side, whether there are colours.
KINDS = {
    "three classes": ((5, 5, 5), (40, 25, 30), 28, False),
    "colour": ((5, 5), (30, 40), 28, True),
    "40 pixels": ((5, 5), (30, 30), 40, False),
    "uneven shots": ((2, 8), (25, 40), 28, False),
    "one shot": ((1, 1, 1), (20, 20, 20), 28, True),
}


@functools.cache
def image_sets(kind):
    """A bright square whose place tells the class, on noise, and of colours also its tint."""
    shots, pool, size_px, is_colour = KINDS[kind]
    rng = np.random.default_rng(0)

    def drawn(counts):
        labels = np.repeat(np.arange(len(counts)), counts)
        grey = rng.integers(0, 110, (len(labels), 28, 28))
        for image, label in zip(grey, labels, strict=True):
            image[PLACES[label]] += 120
        tints = np.array([[1.0, 0.7, 0.7], [0.7, 1.0, 0.7], [0.7, 0.7, 1.0]])[labels]
        images = grey[..., None] * tints[:, None, None] if is_colour else grey
        return np.kron(images, np.ones((1, 2, 2, 1) if is_colour else (1, 2, 2))).astype(np.uint8), labels

    protocol = Protocol(classes=("a", "b", "c")[: len(shots)], shots=shots, validation=12, confirmation=1000, pool=pool)
    (pool_images, _), (test_images, test_labels) = drawn(pool), drawn([10] * len(pool))
    # Even numbers of pixels have whole areas in images of half the size.
    step = 56 // size_px if size_px == 28 else 1
    crop = slice(0, size_px) if step == 1 else slice(None, None, step)
    found = {
        POOL: pretended(small(pool_images[:, crop, crop]), protocol.labels, protocol),
        TEST: pretended(small(test_images[:, crop, crop]), test_labels),
    }
    return {**found, BREASTMNIST: other(is_colour)}


# Of the tables in place of features it has the largest.
@functools.cache
def other(is_colour):
    """The images of another data set."""
    found = phantom_other(BREASTMNIST)
    return pretended(np.repeat(found.images[:, None], 3, 1) if is_colour else found.images, found.labels)


@pytest.fixture(params=APPROACHES, ids=lambda approach: approach.name)
def approach(request):
    prepare_worker()
    return request.param


@pytest.fixture(params=KINDS, ids=lambda kind: kind.replace(" ", "_"))
def kind(request):
    return request.param


def test_learns_and_scores_the_images_of_the_protocol(approach, kind):
    sets = image_sets(kind)
    protocol = sets[POOL].protocol
    results = run(approach, brief_start_of(approach), 1000, sets, (VALIDATION, TEST))
    assert [result.error for result in results] == [None, None]
    for result, each in zip(results, (12, 10), strict=True):
        found = metrics_of(result, protocol.classes)
        assert tuple(found) == metric_names(protocol.classes)
        assert all(0 <= value <= 1 for value in found.values())
        hits = unpacked_hits(result.hits, each * len(protocol.classes))
        assert hits.mean() == pytest.approx(result.accuracy)
        recalls = hits.reshape(len(protocol.classes), each).mean(1)
        assert result.recalls == () if len(recalls) == 2 else result.recalls == pytest.approx(recalls)
        assert result.balanced_accuracy == pytest.approx(recalls.mean())
    # The same bits again, here of three classes in colour; of two in grey: tests/test_approaches.py.
    if kind == "one shot":
        again = run(approach, brief_start_of(approach), 1000, sets, (VALIDATION, TEST))
        assert [dataclasses.replace(result, seconds=0, timestamp_ms=0) for result in results] == [
            dataclasses.replace(result, seconds=0, timestamp_ms=0) for result in again
        ]


def test_an_image_scored_alone_and_in_a_batch_has_the_same_logits(approach, kind):
    sets = image_sets(kind)
    config = approach.learner.Config(**brief_start_of(approach))
    needs = approach.learner.needs(config)
    rows, _ = sets[POOL].protocol.split(0)
    classifier = approach.learner.fit(config, support_of(needs, rows, sets, weights_of(approach)), Streams(0))
    views = [torch.from_numpy(sets[TEST].view(name)[:8]) for name in needs.view_names]
    with torch.inference_mode():
        together = classifier(*views)
        alone = torch.cat([classifier(*(view[i : i + 1] for view in views)) for i in range(8)])
    classes = len(sets[POOL].protocol.classes)
    assert together.shape == ((8,) if classes == 2 else (8, classes))
    torch.testing.assert_close(together.float(), alone.float(), rtol=1e-3, atol=1e-3)


def test_learns_an_easy_task(approach):
    """The start in brief, the start, or one of a few others that a sweep would try."""
    candidates = (brief_start_of(approach), start_of(approach), *configurations(approach, 8))
    found = (run(approach, params, 1000, image_sets("three classes"))[0].accuracy or 0 for params in candidates)
    assert any(accuracy > 0.7 for accuracy in found)

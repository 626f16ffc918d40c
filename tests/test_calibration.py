"""Temperatures from held-out images, and what is measured of probabilities."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.metrics import balanced_accuracy_score, brier_score_loss

from approaches import APPROACHES, configurations, start_of
from sweeps.analysis.model_quality import brier, measured
from trainables.parts.calibration import folds, held_out, shared_temperature, temperature
from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.learner import Learner
from trainables.parts.protocol import Protocol
from trainables.parts.run_seed import classify, support_of
from trainables.parts.streams import Streams
from trainables.pixel_baseline import PixelBaseline
from trainables.tapped_head import EfficientNetLite0

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_a_temperature_that_was_applied_is_found(scale):
    log_odds = RNG.normal(0, 2, 20_000)
    labels = (RNG.random(20_000) < expit(log_odds)).astype(int)
    assert temperature(scale * log_odds, labels) == pytest.approx(scale, rel=0.06)
    logits = RNG.normal(0, 2, (20_000, 3))
    drawn = (RNG.random((20_000, 1)) > softmax(logits, axis=1).cumsum(1)).sum(1)
    assert temperature(scale * logits, drawn) == pytest.approx(scale, rel=0.06)


def test_of_few_images_that_are_all_right_it_is_not_certain():
    log_odds, labels = np.array([-30.0, -20, -25, 20, 30, 25]), np.array([0, 0, 0, 1, 1, 1])
    assert expit(30 / temperature(log_odds, labels)) == pytest.approx(0.8, abs=0.05)


def test_margins_that_say_nothing_give_even_probabilities():
    log_odds, labels = np.array([3.0, -3, 3, -3]), np.array([0, 0, 1, 1])
    assert expit(3 / temperature(log_odds, labels)) == pytest.approx(0.5, abs=0.01)


def test_without_anything_held_out_it_is_one():
    assert temperature(np.zeros(0), np.zeros(0, int)) == 1
    assert temperature(np.zeros(2), np.array([0, 1])) == 1


def test_every_class_counts_the_same():
    log_odds, labels = np.array([-2.0, 1.0, 2.0, -1.0]), np.array([0, 0, 1, 1])
    more = np.r_[np.repeat(log_odds[:2], 50), log_odds[2:]]
    # But for the softening, which is of the classes' sizes.
    found = temperature(more, np.r_[np.repeat(labels[:2], 50), labels[2:]])
    assert found == pytest.approx(temperature(log_odds, labels), rel=0.5)


def test_folds_have_every_class_and_no_group_twice():
    labels = np.array([0] * 7 + [1] * 5)
    found = folds(np.arange(12), labels, None)
    assert [Counter(found[labels == label].tolist())[fold] for label in (0, 1) for fold in range(5)] == [
        *(2, 2, 1, 1, 1),
        *(1, 1, 1, 1, 1),
    ]
    groups = np.array([9, 9, 8, 7, 6, 5, 4, 9, 3, 2, 1, 0])
    of_group = {}
    for group, fold in zip(groups, folds(np.arange(12), labels, groups), strict=True):
        assert of_group.setdefault(group, fold) == fold


class Remembering(Learner):
    """Calls an image of what it knows certain."""

    Config = dict

    @classmethod
    def fit(cls, config, support, streams):
        known = support.images[:, 0, 0]
        return lambda images: torch.isin(images[:, 0, 0], known).double()


@pytest.mark.parametrize(("shots", "count"), [(3, 6), (1, 0)])
def test_what_is_held_out_was_not_learned_from(shots, count):
    pixels = np.zeros((20, 28, 28), np.uint8)
    pixels[:, 0, 0] = np.arange(20)
    protocol = Protocol(classes=("a", "b"), shots=(shots, shots), validation=5, confirmation=5, pool=(10, 10))
    pool = ImageSet(labels=protocol.labels, views={PIXELS: pixels}, protocol=protocol)
    rows, _ = protocol.split(0)
    logits, labels = held_out(Remembering, {}, rows, 0, {POOL: pool}, {})
    assert logits.tolist() == [0.0] * count
    assert sorted(labels) == sorted([0, 1] * (count // 2))
    assert shared_temperature([(logits, labels)] * 2) == 1


PENALISED = {
    "pixels": (PixelBaseline, {"representation": "none", "classifier": "logistic"}),
    "inner layer": (EfficientNetLite0, {"tap": "2@80", "cut": 1, "shrink": 0.2, "mirror": False, "head": "logistic"}),
}


@pytest.mark.parametrize(("learner", "params"), PENALISED.values(), ids=PENALISED)
@pytest.mark.parametrize("logistic_c", [1e-4, 1.0])
def test_logistic_regression_is_sure_of_what_it_tells_apart_whatever_its_penalty(learner, params, logistic_c):
    config = learner.Config(**params, logistic_c=logistic_c)
    (view,) = learner.needs(config).view_names
    pixels = np.random.default_rng(0).integers(0, 100, (40, 28, 28), dtype=np.uint8)
    pixels[20:, 7:21, 7:21] += 100
    protocol = Protocol(classes=("a", "b"), shots=(5, 5), validation=5, confirmation=5, pool=(20, 20))
    shown = pixels if view == PIXELS else pixels.reshape(40, -1).astype(np.float32)
    pool = ImageSet(labels=protocol.labels, views={view: shown}, protocol=protocol)
    rows, others = protocol.split(0)
    support = support_of(learner.needs(config), rows, {POOL: pool}, {})
    logits = classify(learner.fit(config, support, Streams(0)), [pool.view(view)], others, 2)
    if learner.gives_margins(config):
        logits = logits / shared_temperature([held_out(learner, config, rows, 0, {POOL: pool}, {})])
    certain = np.where(pool.labels[others] == 1, expit(logits), expit(-logits))
    assert certain.min() > 0.7


@pytest.mark.parametrize("approach", APPROACHES, ids=lambda approach: approach.name)
def test_every_configuration_says_whether_it_gives_margins(approach):
    for params in (start_of(approach), *configurations(approach, 5)):
        assert approach.learner.gives_margins(approach.learner.Config(**params)) in (True, False)


def test_what_is_measured_is_what_others_measure():
    second = RNG.random(300)
    probabilities, labels = np.stack([1 - second, second], axis=1), (RNG.random(300) < 0.5).astype(int)
    found = measured(probabilities, labels)
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, second >= 0.5))
    parts = [brier_score_loss(labels[labels == each], second[labels == each], labels=[0, 1]) for each in (0, 1)]
    assert found.brier == brier(probabilities, labels) == pytest.approx(np.mean(parts))
    assert found.images == tuple(np.bincount(labels))
    assert sum(each.images for each in found.bins) == 300
    for each in found.bins:
        said = probabilities.max(1)
        inside = (said >= each.low) & (said < each.high)
        assert each.images == inside.sum()
        assert each.said == pytest.approx(said[inside].mean())
        assert each.was == pytest.approx(((second >= 0.5) == labels)[inside].mean())


def test_certain_and_right_is_perfect_of_any_number_of_classes():
    found = measured(np.eye(3)[[0, 1, 2, 2]], np.array([0, 1, 2, 2]))
    assert (found.balanced_accuracy, found.auroc, found.brier) == (1, 1, 0)
    (only,) = found.bins
    assert (only.low, only.high, only.images, only.said, only.was) == (0.9, 1.0, 4, 1, 1)

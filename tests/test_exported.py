"""A trained model that is saved and loaded: the same probabilities, whatever the approach, and no training image."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from approaches import APPROACHES, brief, brief_start_of, pretended, weights_of
from trainables.parts import exported
from trainables.parts.datasets import BREASTMNIST, phantom_other
from trainables.parts.exported import ExportedModel, Form
from trainables.parts.image_sets import POOL
from trainables.parts.protocol import Protocol
from trainables.parts.run_seed import classify, prepare_worker, support_of
from trainables.parts.streams import Streams

ROOT = Path(__file__).parent.parent
PROTOCOL = Protocol(classes=("a", "b"), shots=(2, 2), validation=1, confirmation=1, pool=(5, 5))
# What is learned from, and a batch to be classified.
LEARNED, ASKED = [0, 1, 5, 6], [2, 3, 4, 7, 8, 9]
GREY = Form(size_px=28, colours=1, are_files=False)


@functools.cache
def images():
    return np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8)


@functools.cache
def image_sets():
    other = phantom_other(BREASTMNIST)
    return {
        POOL: pretended(images(), PROTOCOL.labels, PROTOCOL),
        BREASTMNIST: pretended(other.images, other.labels),
    }


def taught(approach):
    """A model of an approach's start that has learned from four images, and the form in which it sees all."""
    config = approach.learner.Config(**brief(brief_start_of(approach), 2))
    needs = approach.learner.needs(config)
    support = support_of(needs, np.array(LEARNED), image_sets(), weights_of(approach))
    views = [image_sets()[POOL].view(name) for name in needs.view_names]
    specs = [None if isinstance(each, str) else each for each in needs.views]
    model = ExportedModel(
        classes=PROTOCOL.classes,
        form=GREY,
        views=tuple(map(exported.view_of, needs.view_names, specs, views)),
        members=(approach.learner.fit(config, support, Streams(0)),),
        temperatures=(1.0,),
        weights={spec.backbone: {} for spec in needs.features},
    )
    return model, views


def pretended_extractor(spec, outputs, weights):
    """As `extractor`, of the features that tests have in place of a backbone's."""

    def extract(pixels):
        seen = pretended(pixels.numpy(), None)
        named = {output: f"{replace(spec, output=output).name}" for output in outputs}
        return {output: torch.from_numpy(seen.view(name).copy()) for output, name in named.items()}

    return extract


@pytest.mark.parametrize("approach", APPROACHES, ids=lambda approach: approach.name)
def test_every_approach_gives_the_same_probabilities_after_loading_as_in_training(approach, tmp_path, monkeypatch):
    prepare_worker()
    monkeypatch.setattr(exported, "extractor", pretended_extractor)
    model, views = taught(approach)
    before = model.probabilities(images()[ASKED])
    exported.save(model, tmp_path / "model")
    assert np.array_equal(exported.load(tmp_path / "model").probabilities(images()[ASKED]), before)
    # As a seed scores them, with the mirror images' own features.
    log_odds = classify(model.members[0], views, np.array(ASKED))
    np.testing.assert_allclose(before[:, 1], expit(log_odds.astype(float)), rtol=0, atol=1e-6)
    # No image that was learned from is in it.
    content = (tmp_path / "model" / exported.MEMBERS).read_bytes()
    assert not [row for row in LEARNED if images()[row].tobytes() in content]

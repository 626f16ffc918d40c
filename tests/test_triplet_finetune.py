"""Triplet loss on a backbone that is trained on: what moves, and that it is the loss and decision of `triplet`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from made_weights import made_weights
from trainables import triplet_finetune
from trainables.parts.learner import Support
from trainables.parts.run_seed import prepare_worker
from trainables.parts.streams import Streams
from trainables.parts.training import train
from trainables.triplet import decision, triplet_loss
from trainables.triplet_finetune import TripletFinetune, TripletFinetuneConfig

LABELS = torch.tensor([0] * 5 + [1] * 5)


@pytest.fixture(autouse=True)
def one_thread():
    prepare_worker()


def config(**changes):
    common = {
        "backbone": "efficientnet_lite0",
        "blocks": 1,
        "backbone_rate": 0.1,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "steps": 5,
        "embedding_size": 8,
        "unit_length": False,
        "dropout": 0.0,
        "margin": 0.5,
        "mining": "all",
        "inference": "centroid",
    }
    return TripletFinetuneConfig(**{**common, **changes})


def support(mirrored=0):
    maps = torch.from_numpy(np.random.default_rng(0).random((10, 80, 5, 5), dtype=np.float32))
    weights = made_weights("efficientnet_lite0")
    return Support(images=maps, more=(maps.flip(-1),) * mirrored, labels=LABELS, classes=2, weights=weights)


@pytest.fixture
def trained(monkeypatch):
    """The models that were trained, each with its parameters as they were before, and what the loss took."""
    found = []

    def watched(model, batch_of_step, labels, *arguments, **more):
        before = [parameter.detach().clone() for parameter in model.parameters()]
        found.append((model, before, batch_of_step(0), labels))
        train(model, batch_of_step, labels, *arguments, **more)

    monkeypatch.setattr(triplet_finetune, "train", watched)
    return found


@pytest.mark.parametrize("mirrored", [0, 1])
@pytest.mark.parametrize("inference", ["centroid", "neighbours", "logistic"])
def test_the_blocks_and_the_embedding_learn_and_the_embeddings_decide(inference, mirrored, trained):
    chosen = config(inference=inference, neighbours=3, mirror=bool(mirrored))
    taught = support(mirrored)
    classifier = TripletFinetune.fit(chosen, taught, Streams(0))
    ((model, before, maps, labels),) = trained
    assert len(maps) == len(labels) == 10 * (1 + mirrored)
    assert all(not torch.equal(now, was) for now, was in zip(model.parameters(), before, strict=True))
    with torch.inference_mode():
        embeddings = model(maps)
        assert embeddings.shape == (10 * (1 + mirrored), 8)
        found = classifier(taught.images, *taught.more)
        torch.testing.assert_close(found, decision(chosen, embeddings, labels)(embeddings[:10]))


def test_training_makes_the_triplet_loss_smaller(trained):
    TripletFinetune.fit(config(steps=30, backbone_rate=1.0), support(), Streams(0))
    ((model, before, maps, labels),) = trained

    def loss():
        return float(triplet_loss(model(maps), labels, mining="all", margin=0.5).detach())

    after = loss()
    with torch.no_grad():
        for parameter, was in zip(model.parameters(), before, strict=True):
            parameter.copy_(was)
    assert after < loss()


def test_without_blocks_only_the_embedding_is_there(trained):
    images = torch.randn(10, 12, generator=torch.Generator().manual_seed(0))
    taught = Support(images=images, labels=LABELS, classes=2)
    TripletFinetune.fit(config(blocks=0), taught, Streams(0))
    ((model, _, _, _),) = trained
    assert len(list(model.parameters())) == 2
    assert TripletFinetune.needs(config(blocks=0)).trained_backbones == ()
    assert {spec.backbone for spec in TripletFinetune.may_need.features} == {"alexnet", "efficientnet_lite0"}

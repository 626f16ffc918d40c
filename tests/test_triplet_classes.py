"""Triplets of any number of classes, of which some may have a single image."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from made_weights import made_weights
from trainables.parts.image_sets import LabelledImages
from trainables.parts.learner import Support
from trainables.parts.metrics import decided
from trainables.parts.run_seed import prepare_worker
from trainables.parts.streams import Streams
from trainables.triplet import (
    AlexNetTriplet,
    Embedding,
    TripletConfig,
    balanced_batches,
    decision,
    distances,
    has_triplets,
    mine,
    triplet_loss,
)
from trainables.triplet_finetune import TripletFinetune, TripletFinetuneConfig

COMMON = {
    "learning_rate": 1e-2,
    "weight_decay": 0.1,
    "steps": 30,
    "scaling": "none",
    "embedding_size": 8,
    "unit_length": False,
    "dropout": 0.0,
    "margin": 0.5,
    "mining": "all",
    "inference": "centroid",
}
CONFIG = {**COMMON, "tap": "3@224", "joint": False}
TASKS = {
    "three classes": [0] * 2 + [1] * 4 + [2] * 3,
    "two and eight": [0] * 2 + [1] * 8,
    "one and three": [0] + [1] * 3,
    "one, two, one": [0, 1, 1, 2],
    "one each": [0, 1],
    "one each of three": [0, 1, 2],
}
each_task = pytest.mark.parametrize("labels", [torch.tensor(each) for each in TASKS.values()], ids=TASKS)
each_mining = pytest.mark.parametrize("mining", ["all", "semi-hard", "hard"])
each_inference = pytest.mark.parametrize(
    "inference", [{"inference": "centroid"}, {"inference": "neighbours", "neighbours": 3}, {"inference": "logistic"}]
)


@pytest.fixture(autouse=True)
def _seeded():
    prepare_worker()
    torch.manual_seed(0)


def easy(labels, seed):
    """Features of classes that have twenty each of their own."""
    features = torch.randn(len(labels), 4, 20, generator=torch.Generator().manual_seed(seed))
    features[range(len(labels)), labels] += 3
    return features.flatten(1)


def support(labels, **more):
    return Support(images=easy(labels, 0), labels=labels, classes=len(labels.unique()), **more)


def valid_triplets(labels):
    for anchor, positive, negative in itertools.product(range(len(labels)), repeat=3):
        if anchor != positive and labels[anchor] == labels[positive] and labels[anchor] != labels[negative]:
            yield anchor, positive, negative


@each_task
@each_mining
def test_mined_are_valid_triplets_and_an_image_alone_in_its_class_is_no_anchor(mining, labels):
    embeddings = torch.randn(len(labels), 3)
    far = distances(embeddings, embeddings)
    found = [tuple(each) for each in mine(mining, far, labels).T.tolist()]
    valid = set(valid_triplets(labels.tolist()))
    assert set(found) <= valid
    assert len(set(found)) == len(found)
    assert bool(valid) == has_triplets(labels)
    pairs = {(anchor, positive) for anchor, positive, _ in valid}
    anchors = {anchor for anchor, _ in pairs}
    assert len(found) == len({"all": valid, "semi-hard": pairs, "hard": anchors}[mining])
    for anchor, positive, negative in found if mining == "hard" else []:
        assert far[anchor, positive] == max(far[anchor, other] for one, other in pairs if one == anchor)
        assert far[anchor, negative] == min(far[anchor, other] for one, _, other in valid if one == anchor)


@each_task
@each_mining
def test_loss_is_the_mean_over_triplets_that_are_not_right_and_zero_without_any(mining, labels):
    embeddings = torch.randn(len(labels), 4).requires_grad_()
    loss = triplet_loss(embeddings, labels, mining=mining, margin=0.5)
    loss.backward()
    assert embeddings.grad.isfinite().all()
    if not has_triplets(labels):
        assert float(loss.detach()) == 0
    elif mining == "all":
        far = [[math.dist(one, other) for other in embeddings.tolist()] for one in embeddings.tolist()]
        losses = [max(far[a][p] - far[a][n] + 0.5, 0) for a, p, n in valid_triplets(labels.tolist())]
        assert float(loss.detach()) == pytest.approx(np.mean([each for each in losses if each]), abs=1e-5)


@each_task
@each_mining
@each_inference
@pytest.mark.parametrize("unit_length", [False, True])
def test_any_number_of_classes_of_any_number_of_images_is_told_apart(labels, mining, inference, unit_length):
    config = TripletConfig(**{**CONFIG, "mining": mining, "unit_length": unit_length, **inference})
    classes = len(labels.unique())
    new_labels = torch.arange(20 * classes) % classes
    classifier = AlexNetTriplet.fit(config, support(labels), Streams(0))
    with torch.inference_mode():
        found = classifier(easy(new_labels, 1))
    assert found.shape == ((len(new_labels),) if classes == 2 else (len(new_labels), classes))
    # Without triplets it is a random projection.
    assert (decided(found.numpy()) == new_labels.numpy()).mean() > (0.8 if has_triplets(labels) else 0.7)


@pytest.mark.parametrize("labels", [torch.tensor([0, 1]), torch.tensor([0, 1, 2])])
def test_without_any_triplet_the_embedding_stays_as_it_was_initialised(labels):
    """Also where its weights would decay."""
    new, config = easy(labels, 1), TripletConfig(**{**CONFIG, "dropout": 0.5})
    classifier = AlexNetTriplet.fit(config, support(labels), Streams(0))
    with Streams(0).torch_default("initialisation"):
        embedding = Embedding(config, 80).eval()
    with torch.inference_mode():
        wanted = decision(config, embedding(easy(labels, 0)), labels)(embedding(new))
        assert torch.equal(classifier(new), wanted)


def test_without_any_triplet_of_its_own_it_learns_from_another_data_set_s():
    labels, others = torch.tensor([0, 1, 2]), torch.arange(40) % 2
    breasts = LabelledImages(images=easy(others, 2).numpy(), labels=others.numpy())
    given = support(labels, other_datasets={"breastmnist": breasts})
    alone, joint = (
        AlexNetTriplet.fit(TripletConfig(**{**CONFIG, "joint": joint}), given, Streams(0))(easy(labels, 1))
        for joint in (False, True)
    )
    assert joint.shape == alone.shape == (3, 3)
    assert not torch.equal(alone, joint)


def test_a_data_set_with_fewer_images_of_a_class_gives_all_of_them_to_each_batch():
    labels = np.repeat([0, 1, 2], [3, 20, 9])
    rows = balanced_batches(labels, 5, torch.Generator().manual_seed(0))
    assert (labels[rows.numpy()] == np.repeat([0, 1, 2], [3, 8, 8])).all()
    assert all(len(set(batch)) == len(batch) for batch in rows.tolist())


def test_logits_are_minus_the_distances_to_each_class_or_those_of_logistic_regression():
    labels = torch.tensor(TASKS["three classes"])
    references, queries = torch.randn(9, 8), torch.randn(7, 8)

    def found(**inference):
        return decision(TripletConfig(**{**CONFIG, **inference}), references, labels)(queries)

    for row, query in enumerate(queries):
        for label in range(3):
            own = references[labels == label]
            assert found()[row, label] == pytest.approx(-float((query - own.mean(0)).square().sum()), abs=1e-4)
            # Of two images as many count as there are.
            near = sorted(math.dist(query.tolist(), each) for each in own.tolist())[:3]
            neighbours = found(inference="neighbours", neighbours=3)
            assert neighbours[row, label] == pytest.approx(-np.mean(near), abs=1e-4)
    model = LogisticRegression(class_weight="balanced").fit(references.double().numpy(), labels.numpy())
    wanted = model.predict_proba(queries.double().numpy())
    np.testing.assert_allclose(found(inference="logistic").softmax(1).numpy(), wanted, atol=1e-6)


@each_inference
@pytest.mark.parametrize("labels", [torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 1, 2])])
def test_last_blocks_are_trained_with_the_triplets_that_there_are(labels, inference):
    maps = torch.from_numpy(np.random.default_rng(0).random((len(labels), 80, 5, 5), dtype=np.float32))
    given = Support(images=maps, labels=labels, classes=3, weights=made_weights("efficientnet_lite0"))
    more = {"backbone": "efficientnet_lite0", "blocks": 1, "backbone_rate": 0.1, **inference}
    found = {}
    for steps in (0, 3):
        config = TripletFinetuneConfig(**{**COMMON, **more, "steps": steps})
        classifier = TripletFinetune.fit(config, given, Streams(0))
        with torch.inference_mode():
            found[steps] = classifier(maps)
        assert found[steps].shape == (len(labels), 3)
        assert found[steps].isfinite().all()
    assert torch.equal(found[0], found[3]) == (not has_triplets(labels))

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from trainables import siamese
from trainables.parts.learner import Support
from trainables.parts.streams import Streams
from trainables.parts.training import train
from trainables.siamese import (
    BceConfig,
    ContrastiveConfig,
    Embedding,
    SiameseBCE,
    SiameseContrastive,
    TrainedSimilarity,
    Twins,
    class_scores,
    contrastive_loss,
    negative_distance,
    pair_weights,
    pairs,
)

COMMON = {
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "steps": 15,
    "normalisation": "fixed",
    "augmentation": "none",
    "embedding_size": 16,
    "dropout": 0.0,
    "references": "mean",
}


def contrastive(**changes):
    return ContrastiveConfig(**{**COMMON, "margin": 1.0, "unit_length": False, **changes})


def bce(**changes):
    return BceConfig(**{**COMMON, "comparison": "cosine", "hidden_layers": 1, "hidden_width": 8, **changes})


EACH_APPROACH = {
    "contrastive": (SiameseContrastive, contrastive()),
    "contrastive of unit length, nearest": (SiameseContrastive, contrastive(unit_length=True, references="nearest")),
    "cosine": (SiameseBCE, bce()),
    "difference, nearest": (SiameseBCE, bce(comparison="difference", references="nearest")),
}
each_approach = pytest.mark.parametrize(("approach", "config"), EACH_APPROACH.values(), ids=EACH_APPROACH)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def easy(count, seed):
    """Images of two classes, bright on the left and on the right, in no order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % 2)
    images = rng.integers(60, 120, size=(count, 28, 28), dtype=np.uint8)
    images[labels == 0, :, :14] += 100
    images[labels == 1, :, 14:] += 100
    return torch.from_numpy(images), torch.from_numpy(labels)


def test_pairs_of_ten_are_the_45_once_each():
    found = pairs(10).T.tolist()
    assert sorted(found) == [list(pair) for pair in itertools.combinations(range(10), 2)]


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
def test_contrastive_loss_agrees_with_a_loop(margin):
    distances, same = 3 * torch.rand(45), (torch.rand(45) < 0.5).float()
    losses = []
    for distance, is_same in zip(distances.tolist(), same.tolist(), strict=True):
        losses.append(distance**2 if is_same else max(0, margin - distance) ** 2)
    assert float(contrastive_loss(-distances, same, margin=margin)) == pytest.approx(sum(losses) / 45, abs=1e-5)


@pytest.mark.parametrize(
    ("distance", "same", "loss"),
    [(0, 1, 0), (0.5, 1, 0.25), (3, 1, 9), (0, 0, 4), (0.5, 0, 2.25), (2, 0, 0), (7, 0, 0)],
)
def test_contrastive_loss_of_one_pair(distance, same, loss):
    found = contrastive_loss(torch.tensor([-float(distance)]), torch.tensor([float(same)]), margin=2.0)
    assert float(found) == pytest.approx(loss, abs=1e-6)


def test_pairs_count_so_that_classes_count_the_same():
    assert pair_weights(torch.tensor([0] * 5 + [1] * 5)) is None
    labels = torch.tensor([0] * 2 + [1] * 8)
    found, kinds = pair_weights(labels), labels[pairs(10)].sum(0)
    # An image of the smaller class counts four times as much.
    assert [found[kinds == kind].unique().numel() for kind in range(3)] == [1, 1, 1]
    one, mixed, other = (float(found[kinds == kind][0]) for kind in range(3))
    assert (one / mixed, mixed / other) == (pytest.approx(4), pytest.approx(4))
    assert float(found.mean()) == pytest.approx(1)


@pytest.mark.parametrize(("approach", "config"), [(SiameseContrastive, contrastive()), (SiameseBCE, bce())])
def test_losses_weigh_pairs(approach, config):
    similarities, same, weights = torch.randn(6), torch.tensor([1.0, 0, 0, 1, 0, 1]), torch.arange(6.0) / 2.5
    alone = [approach.loss(config, None)(similarities[at, None], same[at, None]) for at in range(6)]
    expected = sum(weight * loss for weight, loss in zip(weights, alone, strict=True)) / 6
    torch.testing.assert_close(approach.loss(config, weights)(similarities, same), expected)


@pytest.mark.parametrize("same", [0.0, 1.0])
@pytest.mark.parametrize("unit_length", [False, True])
def test_two_equal_embeddings_have_a_finite_gradient(same, unit_length):
    twins = Twins(Embedding(contrastive(), unit_length=unit_length), negative_distance).eval()
    images = torch.rand(1, 1, 28, 28).repeat(2, 1, 1, 1)
    contrastive_loss(twins(images), torch.tensor([same]), margin=1.0).backward()
    assert all(parameter.grad.isfinite().all() for parameter in twins.parameters())


def test_negative_distance_is_euclidean():
    one, other = torch.randn(2, 6, 5).double()
    for a, b, found in zip(one.tolist(), other.tolist(), negative_distance(one, other).tolist(), strict=True):
        assert found == pytest.approx(-math.dist(a, b))


@pytest.mark.parametrize("references", ["mean", "nearest"])
def test_class_score_agrees_with_loops(references):
    similarities, labels = torch.randn(7, 10), torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1, 1])
    found = class_scores(similarities, labels, references, 2)
    assert found.shape == (7,)
    for row, score in zip(similarities.tolist(), found.tolist(), strict=True):
        of_class = {0: [], 1: []}
        for similarity, label in zip(row, labels.tolist(), strict=True):
            of_class[label].append(similarity)
        closeness = {"mean": lambda values: sum(values) / len(values), "nearest": max}[references]
        assert score == pytest.approx(closeness(of_class[1]) - closeness(of_class[0]), abs=1e-6)


def test_unknown_references_are_an_error_with_the_choices():
    with pytest.raises(ValueError, match="Expected references from mean, nearest; got 'median'"):
        class_scores(torch.zeros(1, 2), torch.tensor([0, 1]), "median", 2)


def test_unknown_comparison_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="Expected a comparison from cosine, difference; got 'sum'"):
        TrainedSimilarity(bce(comparison="sum"))


@pytest.mark.parametrize("comparison", ["cosine", "difference"])
@pytest.mark.parametrize("hidden_layers", [0, 1, 2])
def test_trained_similarity_does_not_mind_the_order_of_two_images(comparison, hidden_layers):
    similarity = TrainedSimilarity(bce(comparison=comparison, hidden_layers=hidden_layers))
    one, other = torch.randn(2, 6, 16)
    found = similarity(one, other)
    assert found.shape == (6,)
    assert torch.equal(found, similarity(other, one))
    assert len([layer for layer in similarity.modules() if isinstance(layer, nn.Linear)]) == hidden_layers + 1
    # Of many images with many references, as in scoring.
    table = similarity(one[:, None], other)
    for row, column in itertools.product(range(6), repeat=2):
        torch.testing.assert_close(table[row, column], similarity(one[row], other[column]))


@pytest.mark.parametrize("comparison", ["cosine", "difference"])
def test_trained_similarity_without_hidden_layers_agrees_with_loops(comparison):
    similarity = TrainedSimilarity(bce(comparison=comparison, hidden_layers=0))
    ((layer),) = similarity.layers
    one, other = torch.randn(2, 6, 16)
    for a, b, found in zip(one.tolist(), other.tolist(), similarity(one, other).tolist(), strict=True):
        if comparison == "cosine":
            product = sum(x * y for x, y in zip(a, b, strict=True))
            compared = [product / (math.hypot(*a) * math.hypot(*b))]
        else:
            compared = [abs(x - y) for x, y in zip(a, b, strict=True)]
        expected = sum(w * x for w, x in zip(layer.weight[0].tolist(), compared, strict=True)) + float(
            layer.bias.detach()
        )
        assert found == pytest.approx(expected, abs=1e-5)


def test_cosine_looks_at_the_angle_alone():
    similarity = TrainedSimilarity(bce(comparison="cosine"))
    one, other = torch.randn(2, 6, 16)
    torch.testing.assert_close(similarity(3 * one, 0.1 * other), similarity(one, other))


@pytest.mark.parametrize("unit_length", [False, True])
def test_embeddings_are_of_length_1_if_asked_for(unit_length):
    embedding = Embedding(contrastive(), unit_length=unit_length).eval()
    free = Embedding(contrastive()).eval()
    free.load_state_dict(embedding.state_dict())
    images = torch.randn(5, 1, 28, 28)
    found = embedding(images)
    assert found.shape == (5, 16)
    expected = free(images)
    if unit_length:
        expected = expected / expected.square().sum(1, keepdim=True).sqrt()
        assert found.norm(dim=1).tolist() == pytest.approx([1] * 5, abs=1e-5)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("unit_length", [False, True])
def test_unit_length_is_the_configuration_s(unit_length):
    assert SiameseContrastive.twins(contrastive(unit_length=unit_length), 1).embedding.unit_length == unit_length


@pytest.mark.parametrize(
    "similarity", [negative_distance, TrainedSimilarity(bce()), TrainedSimilarity(bce(comparison="difference"))]
)
def test_twins_compare_the_images_of_each_pair(similarity):
    twins = Twins(Embedding(contrastive()), similarity).eval()
    images = torch.randn(4, 1, 28, 28)
    found = twins(images)
    assert found.shape == (6,)
    for (one, other), result in zip(pairs(4).T.tolist(), found, strict=True):
        expected = similarity(twins.embedding(images[one][None]), twins.embedding(images[other][None]))[0]
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


@each_approach
def test_targets_are_20_pairs_of_one_class_and_25_of_two(approach, config, monkeypatch):
    seen = []
    monkeypatch.setattr(siamese, "train", lambda twins, batch_of_step, targets, *rest: seen.append(targets))
    images, labels = easy(10, 0)
    approach.fit(config, Support(images=images, labels=labels, classes=2), Streams(0))
    (targets,) = seen
    assert targets.dtype == torch.float32
    assert sorted(targets.tolist()) == [0.0] * 25 + [1.0] * 20
    for (one, other), target in zip(pairs(10).T.tolist(), targets.tolist(), strict=True):
        assert target == (labels[one] == labels[other])


@pytest.mark.parametrize("seed", range(4))
@each_approach
def test_training_brings_a_class_together_and_its_references_decide(approach, config, seed):
    images, labels = easy(10, 0)
    others, truth = easy(20, 1)
    streams = Streams(seed)
    classifier = approach.fit(config, Support(images=images, labels=labels, classes=2), streams)
    turned_classifier = approach.fit(config, Support(images=images, labels=1 - labels, classes=2), streams)
    with torch.inference_mode():
        scores, turned = classifier(others), turned_classifier(others)
    assert scores.shape == (20,)
    assert ((scores > 0) == (truth == 1)).all()
    # The pairs are the same, so the twins are; only the names of the two classes are not.
    assert torch.equal(turned, -scores)


@pytest.mark.parametrize("references", ["mean", "nearest"])
def test_score_is_the_difference_of_distances_to_the_ten_as_they_are(references, monkeypatch):
    kept = []
    monkeypatch.setattr(siamese, "train", lambda twins, *rest: kept.append(twins.eval()))
    images, labels = easy(10, 0)
    others, _ = easy(4, 1)
    config = contrastive(
        references=references, augmentation="both", gain_spread=0.5, elastic_sigma_px=5.0, rotation_deg=90.0
    )
    classifier = SiameseContrastive.fit(config, Support(images=images, labels=labels, classes=2), Streams(0))

    def embedded(image):
        return kept[0].embedding((image.float() / 255 * 2 - 1)[None, None])[0].tolist()

    with torch.inference_mode():
        scores = classifier(others).tolist()
        for image, score in zip(others, scores, strict=True):
            distances = {0: [], 1: []}
            for reference, label in zip(images, labels.tolist(), strict=True):
                distances[label].append(math.dist(embedded(image), embedded(reference)))
            far = {"mean": np.mean, "nearest": min}[references]
            assert score == pytest.approx(far(distances[0]) - far(distances[1]), abs=1e-4)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("hidden_layers", [0, 1, 2])
@pytest.mark.parametrize("comparison", ["cosine", "difference"])
def test_similarity_starts_higher_the_more_alike(comparison, hidden_layers, seed):
    torch.manual_seed(seed)
    similarity = TrainedSimilarity(bce(comparison=comparison, hidden_layers=hidden_layers, embedding_size=4)).eval()
    inputs = 1 if comparison == "cosine" else 4
    start, direction = (-torch.ones(inputs), 1) if comparison == "cosine" else (torch.zeros(inputs), -1)
    for changed in range(inputs):
        steps = start.repeat(21, 1)
        steps[:, changed] += torch.linspace(0, 2, 21)
        changes = direction * similarity.layers(steps).squeeze(1).diff()
        assert (changes >= -1e-6).all()
        assert changes.sum() > 0


@each_approach
def test_training_lowers_the_loss_on_the_pairs(approach, config, monkeypatch):
    images, labels = easy(10, 0)
    kept = []
    monkeypatch.setattr(siamese, "train", lambda twins, batches, *rest: kept.append((twins, batches(0), *rest)))
    losses = {}
    for learning_rate in (0.0, 1e-3):
        given = dataclasses.replace(config, learning_rate=learning_rate, steps=50)
        approach.fit(given, Support(images=images, labels=labels, classes=2), Streams(0))
        twins, batch, targets, _, streams, loss = kept.pop()
        train(twins, lambda step, batch=batch: batch, targets, given, streams, loss)
        losses[learning_rate] = float(loss(twins.train()(batch), targets).detach())
    assert losses[1e-3] < 0.8 * losses[0.0]


@pytest.mark.parametrize("references", ["mean", "nearest"])
def test_scores_of_more_classes_are_the_similarities_to_each(references):
    similarities, labels = torch.randn(7, 6), torch.tensor([0, 2, 1, 2, 2, 0])
    found = class_scores(similarities, labels, references, 3)
    assert found.shape == (7, 3)
    for row, scores in zip(similarities.tolist(), found.tolist(), strict=True):
        for label, score in enumerate(scores):
            values = [value for value, other in zip(row, labels.tolist(), strict=True) if other == label]
            assert score == pytest.approx(max(values) if references == "nearest" else sum(values) / len(values))


@pytest.mark.parametrize(
    ("labels", "same"),
    [([0, 0, 1, 1, 2, 2], 3), ([0, 0, 1, 1, 1, 1, 1, 1, 1, 1], 1 + 28), ([0, 1, 2], 0), ([0, 1], 0)],
)
@each_approach
def test_pairs_are_of_one_class_or_not_also_where_none_is(approach, config, labels, same, monkeypatch):
    seen = []

    def watched(twins, batch_of_step, targets, *rest):
        seen.append(targets)
        train(twins, batch_of_step, targets, *rest)

    monkeypatch.setattr(siamese, "train", watched)
    images, _ = easy(len(labels), 0)
    support = Support(images=images, labels=torch.tensor(labels), classes=max(labels) + 1)
    classifier = approach.fit(config, support, Streams(0))
    assert len(seen[0]) == len(labels) * (len(labels) - 1) // 2
    assert seen[0].sum() == same
    with torch.inference_mode():
        assert classifier(images).isfinite().all()

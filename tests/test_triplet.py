import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from torch.nn.functional import triplet_margin_loss

from trainables import triplet
from trainables.frozen_head import scaler
from trainables.parts.image_sets import LabelledImages
from trainables.parts.learner import Support
from trainables.parts.run_seed import prepare_worker
from trainables.parts.streams import Streams
from trainables.triplet import (
    AlexNetTriplet,
    Embedding,
    TripletConfig,
    balanced_batches,
    decision,
    distances,
    mine,
    sum_of_losses,
    training_batches,
    triplet_loss,
)

COMMON = {
    "learning_rate": 1e-2,
    "weight_decay": 0.0,
    "steps": 30,
    "tap": "3@224",
    "scaling": "none",
    "pooling": "mean",
    "embedding_size": 8,
    "unit_length": False,
    "dropout": 0.0,
    "margin": 0.5,
    "mining": "all",
    "joint": False,
    "inference": "centroid",
}
LABELS = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1, 1, 0])

each_mining = pytest.mark.parametrize("mining", ["all", "semi-hard", "hard"])
each_inference = pytest.mark.parametrize(
    "inference", [{"inference": "centroid"}, {"inference": "neighbours", "neighbours": 3}, {"inference": "logistic"}]
)


def configuration(**changes):
    return TripletConfig(**{**COMMON, **changes})


@pytest.fixture(autouse=True)
def _seeded():
    prepare_worker()
    torch.manual_seed(0)


def easy(labels, seed):
    """Features of two classes that differ in half of 60 features."""
    features = torch.randn(len(labels), 60, generator=torch.Generator().manual_seed(seed))
    features[:, :30] += torch.where(labels == 1, 1.5, -1.5)[:, None]
    return features


def breasts(seed=2):
    labels = torch.cat([torch.zeros(15, dtype=torch.int64), torch.ones(40, dtype=torch.int64)])
    return LabelledImages(images=easy(labels, seed).numpy(), labels=labels.numpy())


def support(labels=LABELS, **other_datasets):
    return Support(images=easy(LABELS, 0), labels=labels, classes=2, other_datasets=other_datasets)


def logits(config, given, images, seed=0):
    classifier = AlexNetTriplet.fit(config, given, Streams(seed))
    with torch.inference_mode():
        return classifier(images)


def table(embeddings):
    return [[math.dist(one, other) for other in embeddings] for one in embeddings.tolist()]


def valid_triplets(labels):
    for anchor, positive, negative in itertools.product(range(len(labels)), repeat=3):
        if anchor != positive and labels[anchor] == labels[positive] and labels[anchor] != labels[negative]:
            yield anchor, positive, negative


def mined_by_definition(mining, embeddings, labels):
    """The triplets of that mining, by loops over all of them."""
    far = table(embeddings)
    everything = list(valid_triplets(labels))
    negatives_of = {(a, p): [n for a2, p2, n in everything if (a2, p2) == (a, p)] for a, p, _ in everything}
    if mining == "all":
        return everything
    found = []
    if mining == "hard":
        for anchor in range(len(labels)):
            positive = max((p for a, p in negatives_of if a == anchor), key=lambda p: far[anchor][p])
            negative = min(negatives_of[anchor, positive], key=lambda n: far[anchor][n])
            found.append((anchor, positive, negative))
        return found
    for (a, p), negatives in negatives_of.items():
        farther = [n for n in negatives if far[a][n] > far[a][p]]
        if farther:
            found.append((a, p, min(farther, key=lambda n: far[a][n])))
        else:
            found.append((a, p, max(negatives, key=lambda n: far[a][n])))
    return found


def test_distances_are_euclidean_and_exact_far_from_the_origin():
    one, other = torch.randn(60, 5).double() + 1e6, torch.randn(30, 5).double() + 1e6
    for row, (i, j) in zip(distances(one, other).flatten(), itertools.product(range(60), range(30)), strict=True):
        assert float(row) == pytest.approx(math.dist(one[i].tolist(), other[j].tolist()))


def test_all_are_the_200_of_five_and_five():
    found = mine("all", torch.rand(10, 10), LABELS).T.tolist()
    assert len(found) == 200
    assert sorted(map(tuple, found)) == sorted(valid_triplets(LABELS.tolist()))


@each_mining
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("apart", [0.0, 0.5, 2.0])
def test_mining_is_as_defined(mining, seed, apart):
    labels = torch.from_numpy(np.random.default_rng(seed).permutation(LABELS.numpy()))
    embeddings = torch.randn(10, 3, generator=torch.Generator().manual_seed(seed)) + apart * labels[:, None]
    found = mine(mining, distances(embeddings, embeddings), labels).T.tolist()
    assert sorted(map(tuple, found)) == sorted(mined_by_definition(mining, embeddings, labels.tolist()))
    assert len(found) == {"all": 200, "semi-hard": 40, "hard": 10}[mining]


def test_semi_hard_without_a_farther_negative_takes_the_farthest():
    places = torch.tensor([[0.0], [10.0], [4.0], [6.0]])
    found = mine("semi-hard", distances(places, places), torch.tensor([0, 0, 1, 1])).T.tolist()
    assert sorted(found) == [[0, 1, 3], [1, 0, 2], [2, 3, 0], [3, 2, 1]]


@each_mining
def test_triplets_are_valid_also_if_all_embeddings_are_equal(mining):
    found = mine(mining, torch.zeros(10, 10), LABELS).T.tolist()
    assert {tuple(each) for each in found} <= set(valid_triplets(LABELS.tolist()))


def test_unknown_mining_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="Expected a mining from all, semi-hard, hard; got 'random'"):
        mine("random", torch.zeros(2, 2), torch.tensor([0, 1]))


@each_mining
@pytest.mark.parametrize("margin", [0.05, 0.5, 1.0])
def test_loss_agrees_with_a_loop(mining, margin):
    embeddings = torch.randn(10, 4) + LABELS[:, None]
    far = table(embeddings)
    losses = [far[a][p] - far[a][n] + margin for a, p, n in mined_by_definition(mining, embeddings, LABELS.tolist())]
    expected = np.mean([loss for loss in losses if loss > 0])
    assert min(map(abs, losses)) > 0
    assert float(triplet_loss(embeddings, LABELS, mining=mining, margin=margin)) == pytest.approx(expected, abs=1e-5)


@each_mining
@pytest.mark.parametrize("margin", [0.5, 100.0])
def test_loss_and_gradient_agree_with_torch_s(mining, margin):
    ours, theirs = (torch.randn(10, 4, generator=torch.Generator().manual_seed(1)).requires_grad_() for _ in range(2))
    loss = triplet_loss(ours, LABELS, mining=mining, margin=margin)
    rows = mine(mining, distances(theirs, theirs).detach(), LABELS)
    each = triplet_margin_loss(*theirs[rows], margin=margin, eps=0.0, reduction="none")
    # Torch's own mean is also over triplets that are right already; with a huge margin there are none.
    expected = each.mean() if margin == 100 else each[each > 0].mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@each_mining
def test_classes_far_enough_apart_are_no_loss(mining):
    embeddings = (torch.randn(10, 4) + 100 * LABELS[:, None]).requires_grad_()
    loss = triplet_loss(embeddings, LABELS, mining=mining, margin=1.0)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not embeddings.grad.any()


@each_mining
@pytest.mark.parametrize("unit_length", [False, True])
def test_equal_embeddings_have_a_finite_gradient(mining, unit_length):
    embedding = Embedding(configuration(unit_length=unit_length), 60)
    loss = triplet_loss(embedding(torch.ones(10, 60)), LABELS, mining=mining, margin=0.5)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.5)
    assert all(parameter.grad.isfinite().all() for parameter in embedding.parameters())


@pytest.mark.parametrize("size", [8, 128])
def test_embeddings_have_length_1_or_are_divided_by_the_root_of_their_size(size):
    features = torch.randn(5, 60)
    free, unit = (Embedding(configuration(embedding_size=size, unit_length=each), 60) for each in (False, True))
    unit.load_state_dict(free.state_dict())
    linear = features @ free.layers[1].weight.T + free.layers[1].bias
    assert linear.shape == (5, size)
    torch.testing.assert_close(free(features), linear / math.sqrt(size))
    torch.testing.assert_close(unit(features), linear / linear.square().sum(1, keepdim=True).sqrt())


def test_dropout_is_on_the_features_and_only_in_training():
    embedding = Embedding(configuration(dropout=0.5), 60)
    features = torch.randn(5, 60)
    assert not torch.equal(embedding(features), embedding(features))
    embedding.eval()
    assert torch.equal(embedding(features), embedding(features))


@each_mining
def test_no_triplet_crosses_from_one_data_set_to_the_other(mining):
    config = configuration(mining=mining)
    labels = torch.cat([LABELS, torch.arange(2).repeat_interleave(8)])

    def loss_and_gradient(offset):
        embeddings = torch.randn(26, 4, generator=torch.Generator().manual_seed(1)).double()
        # Distances inside the second data set do not depend on where it lies; those to the first do.
        embeddings[10:] += offset
        embeddings.requires_grad_()
        loss = sum_of_losses(embeddings, labels, sizes=[10, 16], config=config)
        loss.backward()
        alone = [
            triplet_loss(embeddings[:10], labels[:10], mining=mining, margin=0.5),
            triplet_loss(embeddings[10:], labels[10:], mining=mining, margin=0.5),
        ]
        assert loss.item() == pytest.approx(sum(alone).item())
        return loss.item(), embeddings.grad

    (near_loss, near_gradient), (far_loss, far_gradient) = loss_and_gradient(0.0), loss_and_gradient(1000.0)
    assert near_loss == pytest.approx(far_loss)
    torch.testing.assert_close(near_gradient, far_gradient)
    assert near_gradient[:10].any()
    assert near_gradient[10:].any()


def test_batches_are_eight_of_each_class_and_none_twice():
    labels = breasts().labels[torch.randperm(55).numpy()]
    rows = balanced_batches(labels, 40, torch.Generator().manual_seed(0))
    assert rows.shape == (40, 16)
    assert all(len(set(batch)) == 16 for batch in rows.tolist())
    assert torch.equal(torch.from_numpy(labels)[rows], torch.arange(2).repeat_interleave(8).expand(40, 16))
    assert len(rows.unique(dim=0)) == 40
    # Every image has its turn.
    assert len(rows.unique()) == 55
    assert torch.equal(rows, balanced_batches(labels, 40, torch.Generator().manual_seed(0)))


def test_a_joint_step_has_the_ten_images_and_16_others_on_the_ten_s_scale():
    config, given = configuration(joint=True), support(breastmnist=breasts())
    prepare = scaler("standardise", given.images)
    batch_of_step, labels = training_batches(config, given, prepare, Streams(0))
    assert [len(each) for each in labels] == [10, 16]
    other = given.other_datasets["breastmnist"]
    images, others_labels = torch.from_numpy(other.images), torch.from_numpy(other.labels)
    scaled = (images - given.images.mean(0)) / given.images.std(0, correction=0)
    for step in range(config.steps):
        batch = batch_of_step(step)
        torch.testing.assert_close(batch[:10].mean(0), torch.zeros(60), atol=1e-5, rtol=0)
        rows = torch.cdist(batch[10:], scaled).argmin(1)
        torch.testing.assert_close(batch[10:], scaled[rows])
        assert torch.equal(others_labels[rows], labels[1])


def test_alone_it_never_looks_at_other_data_sets():
    fresh = easy(LABELS, 1)
    without = logits(configuration(), support(), fresh)
    beside = logits(configuration(), support(breastmnist=breasts()), fresh)
    joint = logits(configuration(joint=True), support(breastmnist=breasts()), fresh)
    assert torch.equal(without, beside)
    assert not torch.equal(without, joint)


@each_inference
@each_mining
@pytest.mark.parametrize(("joint", "unit_length"), [(False, True), (True, False)])
def test_training_brings_classes_apart_and_the_ten_decide(inference, mining, joint, unit_length, monkeypatch):
    kept = []
    monkeypatch.setattr(triplet, "decision", lambda *given: kept.append(given[1]) or decision(*given))
    config = configuration(mining=mining, joint=joint, unit_length=unit_length, **inference)
    labels = torch.arange(40) % 2
    fresh = easy(labels, 1)
    found = logits(config, support(breastmnist=breasts()), fresh)
    assert found.shape == (40,)
    assert ((found > 0) == (labels == 1)).float().mean() > 0.9

    logits(configuration(unit_length=unit_length, steps=0), support(), fresh)
    trained, untrained = kept
    same = LABELS[:, None] == LABELS

    def share_of_distance_inside(references):
        far = torch.cdist(references, references)
        return float(far[same].mean() / far[~same].mean())

    assert share_of_distance_inside(trained) < 0.8 * share_of_distance_inside(untrained)

    # The triplets are the same, so the embedding is; only the names of the two classes are not.
    turned = logits(config, support(1 - LABELS, breastmnist=breasts()), fresh)
    torch.testing.assert_close(turned, -found, rtol=1e-3, atol=1e-3)


def test_centroid_is_the_difference_of_squared_distances_to_the_means():
    references, queries = torch.randn(10, 8), torch.randn(7, 8)
    found = decision(configuration(inference="centroid"), references, LABELS)(queries)
    normal, pneumonia = (references[LABELS.eq(label)].numpy().mean(0) for label in (0, 1))
    for query, logit in zip(queries.numpy(), found.tolist(), strict=True):
        assert logit == pytest.approx(((query - normal) ** 2).sum() - ((query - pneumonia) ** 2).sum(), abs=1e-4)


@pytest.mark.parametrize("count", range(1, 6))
def test_neighbours_agree_with_sklearn(count):
    references, queries = torch.randn(10, 8), torch.randn(7, 8)
    found = decision(configuration(inference="neighbours", neighbours=count), references, LABELS)(queries)
    normal, pneumonia = (
        NearestNeighbors(n_neighbors=count).fit(references[LABELS.eq(label)]).kneighbors(queries)[0].mean(1)
        for label in (0, 1)
    )
    assert found.numpy() == pytest.approx(normal - pneumonia, abs=1e-4)


def test_logistic_agrees_with_sklearn():
    references, queries = torch.randn(10, 8), torch.randn(7, 8)
    found = decision(configuration(inference="logistic"), references, LABELS)(queries)
    model = LogisticRegression().fit(references.double().numpy(), LABELS.numpy())
    probability = model.predict_proba(queries.double().numpy())[:, 1]
    assert found.sigmoid().numpy() == pytest.approx(probability, abs=1e-6)


def test_unknown_inference_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="Expected an inference from centroid, neighbours, logistic; got 'svm'"):
        decision(configuration(inference="svm"), torch.zeros(10, 8), LABELS)


@each_inference
@pytest.mark.parametrize("scaling", ["none", "length", "standardise"])
def test_a_logit_does_not_depend_on_the_batch(inference, scaling):
    config = configuration(scaling=scaling, **inference)
    fresh = easy(torch.arange(50) % 2, 1)
    classifier = AlexNetTriplet.fit(config, support(), Streams(0))
    with torch.inference_mode():
        alone = torch.cat([classifier(image[None]) for image in fresh])
        torch.testing.assert_close(classifier(fresh), alone, rtol=1e-4, atol=1e-4)


@each_inference
def test_same_seed_same_bits_and_another_seed_others(inference):
    config = configuration(joint=True, dropout=0.3, **inference)
    found = []
    for seed in (0, 0, 1):
        torch.rand(3)
        found.append(logits(config, support(breastmnist=breasts()), easy(LABELS, 1), seed))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])

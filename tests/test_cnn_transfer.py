"""A small network that first learns from another set: what is learned there, what is kept, and what it starts from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sweeps.challenge2 import CHALLENGE
from trainables.cnn_transfer import CNNTransfer, FirstTraining, Images, as_colours, learned_first, network
from trainables.parts.datasets import BREASTMNIST
from trainables.parts.image_sets import LabelledImages
from trainables.parts.learner import Support
from trainables.parts.networks import Ends
from trainables.parts.normalisation import normalise, unit
from trainables.parts.streams import Streams

(APPROACH,) = CHALLENGE.named(["cnn_transfer"])
FIRST = FirstTraining(normalisation="fixed", first_steps=60, blocks=2, dropout=0.0)


def config(**changes):
    start = {**APPROACH.start, "augmentation": "none", "steps": 10, "first_steps": 60, "blocks": 2, "dropout": 0.0}
    return CNNTransfer.Config(**{**start, **changes})


def striped(count, classes, seed=0, noise=120):
    """Class by class, a bright band on noise that lies lower from class to class."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), count)
    images = rng.integers(0, noise, (len(labels), 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[8 * label : 8 * label + 6] += 240 - noise
    return images, labels


def support(other_images, other_labels):
    images, labels = striped(3, 2, seed=1)
    return Support(
        images=torch.from_numpy(images),
        labels=torch.from_numpy(labels),
        classes=2,
        other_datasets={BREASTMNIST: LabelledImages(images=other_images, labels=other_labels)},
    )


def test_what_is_learned_first_keeps_the_other_set_s_classes_further_apart():
    images, labels = (torch.from_numpy(each) for each in striped(30, 3, noise=200))
    others, _ = striped(30, 3, seed=5, noise=200)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = network(Ends(inputs=1, outputs=3), 2, 0.0)[0].eval()
    untrained = separation(body, torch.from_numpy(others), labels)
    body.load_state_dict(learned_first(Images(images, labels), FIRST))
    assert separation(body, torch.from_numpy(others), labels) > 2 * untrained


def separation(body, images, labels):
    """Variance of the classes' means over the variance inside classes, of images that nothing was learned from."""
    with torch.inference_mode():
        points = body(normalise("fixed", unit(images))).flatten(1)
    means = torch.stack([points[labels == label].mean(0) for label in range(3)])
    return float(means.var(0).sum() / (points - means[labels]).square().mean(0).sum())


def test_it_is_the_same_for_all_seeds_and_done_once():
    images, labels = (torch.from_numpy(each) for each in striped(20, 2))
    learned_first.cache_clear()
    torch.manual_seed(1)
    once = learned_first(Images(images, labels), FIRST)
    torch.manual_seed(2)
    assert learned_first(Images(images.clone(), labels.clone()), FIRST) is once
    learned_first.cache_clear()
    again = learned_first(Images(images, labels), FIRST)
    assert all(torch.equal(again[name], value) for name, value in once.items())
    assert learned_first(Images(images, 1 - labels), FIRST) is not again


def test_with_a_rate_of_0_all_but_the_last_layer_stays_as_it_was_learned(monkeypatch):
    trained = []
    monkeypatch.setattr(
        "trainables.parts.scratch.classifier_of",
        lambda model, prepare: trained.append(model) or (lambda images: images),
    )
    images, labels = striped(20, 2)
    for rate in (0.0, 1.0):
        CNNTransfer.fit(config(body_rate=rate), support(images, labels), Streams(3))
    learned = learned_first(Images(torch.tensor(images), torch.tensor(labels)), FirstTraining.of(config()))
    # Parameters and BatchNorm's statistics.
    same = [[torch.equal(value, learned[name]) for name, value in model[0].state_dict().items()] for model in trained]
    assert all(same[0])
    assert not any(same[1])


def test_without_steps_it_needs_no_other_set():
    assert CNNTransfer.needs(config(first_steps=0)).other_datasets == ()
    assert CNNTransfer.needs(config()).other_datasets == (BREASTMNIST,)
    images, labels = striped(20, 2)
    alone = dataclasses.replace(support(images, labels), other_datasets={})
    found = CNNTransfer.fit(config(first_steps=0), alone, Streams(0))(alone.images)
    assert found.shape == (6,)


@pytest.mark.parametrize(("shape", "count"), [((4, 28, 28), 3), ((4, 3, 28, 28), 1), ((4, 28, 28), 1)])
def test_the_other_set_is_seen_in_as_many_colours_as_the_few(shape, count):
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8)
    found = as_colours(pixels, count)
    assert found.shape == ((4, 28, 28) if count == 1 else (4, 3, 28, 28))
    assert found.dtype == torch.uint8
    assert found.float().mean() == pytest.approx(float(pixels.float().mean()), abs=0.01)

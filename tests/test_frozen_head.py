"""Heads on frozen features: their scaling, losses and layers, each against another library or by hand."""

from __future__ import annotations

import inspect
import itertools
from dataclasses import fields

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_sample_weight
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from trainables import frozen_head, map_heads
from trainables.frozen_head import (
    VGG11MLP,
    VGG11VGG16,
    FrozenHead,
    Lite0Focal,
    MlpConfig,
    TwoBackbonesConfig,
    scaler,
)
from trainables.parts.learner import Support
from trainables.parts.metrics import decided, probabilities
from trainables.parts.streams import Streams
from trainables.parts.torchvision_import import torchvision
from trainables.parts.training import focal_loss

HEADS = sorted(
    {
        head
        for module in (frozen_head, map_heads)
        for _, head in inspect.getmembers(module, inspect.isclass)
        if issubclass(head, FrozenHead) and hasattr(head, "backbones")
    },
    key=lambda head: head.__name__,
)
# Labels of what is learned from: the study's, more classes, uneven ones, and one image of each.
TASKS = {
    "five and five": [0] * 5 + [1] * 5,
    "three classes": [0] * 2 + [1] * 4 + [2] * 3,
    "two and eight": [0] * 2 + [1] * 8,
    "one each": [0, 1],
    "one each of three": [0, 1, 2],
}
each_task = pytest.mark.parametrize("labels", [torch.tensor(each) for each in TASKS.values()], ids=TASKS)
TRAINING = {"tap": "5@224", "scaling": "none", "learning_rate": 1e-2, "weight_decay": 0.1, "steps": 12}
LABELS = torch.tensor([0] * 5 + [1] * 5)


def features(count, size, seed):
    """Of unlike scales; the last one is constant."""
    found = np.random.default_rng(seed).gamma(1.0, size=(count, size)) * np.linspace(0.1, 5, size)
    found[:, -1] = 3.0
    return torch.from_numpy(found.astype(np.float32))


def scaled_by_numpy(name, features_ND, support_ND):
    features_ND, support_ND = features_ND.double().numpy(), support_ND.double().numpy()
    if name == "none":
        return features_ND
    if name == "length":
        return features_ND / np.linalg.norm(features_ND, axis=1, keepdims=True) * np.sqrt(features_ND.shape[1])
    varies = np.ptp(support_ND, axis=0) > 0
    sd_D = np.where(varies, support_ND.std(0), 1) + (0.2 * support_ND.std(0).mean() if name == "damped" else 0)
    return (features_ND - support_ND.mean(0)) / sd_D * varies


@pytest.mark.parametrize("name", ["none", "length", "standardise", "damped"])
def test_scaling_is_numpy_s(name):
    new, support = features(20, 7, 1), features(10, 7, 0)
    found = scaler(name, support)(new)
    np.testing.assert_allclose(found.numpy(), scaled_by_numpy(name, new, support), rtol=1e-4, atol=1e-5)


def test_a_feature_that_is_constant_in_the_support_counts_nothing_even_if_it_varies_later():
    new, support = features(20, 7, 1), features(10, 7, 0)
    new[:, -1] = torch.linspace(-100, 100, 20)
    assert (scaler("standardise", support)(new)[:, -1] == 0).all()
    assert (scaler("damped", support)(new)[:, -1] == 0).all()


def test_an_image_without_any_activation_stays_zero():
    assert torch.equal(scaler("length", torch.ones(10, 5))(torch.zeros(2, 5)), torch.zeros(2, 5))


def test_unknown_scaling_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="Expected a scaling from none, length, standardise, damped; got 'minmax'"):
        scaler("minmax", torch.zeros(10, 2))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.__name__)
def test_features_are_as_declared_and_every_feature_has_its_configuration(head):
    settings = dict.fromkeys((field.name for field in fields(head.Config)), 1)
    named = set()
    for tap, pooling, cut, mirror in itertools.product(head.taps, head.poolings, head.cuts, head.mirrors):
        choice = {"tap": tap, "pooling": pooling, "cut": cut, "mirror": mirror}
        config = head.Config(**{**settings, **{key: value for key, value in choice.items() if key in settings}})
        features = head.needs(config).features
        assert [spec.backbone for spec in features] == list(head.backbones) * (1 + mirror)
        named |= {spec.name for spec in features}
    assert named == {spec.name for spec in head.may_need.features}


@pytest.mark.parametrize("choice", [{"tap": "4@224"}, {"tap": "5"}, {"cut": 1}, {"mirror": True}, {"pooling": "max"}])
def test_what_a_head_does_not_offer_is_an_error_with_the_choices(choice):
    config = MlpConfig(**{**TRAINING, "depth": 1, **choice})
    with pytest.raises(ValueError, match=r"Expected a tap from 5@224, .*, a pooling from full, mean, cut by one of"):
        VGG11MLP.needs(config)


def test_mirror_images_are_learned_from_as_further_images_and_not_looked_at_in_those_that_are_scored():
    config = {"tap": "8@140", "scaling": "damped", "learning_rate": 1e-2, "weight_decay": 0.1, "steps": 12}
    config |= {"gamma": 2.0, "alpha": 0.5}
    plain, mirrored, new = features(10, 30, 0), features(10, 30, 1), features(5, 30, 2)
    support = Support(images=plain, labels=LABELS, classes=2, more=(mirrored,))
    both = Support(images=torch.cat([plain, mirrored]), labels=LABELS.repeat(2), classes=2)
    found = Lite0Focal.fit(Lite0Focal.Config(**config, mirror=True), support, Streams(0))
    expected = Lite0Focal.fit(Lite0Focal.Config(**config), both, Streams(0))
    with torch.inference_mode():
        assert torch.equal(found(new, features(5, 30, 3)), expected(new))


@pytest.mark.parametrize("depth", [1, 3])
def test_mlp_has_so_many_hidden_layers_of_that_width(depth):
    config = MlpConfig(**TRAINING, pooling="full", width=6, depth=depth, dropout=0.35)
    torch.manual_seed(0)
    head, expected = VGG11MLP.head(config, 9, 4), torchvision.ops.MLP(9, [6] * depth + [4], dropout=0.35)
    # torchvision's own has dropout behind the last layer too.
    assert [str(layer) for layer in head] == [str(layer) for layer in expected][:-1]
    expected.load_state_dict(head.state_dict())
    images = torch.randn(4, 9)
    assert torch.equal(head.eval()(images), expected.eval()(images))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.75])
def test_focal_loss_is_torchvision_s(gamma, alpha):
    generator = torch.Generator().manual_seed(0)
    logits, labels = 3 * torch.randn(50, generator=generator), torch.arange(50.0) % 2
    found, expected = (logits.clone().requires_grad_() for _ in range(2))
    value = focal_loss(gamma, alpha)(found, labels)
    oracle = torchvision.ops.sigmoid_focal_loss(expected, labels, alpha, gamma, "mean")
    torch.testing.assert_close(value, oracle, rtol=1e-4, atol=1e-7)
    value.backward()
    oracle.backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-3, atol=1e-6)


def test_focal_loss_with_gamma_0_is_cross_entropy():
    logits = torch.linspace(-5, 5, 10)
    assert 2 * focal_loss(0.0, 0.5)(logits, LABELS) == pytest.approx(
        binary_cross_entropy_with_logits(logits, LABELS.float()).item()
    )


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0, 5.0])
def test_focal_loss_of_huge_logits_is_finite_and_so_is_its_gradient(gamma):
    logits = torch.tensor([-1e4, -200.0, -100.0, -90.0, 90.0, 100.0, 200.0, 1e4]).repeat(2).requires_grad_()
    labels = torch.tensor([0.0] * 8 + [1.0] * 8)
    loss = focal_loss(gamma, 0.5)(logits, labels)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
    # Those that are wrong are pulled back, each with its weight; those that are right are left alone.
    wrong = (logits > 0) != (labels == 1)
    assert logits.grad[wrong].tolist() == pytest.approx([0.5 / 16] * 4 + [-0.5 / 16] * 4)
    assert logits.grad[~wrong].abs().max() < 1e-9


def pair(count, seed):
    """Features of two backbones, of unlike size."""
    return features(count, 6, seed), features(count, 4, seed + 100)


def two(**changes):
    return TwoBackbonesConfig(**{**TRAINING, "pooling": "full", **changes})


def logits_by_hand(config, supports, news, streams, labels=LABELS):
    """Of one linear layer on all features side by side, trained with torch's optimiser as anybody would write it."""
    classes = len(labels.unique())
    support = torch.cat([scaler(config.scaling, view)(view) for view in supports], 1)
    new = torch.cat([scaler(config.scaling, known)(new) for new, known in zip(news, supports, strict=True)], 1)
    with streams.torch_default("initialisation"):
        layer = nn.Linear(support.shape[1], 1 if classes == 2 else classes)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    balanced = torch.tensor(compute_sample_weight("balanced", labels), dtype=torch.float32)
    for _ in range(config.steps):
        optimiser.zero_grad()
        if classes == 2:
            binary_cross_entropy_with_logits(layer(support)[:, 0], labels.float(), balanced).backward()
        else:
            (balanced * nn.functional.cross_entropy(layer(support), labels, reduction="none")).mean().backward()
        optimiser.step()
    return layer(new).squeeze(1).detach()


def fitted_logits(config, supports, news, seed, labels=LABELS):
    support = Support(images=supports[0], labels=labels, classes=len(labels.unique()), more=supports[1:])
    classifier = VGG11VGG16.fit(config, support, Streams(seed))
    with torch.inference_mode():
        return classifier(*news)


@each_task
@pytest.mark.parametrize("scaling", ["none", "length", "standardise"])
def test_joint_is_one_linear_layer_on_the_features_of_both(scaling, labels):
    config, supports, news = two(combination="joint", scaling=scaling), pair(len(labels), 0), pair(20, 1)
    found = fitted_logits(config, supports, news, 3, labels)
    wanted = logits_by_hand(config, supports, news, Streams(3), labels)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@each_task
@pytest.mark.parametrize("scaling", ["none", "standardise"])
def test_average_is_the_mean_of_two_linear_layers_probabilities(scaling, labels):
    config, supports, news = two(combination="average", scaling=scaling), pair(len(labels), 0), pair(20, 1)
    found = fitted_logits(config, supports, news, 3, labels).double()
    members = [
        logits_by_hand(config, [support], [new], Streams(3).within(name), labels)
        for name, support, new in zip(("vgg11", "vgg16"), supports, news, strict=True)
    ]
    outputs = torch.stack(members).double()
    if outputs.ndim == 2:
        torch.testing.assert_close(found.sigmoid(), outputs.sigmoid().mean(0), rtol=1e-4, atol=1e-5)
    else:
        torch.testing.assert_close(found.softmax(1), outputs.softmax(2).mean(0), rtol=1e-4, atol=1e-5)
    assert (members[0] - members[1]).abs().max() > 0.1


@each_task
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.__name__)
def test_every_head_learns_any_number_of_classes_from_any_number_of_images_of_each(head, labels):
    """Classes differ in every position of one channel each; images that were not learned from are told apart."""
    settings = {"depth": 1, "width": 16, "dropout": 0.0, "gamma": 2.0, "alpha": 0.5, "combination": "average"}
    settings |= {"channels": 8, "kernel_size": 1, "layers": 1, "sequence": "positions", "hidden_size": 16}
    settings |= {"readout": "mean", "tap": head.taps[0], "scaling": "length", "weight_decay": 0.0, "steps": 60}
    settings |= {"learning_rate": 2e-2, "mirror": False, "pooling": head.poolings[0]}
    config = head.Config(**{each.name: settings[each.name] for each in fields(head.Config) if each.name in settings})
    classes = len(labels.unique())

    def views(of, seed):
        noise = torch.randn(len(of), 4, 49, generator=torch.Generator().manual_seed(seed))
        noise[range(len(of)), of] += 4
        return (noise.flatten(1),) * len(head.backbones)

    images, *more = views(labels, 0)
    new_labels = torch.arange(8 * classes) % classes
    classifier = head.fit(config, Support(images=images, labels=labels, classes=classes, more=tuple(more)), Streams(0))
    with torch.inference_mode():
        found = classifier(*views(new_labels, 1))
    assert found.shape == ((len(new_labels),) if classes == 2 else (len(new_labels), classes))
    assert found.isfinite().all()
    assert (decided(found.numpy()) == new_labels.numpy()).mean() > 0.9


@pytest.mark.parametrize("truth", [(0.8, 0.1, 0.1), (0.6, 0.3, 0.1)])
def test_probabilities_of_a_focal_head_of_more_classes_are_those_that_its_loss_asks_for(truth):
    """All images are alike, so with gamma 0 a head has learned how frequent the classes are."""
    labels = torch.repeat_interleave(torch.arange(3), (10 * torch.tensor(truth)).round().int())
    settings = {"tap": Lite0Focal.taps[0], "scaling": "none", "learning_rate": 0.1, "weight_decay": 0.0, "steps": 300}
    config = Lite0Focal.Config(**settings, gamma=0.0, alpha=0.5)
    images = torch.ones(10, 4)
    classifier = Lite0Focal.fit(config, Support(images=images, labels=labels, classes=3), Streams(0))
    with torch.inference_mode():
        found = probabilities(classifier(images[:1]).numpy())
    assert found[0] == pytest.approx(truth, abs=0.01)


def test_unknown_combination_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="Expected a combination from joint, average; got 'product'"):
        fitted_logits(two(combination="product"), pair(10, 0), pair(20, 1), 0)

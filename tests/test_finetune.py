"""Fine-tuning: which weights move, how fast, and which never do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from made_weights import made_weights
from trainables import finetune
from trainables.finetune import TRUNKS, Finetune, FinetuneConfig, Tuned, pool
from trainables.parts.backbones import backbone_with, blocks
from trainables.parts.learner import Support
from trainables.parts.run_seed import prepare_worker
from trainables.parts.streams import Streams
from trainables.parts.training import train

# Channels of the map before the last block, and of the last map.
CHANNELS = {"alexnet": (192, 256), "vgg11": (512, 512), "vgg11_bn": (512, 512), "resnet50": (1024, 2048)}
CHANNELS |= {"efficientnet_lite0": (80, 80)}
CHANNELS_BEFORE_LAST_2 = {"alexnet": 64, "vgg11": 256, "efficientnet_lite0": 80}
LABELS = torch.tensor([0] * 5 + [1] * 5)


@pytest.fixture(autouse=True)
def one_thread():
    prepare_worker()


def config(**changes):
    common = {"backbone": "vgg11", "blocks": 1, "dropout": 0.0, "learning_rate": 1e-3, "weight_decay": 0.0, "steps": 1}
    rate = {"backbone_rate": 0.1} if changes.get("blocks", 1) else {}
    return FinetuneConfig(**{**common, **rate, **changes})


def support(chosen, weights=None):
    """Ten maps, of the channels that the first block to be trained gets."""
    before, last = CHANNELS[chosen.backbone]
    channels = {0: last, 1: before}.get(chosen.blocks) or CHANNELS_BEFORE_LAST_2[chosen.backbone]
    # Alexnet's two last poolings leave nothing of less.
    side = 8 if (chosen.backbone, chosen.blocks) == ("alexnet", 2) else 4
    shape = (10, channels, side, side) if chosen.blocks else (10, channels)
    images = torch.from_numpy(np.random.default_rng(0).random(shape, dtype=np.float32))
    weights = made_weights(chosen.backbone) if weights is None else weights
    return Support(images=images, labels=LABELS, classes=2, weights=weights)


@pytest.fixture
def trained(monkeypatch):
    """The models that were trained, each with its parameters as they were before."""
    found = []

    def watched(model, *arguments, **more):
        found.append((model, [parameter.detach().clone() for parameter in model.parameters()]))
        train(model, *arguments, **more)

    monkeypatch.setattr(finetune, "train", watched)
    return found


def scored(classifier, images):
    with torch.inference_mode():
        return classifier(images)


def moved(module, before):
    """How far the weights of a module went from where they were: the furthest of each tensor."""
    return [float((now.detach() - was).abs().max()) for now, was in zip(module.parameters(), before, strict=True)]


def test_without_blocks_there_is_only_a_linear_layer_and_weights_are_not_looked_at(trained):
    chosen = config(blocks=0, steps=10, weight_decay=0.1)
    assert Finetune.needs(chosen).trained_backbones == ()
    taught = support(chosen, weights={})
    found = scored(Finetune.fit(chosen, taught, Streams(3)), taught.images)
    with_weights = scored(Finetune.fit(chosen, support(chosen, {"features.0.bias": None}), Streams(3)), taught.images)
    assert torch.equal(found, with_weights)

    with Streams(3).torch_default("initialisation"):
        layer = nn.Linear(512, 1)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay)
    for _ in range(chosen.steps):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(layer(taught.images)[:, 0], LABELS.float()).backward()
        optimiser.step()
    torch.testing.assert_close(found, layer(taught.images)[:, 0].detach(), rtol=1e-4, atol=1e-5)
    assert [len(list(model.parameters())) for model, _ in trained] == [2, 2]


@pytest.mark.parametrize(
    ("backbone", "count"),
    [
        ("alexnet", 1),
        ("alexnet", 2),
        ("vgg11", 1),
        ("vgg11", 2),
        ("vgg11_bn", 1),
        ("efficientnet_lite0", 1),
        ("efficientnet_lite0", 2),
    ],
)
def test_exactly_the_last_blocks_are_trained_from_the_given_weights(backbone, count, trained):
    chosen = config(backbone=backbone, blocks=count)
    taught = support(chosen)
    before = {name: value.clone() for name, value in taught.weights.items()}
    Finetune.fit(chosen, taught, Streams(0))
    ((model, start),) = trained
    depth = TRUNKS[backbone].depth
    used = blocks(backbone_with(backbone, before))[depth - count : depth]
    last = [value for block in used for value in block.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(last, start[:-2], strict=True))
    # Every weight of the blocks moves, and no weight that was given does.
    assert min(moved(model, start)) > 0
    assert all(torch.equal(value, before[name]) for name, value in taught.weights.items())
    assert Finetune.needs(chosen).trained_backbones == (backbone,)


@pytest.mark.parametrize(("backbone_rate", "layer_decay"), [(0.1, 1.0), (0.1, 0.25), (1e-3, 0.5)])
def test_a_block_learns_at_its_own_rate(backbone_rate, layer_decay, trained):
    """AdamW's first step moves a weight by its rate, whatever the gradient is."""
    chosen = config(
        backbone="alexnet", blocks=2, learning_rate=1e-2, backbone_rate=backbone_rate, layer_decay=layer_decay
    )
    Finetune.fit(chosen, support(chosen), Streams(0))
    ((model, start),) = trained
    rate = 1e-2 * backbone_rate
    far = moved(model, start)
    # A kernel and a bias of the earlier block, three of each in the last, and the linear layer's.
    assert far[:2] == pytest.approx([rate * layer_decay] * 2, rel=0.05)
    assert far[2:8] == pytest.approx([rate] * 6, rel=0.05)
    assert far[8:] == pytest.approx([1e-2] * 2, rel=0.01)


@pytest.mark.parametrize("backbone", ["vgg11_bn", "resnet50"])
def test_batchnorm_s_statistics_stay_those_it_was_pretrained_with(backbone, trained):
    chosen = config(backbone=backbone)
    Finetune.fit(chosen, support(chosen), Streams(0))
    ((model, _),) = trained
    (last,) = blocks(backbone_with(backbone, made_weights(backbone)))[-1:]
    pretrained, kept = dict(last.named_buffers()), dict(model.blocks[0].named_buffers())
    assert any(name.endswith("running_var") for name in kept)
    assert pretrained.keys() == kept.keys()
    assert all(torch.equal(value, pretrained[name]) for name, value in kept.items())


def test_in_training_only_the_head_s_dropout_is_active():
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5))
    maps = torch.randn(10, 3, 4, 4)

    def head(features):
        return nn.Sequential(nn.Dropout(0.5), nn.Linear(features, 1), nn.Flatten(0))

    model = Tuned([block.eval()], maps, config(), head)
    statistics = model.blocks[0][1].running_mean.clone()
    model.train()
    assert not any(module.training for module in model.blocks.modules())
    assert all(module.training for module in model.head.modules())
    assert torch.equal(block(maps), block(maps))
    assert not torch.equal(model(maps), model(maps))
    assert torch.equal(model.blocks[0][1].running_mean, statistics)
    model.eval()
    assert torch.equal(model(maps), model(maps))
    assert model(maps).shape == (10,)


def test_dropout_changes_what_is_learned_and_not_how_images_are_scored():
    with_dropout, without = (config(backbone="alexnet", dropout=dropout, steps=2) for dropout in (0.5, 0.0))
    taught = support(without)
    classifier, other = (Finetune.fit(each, taught, Streams(0)) for each in (with_dropout, without))
    assert torch.equal(scored(classifier, taught.images), scored(classifier, taught.images))
    assert not torch.equal(scored(classifier, taught.images), scored(other, taught.images))


def test_same_seed_gives_the_same_bits_and_another_does_not():
    chosen = config(backbone="alexnet", dropout=0.5, steps=2)
    taught = support(chosen)
    found = [scored(Finetune.fit(chosen, taught, Streams(seed)), taught.images) for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize(
    ("name", "count", "pooling", "output"),
    [
        ("alexnet", 0, "mean", "mean"),
        ("alexnet", 0, "full", "after-3-cut-0of8-7x7"),
        ("alexnet", 2, "full", "before-last-2"),
        # Its first 8 of 17 blocks are used.
        ("efficientnet_lite0", 0, "mean", "after-8-cut-0of8-1x1"),
        ("efficientnet_lite0", 0, "full", "after-8-cut-0of8-7x7"),
        ("efficientnet_lite0", 1, "mean", "before-last-10"),
        ("efficientnet_lite0", 2, "mean", "before-last-11"),
    ],
)
def test_what_the_frozen_blocks_give_and_the_same_of_mirror_images(name, count, pooling, output):
    assert len(blocks(backbone_with(name, made_weights(name)))) == TRUNKS[name].total
    chosen = config(backbone=name, blocks=count, pooling=pooling, mirror=True)
    assert [(spec.output, spec.mirrored) for spec in Finetune.needs(chosen).features] == [
        (output, False),
        (output, True),
    ]
    assert set(Finetune.needs(chosen).views) <= set(Finetune.may_need.views)


def test_a_table_and_the_map_behind_which_it_was_taken_have_the_same_features():
    """Without trained blocks the table is pooled already; with a block that changes nothing the model pools."""
    maps = torch.randn(4, 3, 9, 9)
    (full, mean) = (pool(name, maps) for name in ("full", "mean"))
    assert full.shape == (4, 3 * 49)
    assert mean.shape == (4, 3)
    for name, table in (("full", full), ("mean", mean)):
        torch.testing.assert_close(pool(name, finetune.as_map(table)), table)


def test_unknown_choices_are_errors_with_those_that_there_are():
    with pytest.raises(ValueError, match="Expected a pooling from full, mean; got 'max'"):
        fitted(config(pooling="max"))
    with pytest.raises(ValueError, match=r"Expected a backbone from alexnet, vgg11, .*; got 'vgg16'"):
        Finetune.needs(config(backbone="vgg16"))


def fitted(chosen):
    taught = support(chosen)
    return scored(Finetune.fit(chosen, taught, Streams(0)), taught.images)


def test_features_are_standardised_over_what_is_learned_from_by_the_pretrained_blocks():
    chosen = config(backbone="alexnet", scaling="standardise", pooling="full", steps=2)
    taught = support(chosen)
    model = Finetune.model(chosen, taught.images, taught, lambda features: nn.Identity(), Streams(0))
    found = model(taught.images).detach()
    assert found.mean(0).abs().max() < 1e-4
    spread = found.std(0, correction=0)
    assert ((spread - 1).abs() < 1e-3)[spread > 0].all()
    some = torch.rand(3, found.shape[1])
    before = model.scale(some)
    with torch.no_grad():
        next(model.blocks.parameters()).add_(1.0)
    model(taught.images).sum().backward()
    assert torch.equal(model.scale(some), before)


def test_mirror_images_are_learned_from_with_the_same_labels():
    chosen = config(backbone="alexnet", mirror=True, steps=3)
    taught = support(chosen)
    images = taught.images.flip(-1)
    twice = dataclasses.replace(taught, images=torch.cat([taught.images, images]), labels=LABELS.repeat(2), more=())
    found = Finetune.fit(chosen, dataclasses.replace(taught, more=(images,)), Streams(0))
    wanted = Finetune.fit(chosen, twice, Streams(0))
    # Of what is scored the mirror images are not looked at.
    with torch.inference_mode():
        assert torch.equal(found(taught.images, torch.full_like(images, torch.nan)), wanted(taught.images))
    assert not torch.equal(wanted(taught.images), Finetune.fit(chosen, taught, Streams(0))(taught.images))


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 1, 2, 2], [0, 1, 2], [0] * 2 + [1] * 8, [0, 1]], ids=str)
@pytest.mark.parametrize("count", [0, 1])
def test_any_number_of_classes_and_of_images_of_each_is_learned(labels, count, trained):
    chosen = config(backbone="alexnet", blocks=count, steps=3, mirror=True)
    ten, classes = support(chosen), len(set(labels))
    images = ten.images[: len(labels)]
    given = dataclasses.replace(ten, images=images, more=(images,), labels=torch.tensor(labels), classes=classes)
    found = scored(Finetune.fit(chosen, given, Streams(0)), images)
    ((model, start),) = trained
    assert found.shape == ((len(labels),) if classes == 2 else (len(labels), classes))
    assert found.isfinite().all()
    assert min(moved(model, start)) > 0


def test_of_more_classes_a_linear_layer_learns_by_softmax():
    chosen = config(blocks=0, steps=10, weight_decay=0.1)
    labels = torch.tensor([0] * 2 + [1] * 5 + [2] * 3)
    taught = dataclasses.replace(support(chosen, weights={}), labels=labels, classes=3)
    found = scored(Finetune.fit(chosen, taught, Streams(3)), taught.images)
    with Streams(3).torch_default("initialisation"):
        layer = nn.Linear(512, 3)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay)
    for _ in range(chosen.steps):
        optimiser.zero_grad()
        # Every class counts the same.
        nn.functional.cross_entropy(layer(taught.images), labels, 1 / torch.tensor([2.0, 5.0, 3.0])).backward()
        optimiser.step()
    torch.testing.assert_close(found, layer(taught.images).detach(), rtol=1e-4, atol=1e-5)

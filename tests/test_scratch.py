from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from trainables.parts.learner import Support
from trainables.parts.networks import Ends, classifying, custom_stages, resnet18_stages, twin_stages
from trainables.parts.normalisation import normalise, unit
from trainables.parts.scratch import LOSSES, ScratchConfig, ends_of, fit_network, initialised, training_batches
from trainables.parts.streams import Streams
from trainables.small_cnn import CNN, CnnConfig

BUILDS = {
    "custom": lambda: classifying(custom_stages()),
    "twin": lambda: classifying(twin_stages()),
    "resnet18": lambda: classifying(resnet18_stages("3x3-4")),
}


def config(**changes):
    values = {"learning_rate": 1e-3, "weight_decay": 0.0, "steps": 4, "normalisation": "fixed"}
    return ScratchConfig(**{**values, **changes})


@pytest.fixture(scope="module")
def support():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 28, 28), dtype=np.uint8)
    return Support(images=torch.from_numpy(images), labels=torch.tensor([0] * 5 + [1] * 5), classes=2)


def norms_of(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
@pytest.mark.parametrize(
    ("memory", "steps", "momentum"),
    [(0.2, 50, 0.1), (0.5, 4, 0.5), (0.05, 120, 1 / 6), (0.4, 30, 1 / 12), (0.05, 20, 1.0), (0.05, 10, 1.0)],
)
def test_statistics_memory_is_a_part_of_training(build, memory, steps, momentum):
    network = initialised(build, config(statistics_memory=memory, steps=steps), Streams(0))
    assert {round(norm.momentum, 6) for norm in norms_of(network)} == {round(momentum, 6)}


def test_at_the_study_s_steps_its_memory_is_torch_s_momentum_to_the_bit():
    without, given = (
        initialised(BUILDS["custom"], config(steps=50, statistics_memory=memory), Streams(0)) for memory in (None, 0.2)
    )
    assert {norm.momentum for norm in norms_of(without)} == {norm.momentum for norm in norms_of(given)} == {0.1}


@pytest.mark.parametrize("memory", [0.25, 0.5, 1.0])
def test_momentum_is_the_share_of_the_statistics_that_a_step_replaces(memory, support):
    built, seen = [], []

    def build(ends):
        network = classifying(custom_stages())
        built.append(norms_of(network)[0])
        built[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].detach()))
        return network

    fit_network(build, lambda images, generator: images, config(statistics_memory=memory), support, Streams(0))
    expected = torch.zeros(16)
    for maps in seen:
        expected += (maps.mean((0, 2, 3)) - expected) / (4 * memory)
    assert len(seen) == 4
    torch.testing.assert_close(built[0].running_mean, expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_teaches_the_class(loss, support):
    bright = replace(support, images=(support.images // 4 + 150 * support.labels[:, None, None]).byte())
    chosen = config(loss=loss, steps=60, learning_rate=1e-2)

    def build(ends):
        return classifying(custom_stages(batch_norm=False), outputs=ends.outputs)

    classifier = fit_network(build, lambda images, generator: images, chosen, bright, Streams(0))
    with torch.inference_mode():
        found = classifier(bright.images)
    assert found.shape == (10,)
    assert ((found > 0) == (bright.labels == 1)).all()


def test_unknown_loss_is_an_error_with_the_choices(support):
    with pytest.raises(ValueError, match="Expected a loss from cross_entropy, cosine, cosine_cross_entropy; got 'l1'"):
        fit_network(CNN.network, lambda images, generator: images, config(loss="l1"), support, Streams(0))


@pytest.mark.parametrize("blocks", [2, 3, 4])
@pytest.mark.parametrize(("outputs", "shape"), [(1, (3,)), (2, (3, 2)), (9, (3, 9))])
def test_the_study_s_network_has_its_blocks_and_outputs(blocks, outputs, shape):
    values = {"learning_rate": 1e-3, "weight_decay": 0.0, "steps": 4, "normalisation": "fixed", "dropout": 0.0}
    network = CNN.network(CnnConfig(**values, blocks=blocks), Ends(inputs=1, outputs=outputs)).eval()
    assert network(torch.randn(3, 1, 28, 28)).shape == shape
    assert len([layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]) == blocks


@pytest.mark.parametrize(
    ("classes", "loss", "outputs"),
    [
        (2, "cross_entropy", 1),
        (2, "cosine", 2),
        (2, "cosine_cross_entropy", 2),
        *[(classes, loss, classes) for classes in (3, 9) for loss in LOSSES],
    ],
)
@pytest.mark.parametrize(("shape", "inputs"), [((28, 28), 1), ((3, 28, 28), 3)])
def test_a_network_s_ends_are_those_of_its_images_and_classes(classes, loss, outputs, shape, inputs):
    images = torch.zeros((classes, *shape), dtype=torch.uint8)
    few = Support(images=images, labels=torch.arange(classes), classes=classes)
    assert ends_of(config(loss=loss), few) == Ends(inputs=inputs, outputs=outputs)


@pytest.mark.parametrize("normalisation", ["fixed", "zscore", "autocontrast"])
def test_each_step_s_images_are_all_of_them(support, normalisation):
    coloured = replace(support, images=torch.stack([support.images, support.images.flip(0), support.images], dim=1))
    chosen = config(normalisation=normalisation)
    for given, colours in ((support, 1), (coloured, 3)):
        steps = training_batches(lambda images, generator: images, chosen, given, Streams(0))
        assert len(steps) == chosen.steps
        for step in steps:
            assert step.shape == (10, colours, 28, 28)
            assert torch.equal(step, steps[0])


def test_contrast_is_stretched_before_black_comes_in_from_outside(support):
    """What training images show of an image is as in the scored one, whatever a map brings in."""
    bright = replace(support, images=support.images // 2 + 100)
    given = []

    def framed(images, generator):
        given.append(images.clone())
        images[..., :4] = 0.0
        return images

    (first, *_) = training_batches(framed, config(normalisation="autocontrast"), bright, Streams(0))
    assert (given[0].amin(), given[0].amax()) == (0.0, 1.0)
    scored = normalise("autocontrast", unit(bright.images))
    assert torch.equal(first[..., 4:], scored[..., 4:])
    assert (first[..., :4] == -1).all()

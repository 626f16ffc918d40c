"""The oracle is each network by itself."""

import pytest
import torch
from torch import nn

from trainables.cnn_ensemble import CNNEnsemble, CnnEnsembleConfig
from trainables.parts.learner import Support
from trainables.parts.networks import CUSTOM_CHANNELS, classifying, custom_stages
from trainables.parts.scratch import fit_network
from trainables.parts.side_by_side import SideBySide, fit_side_by_side
from trainables.parts.streams import Streams
from trainables.parts.training import channels_last

CONFIG = {
    "learning_rate": 1e-3,
    "weight_decay": 0.1,
    "steps": 4,
    "normalisation": "zscore",
    "augmentation": "both",
    "gain_spread": 0.2,
    "elastic_sigma_px": 1.0,
    "rotation_deg": 20.0,
    "statistics_memory": 0.5,
    "blocks": 4,
    "dropout": 0.0,
    "members": 1,
}


def images_of(count, colours=1):
    shape = (count, 28, 28) if colours == 1 else (count, colours, 28, 28)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(count))


def networks(count, *, colours=1, outputs=1, blocks=4, dropout=0.0):
    """With weights and statistics that differ from each other and from what they are initialised with."""
    found = [
        classifying(custom_stages(inputs=colours, channels=CUSTOM_CHANNELS[blocks]), dropout=dropout, outputs=outputs)
        for _ in range(count)
    ]
    with torch.no_grad():
        for network in found:
            for layer in network.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    for values in (layer.weight, layer.bias, layer.running_mean):
                        values.normal_()
                    layer.running_var.uniform_(0.5, 2)
                    layer.momentum = 0.3
    return found


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(("colours", "outputs", "blocks"), [(1, 1, 4), (3, 1, 3), (1, 4, 2), (3, 9, 4)])
def test_scoring_is_that_of_each(count, colours, outputs, blocks):
    members = [network.eval() for network in networks(count, colours=colours, outputs=outputs, blocks=blocks)]
    images = torch.randn(7, colours, 28, 28)
    found = channels_last(SideBySide(members)).eval()(images)
    torch.testing.assert_close(found, torch.cat([member(images) for member in members]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("colours", "outputs"), [(1, 1), (3, 4)])
def test_training_is_that_of_each_on_its_own_images(count, colours, outputs):
    # In double precision, so that only a real difference shows.
    members = [network.double() for network in networks(count, colours=colours, outputs=outputs)]
    together = channels_last(SideBySide(members)).double().train()
    images = torch.randn(6, count * colours, 28, 28).double()
    found = together(images)
    expected = torch.cat(
        [member.train()(own) for member, own in zip(members, images.split(colours, 1), strict=True)],
    )
    torch.testing.assert_close(found, expected)
    for outputs_of in (found, expected):
        outputs_of.square().sum().backward()
    for number, block in enumerate(together.blocks):
        for part, values in block.named_parameters():
            gradients = [dict(member[0][number].named_parameters())[part].grad for member in members]
            torch.testing.assert_close(values.grad, torch.cat(gradients))
        for part, values in block.named_buffers():
            own = [dict(member[0][number].named_buffers())[part] for member in members]
            torch.testing.assert_close(values, torch.cat(own) if values.ndim else own[0])
    torch.testing.assert_close(together.weight_GOF.grad, torch.stack([member[3].weight.grad for member in members]))
    torch.testing.assert_close(together.bias_G1O.grad[:, 0], torch.stack([member[3].bias.grad for member in members]))


def test_dropout_draws_for_each_network():
    (member,) = networks(1, dropout=0.5)
    together = SideBySide([member, member]).train()
    images = torch.randn(40, 1, 28, 28)
    first, second = together(images.repeat(1, 2, 1, 1)).chunk(2)
    assert not torch.allclose(first, second)
    together.dropout.p = 0.0
    first, second = together(images.repeat(1, 2, 1, 1)).chunk(2)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("loss", ["cross_entropy", "cosine", "cosine_cross_entropy"])
@pytest.mark.parametrize(("averaging", "colours"), [(0.0, 1), (0.8, 3)])
def test_fitting_is_that_of_each(classes, loss, averaging, colours):
    config = CnnEnsembleConfig(**{**CONFIG, "loss": loss, "averaging": averaging})
    labels = torch.arange(12) % classes
    support = Support(images=images_of(12, colours), labels=labels, classes=classes)
    members = [Streams(3).within(name) for name in ("one", "another")]

    def build(ends):
        return CNNEnsemble.network(config, ends)

    def augment(images, generator):
        return CNNEnsemble.augment(config, images, generator)

    # More than are scored at once.
    images = images_of(60, colours)
    together = fit_side_by_side(build, augment, config, support, members, Streams(3))
    each = [fit_network(build, augment, config, support, own) for own in members]
    with torch.inference_mode():
        found, expected = together(images), torch.stack([classifier(images) for classifier in each])
    assert found.shape == ((2, 60) if classes == 2 else (2, 60, 3))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(expected[0], expected[1], rtol=0.1, atol=0.1)


def test_an_unknown_loss_is_an_error_with_the_choices():
    config = CnnEnsembleConfig(**{**CONFIG, "loss": "hinge"})
    support = Support(images=images_of(4), labels=torch.tensor([0, 0, 1, 1]), classes=2)
    with pytest.raises(ValueError, match=r"Expected a loss from cross_entropy, .* got 'hinge'"):
        CNNEnsemble.fit(config, support, Streams(0))


def test_dropout_draws_from_the_streams_of_all():
    config = CnnEnsembleConfig(**{**CONFIG, "dropout": 0.5})
    support = Support(images=images_of(6), labels=torch.arange(6) % 2, classes=2)
    members = [Streams(3).within("one")]

    def logits(streams):
        classifier = fit_side_by_side(
            lambda ends: CNNEnsemble.network(config, ends), lambda images, _: images, config, support, members, streams
        )
        with torch.inference_mode():
            return classifier(support.images)

    assert torch.equal(logits(Streams(1)), logits(Streams(1)))
    assert not torch.equal(logits(Streams(1)), logits(Streams(2)))

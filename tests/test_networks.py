import pytest
import torch
from torch import nn

from trainables.parts.networks import (
    CUSTOM_CHANNELS,
    classifying,
    custom_stages,
    features,
    pooled_classifying,
    pooled_features,
    resnet18_stages,
    starter_stages,
    twin_stages,
)
from trainables.parts.torchvision_import import torchvision
from trainables.parts.training import channels_last

SHAPES = ["7x7-64", "7x7-32", "7x7-16", "7x7-8", "3x3-16", "3x3-8", "3x3-4"]
NETWORKS = {
    "starter": starter_stages,
    "starter with BatchNorm": lambda: starter_stages(batch_norm=True),
    "custom": custom_stages,
    "custom without BatchNorm": lambda: custom_stages(batch_norm=False),
    **{f"custom of {count}": lambda count=count: custom_stages(channels=CUSTOM_CHANNELS[count]) for count in (2, 3, 4)},
    "custom of other channels": lambda: custom_stages(channels=[5, 3]),
    "twin": twin_stages,
    **{shape: lambda shape=shape: resnet18_stages(shape) for shape in SHAPES},
}

each_network = pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def images(count=3):
    return torch.randn(count, 1, 28, 28)


def layers_of(network, kind):
    return [layer for layer in network.modules() if isinstance(layer, kind)]


@each_network
def test_a_stage_says_what_leaves_it(build):
    maps = images()
    for stage in build():
        maps = stage.module(maps)
        assert maps.shape == (3, stage.channels, stage.side, stage.side)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("starter", [(16, 26), (16, 12), (32, 10), (32, 4)]),
        ("custom", [(16, 14), (32, 7), (32, 3), (64, 1)]),
        ("custom of 2", [(16, 14), (32, 7)]),
        ("custom of 4", [(16, 14), (32, 7), (32, 3), (64, 1)]),
        ("custom of 3", [(16, 14), (32, 7), (64, 3)]),
        ("7x7-64", [(64, 7), (64, 7), (64, 7), (128, 4), (128, 4), (256, 2), (256, 2), (512, 1), (512, 1)]),
        ("3x3-8", [(8, 14), (8, 14), (8, 14), (16, 7), (16, 7), (32, 4), (32, 4), (64, 2), (64, 2)]),
    ],
)
def test_stages_have_the_documented_channels_and_sides(name, expected):
    assert [(stage.channels, stage.side) for stage in NETWORKS[name]()] == expected


def test_twins_pool_twice():
    assert [stage.side for stage in twin_stages()] == [14, 14, 7, 7, 7]


@each_network
def test_stages_in_a_row_are_the_features(build):
    stages, maps = build(), images()
    network = features(stages).eval()
    expected = maps
    for stage in stages:
        expected = stage.module(expected)
    assert torch.equal(network(maps), expected)
    pooled = pooled_features(stages)(maps)
    assert pooled.shape == (3, stages[-1].channels)
    torch.testing.assert_close(pooled, expected.mean((2, 3)))


@each_network
@pytest.mark.parametrize("head", [classifying, pooled_classifying])
@pytest.mark.parametrize("count", [1, 3])
def test_a_classifier_gives_one_logit_an_image(build, head, count):
    assert head(build()).eval()(images(count)).shape == (count,)


@pytest.mark.parametrize(
    ("build", "head", "parameters"),
    [
        # Convolutions, then the linear layer.
        (starter_stages, classifying, 160 + 2320 + 4640 + 9248 + 513),
        # Each convolution, and a scale and a shift a channel.
        (custom_stages, classifying, 160 + 32 + 4640 + 64 + 9248 + 64 + 18496 + 128 + 65),
    ],
)
def test_a_small_network_has_the_study_s_number_of_weights(build, head, parameters):
    assert sum(parameter.numel() for parameter in head(build()).parameters()) == parameters


@each_network
def test_batch_norm_is_there_or_not(build, request):
    count = len(layers_of(features(build()), nn.BatchNorm2d))
    name = request.node.callspec.id
    if name in ("starter", "custom without BatchNorm"):
        assert count == 0
    elif name in SHAPES:
        assert count == 1 + 8 * 2 + 3
    else:
        assert count == len(build())


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_dropout_acts_in_training_alone(dropout):
    network, batch = classifying(custom_stages(batch_norm=False), dropout=dropout), images(10)
    network.train()
    assert torch.equal(network(batch), network(batch)) == (dropout == 0)
    network.eval()
    assert torch.equal(network(batch), network(batch))
    without = classifying(custom_stages(batch_norm=False)).eval()
    without.load_state_dict(network.state_dict())
    assert torch.equal(network(batch), without(batch))


def test_dropout_leaves_out_its_share_of_the_last_map():
    network = classifying(custom_stages(batch_norm=False, channels=(8, 64)), dropout=0.3).train()
    (dropout,) = layers_of(network, nn.Dropout)
    zeros = []
    dropout.register_forward_hook(lambda module, inputs, output: zeros.append((output[inputs[0] != 0] == 0).float()))
    network(images(10))
    assert zeros[0].mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("count", [1, 5])
def test_scoring_pools_first_and_gives_the_same_bits(count):
    torch.manual_seed(0)
    network = channels_last(features(custom_stages()))
    with torch.no_grad():
        for norm in layers_of(network, nn.BatchNorm2d):
            norm.weight.normal_()
            norm.weight[0] = 0
            norm.bias.normal_()
            norm.running_mean.normal_()
    network.eval()
    expected = batch = images(count)
    with torch.inference_mode():
        for block in network:
            for layer in block:
                expected = layer(expected)
        assert torch.equal(network(batch), expected)


def kept_of(whole, ours):
    """Of a kernel, the part that ours has: from the middle on."""
    return whole[:, :, 1 : 1 + ours.shape[2], 1 : 1 + ours.shape[3]]


def paper_s_resnet18(network):
    """ResNet18 by torchvision for grey images with these weights, what ours leaves out of a kernel being random."""
    torchvision_s = torchvision.models.resnet18(num_classes=1)
    torchvision_s.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    weights = {}
    for (name, theirs), ours in zip(torchvision_s.state_dict().items(), network.state_dict().values(), strict=True):
        if theirs.shape == ours.shape:
            weights[name] = ours.clone()
        else:
            assert theirs.shape[2:] == (3, 3)
            weights[name] = torch.randn_like(theirs)
            kept_of(weights[name], ours)[:] = ours
    torchvision_s.load_state_dict(weights)
    return torchvision_s


@pytest.fixture(scope="module")
def both():
    torch.manual_seed(0)
    network = pooled_classifying(resnet18_stages("7x7-64"))
    with torch.no_grad():
        for norm in layers_of(network, nn.BatchNorm2d):
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.2)
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.5, 1.5)
    # In double precision, so that only a real difference shows.
    return network.double(), paper_s_resnet18(network).double()


def test_resnet18_has_no_weights_that_meet_padding_alone(both):
    sides = [
        parameter.shape[2]
        for name, parameter in both[0].named_parameters()
        if parameter.ndim == 4 and parameter.shape[0] == 512 and "downsample" not in name
    ]
    # The last map has one position, and the one before two a side.
    assert sides == [2, 1, 1, 1]
    assert sum(parameter.numel() for parameter in both[0].parameters()) == (
        sum(parameter.numel() for parameter in both[1].parameters()) - 3 * 512 * 512 * 8 - 512 * 256 * 5
    )


def test_resnet18_scores_as_torchvision_s_does(both):
    ours, theirs = (network.eval() for network in both)
    batch = images(4).double()
    with torch.no_grad():
        torch.testing.assert_close(ours(batch), theirs(batch).squeeze(1), rtol=1e-9, atol=1e-9)


def test_resnet18_trains_as_torchvision_s_does(both):
    ours, theirs = (network.train() for network in both)
    batch = images(4).double()
    found, expected = ours(batch), theirs(batch).squeeze(1)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    found.square().sum().backward()
    expected.square().sum().backward()
    for ours_one, theirs_one in zip(ours.parameters(), theirs.parameters(), strict=True):
        gradient = theirs_one.grad
        if ours_one.shape != theirs_one.shape:
            outer = gradient.clone()
            kept_of(outer, ours_one)[:] = 0
            assert outer.abs().max() == 0
            gradient = kept_of(gradient, ours_one)
        assert gradient.abs().max() > 0
        torch.testing.assert_close(ours_one.grad, gradient, rtol=1e-7, atol=1e-9)
    for mine, other in zip(layers_of(ours, nn.BatchNorm2d), layers_of(theirs, nn.BatchNorm2d), strict=True):
        torch.testing.assert_close(mine.running_mean, other.running_mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(mine.running_var, other.running_var, rtol=1e-9, atol=1e-9)


def test_resnet18_s_blocks_are_initialised_as_torchvision_s():
    ours = layers_of(features(resnet18_stages("7x7-64")), nn.Conv2d)
    theirs = layers_of(torchvision.models.resnet18(), nn.Conv2d)
    # The stem by the number of its inputs, He et al.'s forward rule.
    assert ours[0].weight.detach().std() == pytest.approx((2 / 49) ** 0.5, rel=0.05)
    for mine, other in zip(ours[1:], theirs[1:], strict=True):
        assert mine.weight.detach().std() == pytest.approx(float(other.weight.detach().std()), rel=0.05)
        assert mine.bias is None


@pytest.mark.parametrize("shape", SHAPES)
def test_resnet18_s_every_weight_gets_a_gradient(shape):
    network = pooled_classifying(resnet18_stages(shape)).train()
    network(images(10)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def resnet18s(shape):
    """The same network in float32 and in bfloat16."""
    found = []
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        found.append(pooled_classifying(resnet18_stages(shape, precision=precision)))
    return found


def test_a_wide_resnet18_in_bfloat16_is_the_same_one_rounded():
    exact, rounded = resnet18s("7x7-64")
    batch = images(10)
    for network in (exact, rounded):
        network.train()(batch).square().sum().backward()
    for before, after in zip(exact.parameters(), rounded.parameters(), strict=True):
        assert torch.equal(before, after)
        assert after.grad.dtype == torch.float32
        # Twenty layers round to eight binary digits each.
        assert torch.cosine_similarity(before.grad.flatten(), after.grad.flatten(), 0) > 0.8
    with torch.inference_mode():
        expected, found = (network.eval()(batch) for network in (exact, rounded))
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.02)


def test_no_stage_of_a_wide_resnet18_hands_on_bfloat16():
    outputs = images(4)
    for stage in resnet18_stages("7x7-64", precision="bfloat16"):
        outputs = stage.module(outputs)
        assert outputs.dtype == torch.float32


def test_a_narrow_resnet18_computes_in_float32():
    exact, asked = (network.eval() for network in resnet18s("7x7-8"))
    batch = images(4)
    with torch.inference_mode():
        assert torch.equal(exact(batch), asked(batch))


@pytest.mark.parametrize("shape", ["5x5-64", "-64"])
def test_unknown_stem_is_an_error_with_the_choices(shape):
    with pytest.raises(ValueError, match=f"Expected a shape such as 7x7-64 or 3x3-16; got '{shape}'"):
        resnet18_stages(shape)


@pytest.mark.parametrize("shape", ["64", "7x7", "7x7-", "7x7-wide"])
def test_a_shape_without_channels_is_an_error(shape):
    with pytest.raises(ValueError, match="Expected a shape such as 7x7-64"):
        resnet18_stages(shape)


COLOURED = {
    "starter": starter_stages,
    "custom": custom_stages,
    "twin": twin_stages,
    **{shape: lambda shape=shape, **given: resnet18_stages(shape, **given) for shape in ("7x7-8", "3x3-4")},
}


@pytest.mark.parametrize("build", COLOURED.values(), ids=COLOURED)
def test_equal_colours_are_grey_to_a_network_with_a_third_of_the_weights_for_each(build):
    grey, coloured = features(build()).eval(), features(build(inputs=3)).eval()
    weights = grey.state_dict()
    first = next(name for name in weights if name.endswith("weight"))
    coloured.load_state_dict({**weights, first: weights[first].repeat(1, 3, 1, 1) / 3})
    batch = images()
    torch.testing.assert_close(coloured(batch.repeat(1, 3, 1, 1)), grey(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", [classifying, pooled_classifying])
@pytest.mark.parametrize("outputs", [2, 9])
def test_a_classifier_of_several_outputs_gives_them_for_each_image(head, outputs):
    assert head(custom_stages(inputs=3), outputs=outputs).eval()(torch.randn(1, 3, 28, 28)).shape == (1, outputs)

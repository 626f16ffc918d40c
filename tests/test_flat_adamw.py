"""The oracle is torch's AdamW with a tensor for each parameter, and torch's average of a model."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from trainables.parts.flat_adamw import SMALL, Average, FlatAdamW
from trainables.parts.networks import classifying, custom_stages
from trainables.parts.training import channels_last

RATE, DECAY, STEPS = 1e-2, 0.1, 4


def small():
    return classifying(custom_stages(channels=(4, 8)))


def with_large_weights():
    """Of convolutions whose layout is not the order of their axes, and of a linear layer."""
    layers = nn.Conv2d(1, 130, 3, stride=9), nn.Conv2d(130, 60, 3), nn.Flatten(), nn.Linear(60, 1100)
    assert min(layers[1].weight.numel(), layers[3].weight.numel()) >= SMALL
    return nn.Sequential(*layers, nn.Linear(1100, 1), nn.Flatten(0))


def both(build):
    torch.manual_seed(0)
    # In double precision, so that only a real difference shows.
    ours = channels_last(build()).double()
    return ours, copy.deepcopy(ours)


def groups(model):
    """The head at the usual rate, the body at one of its own, and a part that is not trained at all."""
    children = list(model.children())
    first = list(children[0].parameters())
    return [
        {"params": (each for layer in children[1:] for each in layer.parameters())},
        {"params": first[:-1], "lr": RATE / 10},
        {"params": []},
    ]


def all_of(model):
    return model.parameters()


def take_steps(model, forget, step):
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        forget()
        images = torch.randn(6, 1, 28, 28, generator=generator).double()
        model.train()(images).square().mean().backward()
        step()


def assert_alike(ours, theirs):
    for name, value in theirs.state_dict().items():
        if value.is_floating_point():  # Else it is the number of batches that BatchNorm saw.
            torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("build", [small, with_large_weights])
@pytest.mark.parametrize("parameters", [all_of, groups])
def test_steps_are_those_of_torch(build, parameters):
    ours, theirs = both(build)
    before = copy.deepcopy(ours.state_dict())
    flat = FlatAdamW(parameters(ours), learning_rate=RATE, weight_decay=DECAY)
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())
    plain = torch.optim.AdamW(parameters(theirs), lr=RATE, weight_decay=DECAY)
    take_steps(ours, flat.forget_gradients, flat.step)
    take_steps(theirs, plain.zero_grad, plain.step)
    assert_alike(ours, theirs)
    moved = [not torch.equal(value, before[name]) for name, value in ours.named_parameters()]
    assert moved.count(False) == (parameters is groups)


def test_memory_layouts_stay():
    ours, theirs = both(with_large_weights)
    FlatAdamW(ours.parameters(), learning_rate=RATE, weight_decay=DECAY)
    assert [each.stride() for each in ours.parameters()] == [each.stride() for each in theirs.parameters()]


@pytest.mark.parametrize("build", [small, with_large_weights])
def test_the_average_is_torch_s(build):
    ours, theirs = both(build)
    flat = FlatAdamW(ours.parameters(), learning_rate=RATE, weight_decay=DECAY)
    average = Average(ours, flat.trained, 0.8)
    plain = torch.optim.AdamW(theirs.parameters(), lr=RATE, weight_decay=DECAY)
    averaged = AveragedModel(theirs, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=True)
    take_steps(ours, flat.forget_gradients, lambda: (flat.step(), average.update()))
    take_steps(theirs, plain.zero_grad, lambda: (plain.step(), averaged.update_parameters(theirs)))
    average.give()
    assert_alike(ours, averaged.module)

"""Small networks of one shape that learn at the same time, as one network of grouped convolutions.

Training five takes about three quarters of the time of five trainings: what an operation costs whatever its size
(Python, autograd, starting it) is paid once instead of five times.
Shapes: G = networks, N = images, C = colours (1 of grey images), F = features, O = outputs of a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from trainables.parts.learner import Classifier, Support
from trainables.parts.networks import Ends, NormedBlock
from trainables.parts.normalisation import unit
from trainables.parts.scratch import (
    Augment,
    ScratchConfig,
    ends_of,
    initialised,
    loss_of,
    network_input,
    training_batches,
)
from trainables.parts.streams import Streams
from trainables.parts.training import channels_last, cosine_logits, train

# Images times networks. Of 10, 25, 50, 100 and 250, 50 and 100 were fastest: maps of so many stay in the cache.
SCORED_AT_ONCE = 50


class SideBySide(nn.Module):
    """Networks as `classifying` makes them of `custom_stages`, of one shape, none of which sees another.

    In training each has images of its own; when scoring, all have the same.

    Args:
        members: Each network by itself, whose weights and statistics are copied.
    """

    def __init__(self, members: Sequence[nn.Sequential]) -> None:
        super().__init__()
        stages: list[Any] = [member[0] for member in members]
        linears: list[Any] = [member[3] for member in members]
        self.blocks = nn.Sequential(*map(_grouped, zip(*stages, strict=True)))
        self.dropout = members[0][2]
        self.weight_GOF = nn.Parameter(torch.stack([linear.weight.detach() for linear in linears]))
        self.bias_G1O = nn.Parameter(torch.stack([linear.bias.detach()[None] for linear in linears]))

    def forward(self, images: Tensor) -> Tensor:
        """(N, G * C, 28, 28) in training, else (N, C, 28, 28) -> (G * N,), or (G * N, O), network by network."""
        maps = self.blocks(images)
        features_GNF = maps.reshape(len(images), len(self.weight_GOF), -1).transpose(0, 1)
        outputs_GNO = torch.baddbmm(self.bias_G1O, self.dropout(features_GNF), self.weight_GOF.transpose(1, 2))
        return outputs_GNO.flatten() if outputs_GNO.shape[2] == 1 else outputs_GNO.flatten(0, 1)


def _grouped(blocks: Sequence[NormedBlock]) -> NormedBlock:
    """The same block of each network, as one."""
    convolution, relu, norm, pool = blocks[0]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    inputs, outputs = (len(blocks) * count for count in (convolution.in_channels, convolution.out_channels))
    found = NormedBlock(
        # Initial weights, which are overwritten below, would draw from torch's own generator.
        skip_init(nn.Conv2d, inputs, outputs, 3, padding=1, groups=len(blocks)),
        relu,
        nn.BatchNorm2d(outputs, momentum=norm.momentum),
        pool,
    )
    states = [block.state_dict() for block in blocks]
    found.load_state_dict(
        {key: torch.cat([state[key] for state in states]) if value.ndim else value for key, value in states[0].items()}
    )
    return found


def fit_side_by_side(
    build: Callable[[Ends], nn.Sequential],
    augment: Augment,
    config: ScratchConfig,
    support: Support,
    members: Sequence[Streams],
    streams: Streams,
) -> Classifier:
    """Train a network for each of `members`, as `fit_network` trains one.

    Args:
        build: Makes a network as `SideBySide` takes it.
        augment: Changes images at random.
        config: How they are trained.
        support: What they are trained on.
        members: The streams of each network, for its first weights and its augmentation.
        streams: What dropout draws from, for all networks together.

    Returns:
        Images -> the logits of each network, (G, N), or (G, N, K) of more than two classes.

    Raises:
        ValueError: There is no loss of that name.
    """
    loss = loss_of(config)
    ends = ends_of(config, support)
    model = channels_last(SideBySide([initialised(lambda: build(ends), config, own) for own in members]))
    of_each = [training_batches(augment, config, support, own) for own in members]
    batches = [torch.cat(step, 1).contiguous(memory_format=torch.channels_last) for step in zip(*of_each, strict=True)]
    count = len(members)

    def sum_of_losses(outputs: Tensor, labels: Tensor) -> Tensor:
        return count * loss(outputs, labels)

    train(model, batches.__getitem__, support.labels.repeat(count), config, streams, sum_of_losses)

    def classify(images: Tensor) -> Tensor:
        inputs = network_input(config, unit(images))
        parts = [model(part).unflatten(0, (count, -1)) for part in inputs.split(max(SCORED_AT_ONCE // count, 1))]
        outputs = torch.cat(parts, 1)
        if config.loss == "cross_entropy":
            return outputs
        return cosine_logits(outputs.flatten(0, 1)).unflatten(0, (count, -1))

    return classify

"""Weights that no initialisation gives: also BatchNorm's statistics and biases are other than 0 and 1."""

from __future__ import annotations

import functools
import math

import torch

from trainables.parts.backbones import empty_backbone


@functools.cache
def made_weights(backbone):
    """A state dict under which activations neither vanish nor explode; nobody may change it."""
    generator = torch.Generator().manual_seed(0)

    def value(name, shape):
        if name.endswith("num_batches_tracked"):
            return torch.tensor(0)
        if len(shape) == 4:
            return torch.randn(shape, generator=generator) * math.sqrt(2 / math.prod(shape[1:]))
        around = 0.0 if name.endswith(("bias", "running_mean")) else 1.0
        return around + 0.2 * (torch.rand(shape, generator=generator) - 0.5)

    return {name: value(name, tensor.shape) for name, tensor in empty_backbone(backbone).state_dict().items()}

"""Recurrent networks over sequences, and what is read out of them: for pixels and for feature maps.

Shapes: N = images, T = steps, F = numbers a step, H = hidden size, L = layers, O = outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

# Elman's network with tanh (Elman 1990), and long short-term memory (Hochreiter and Schmidhuber 1997).
Recurrent = type[nn.RNN] | type[nn.LSTM]


@dataclass(frozen=True, kw_only=True)
class SequenceConfig:
    """Hyperparameters of every recurrent network.

    `sequence` says how an image becomes steps, `readout` what the answer is read from: the last layer's output at the
    "last" step, or its "mean" over all; `dropout` is on that.
    """

    sequence: str
    hidden_size: int
    layers: int
    readout: str
    dropout: float


def read_out(name: str, outputs_NTH: Tensor) -> Tensor:
    """What the answer is read from, (N, H): the "last" step's output, or the "mean" over steps.

    Raises:
        ValueError: There is no readout of that name.
    """
    if name == "last":
        return outputs_NTH[:, -1]
    if name == "mean":
        return outputs_NTH.mean(1)
    raise ValueError(f"Expected a readout from last, mean; got {name!r}.")


class SequenceNetwork(nn.Module):
    """A recurrent network over each image's sequence, what is read out of it, dropout, a linear layer: -> (N, O).

    Args:
        recurrent: Which kind.
        sequence: Images (N, *shape) -> (N, T, F).
        shape: Of one image.
        config: The rest.
        outputs: How many numbers it gives for an image.
    """

    def __init__(
        self,
        recurrent: Recurrent,
        sequence: Callable[[Tensor], Tensor],
        shape: tuple[int, ...],
        config: SequenceConfig,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        self.sequence = sequence
        step_size = sequence(torch.zeros(1, *shape)).shape[2]
        self.recurrent = recurrent(step_size, config.hidden_size, config.layers, batch_first=True)
        self.read_out = partial(read_out, config.readout)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden_size, outputs)

    def forward(self, images: Tensor, state: Tensor | tuple[Tensor, ...] | None = None) -> Tensor:
        """Outputs (N, O). The initial state is zero, or of an RNN h (L, N, H), of an LSTM h and c."""
        outputs_NTH, _ = self.recurrent(self.sequence(images), state)
        outputs_NO: Tensor = self.output(self.dropout(self.read_out(outputs_NTH)))
        return outputs_NO

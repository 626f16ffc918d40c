"""AdamW on a few flat tensors in place of a network's many small ones, and the average of what it gives.

A step on ten images is so short that the optimiser's bookkeeping for each tensor is a third of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

# Tensors of fewer numbers lie side by side in a flat one, whose gradient costs a pass more. Those of more cost the
# optimiser nothing by being several.
SMALL = 1 << 16
# In numbers; oneDNN and vector instructions are fastest at multiples of a cache line of 64 bytes.
ALIGNMENT = 16


class FlatAdamW:
    """AdamW (Loshchilov and Hutter 2019), whose weight decay 0 is Adam; betas .9 and .999, eps 1e-8.

    The parameters stay those of the model, with their shapes and memory layouts, but small ones become views of one
    tensor in each group. A small parameter that gets no gradient counts as one with gradient 0, so it decays.

    Args:
        parameters: Tensors, or groups of "params" that may have an "lr" of their own.
        learning_rate: Of groups that have none of their own.
        weight_decay: Decoupled from the gradient.
    """

    def __init__(self, parameters: Iterable[Any], *, learning_rate: float, weight_decay: float) -> None:
        given = list(parameters)
        groups: list[dict[str, Any]] = given if given and isinstance(given[0], dict) else [{"params": given}]
        self._weight_decay = weight_decay
        self._flat: list[Tensor] = []
        self._large: list[tuple[Tensor, Tensor]] = []
        self._groups: list[_Group] = []
        for group in groups:
            assert group.keys() <= {"params", "lr"}
            own = list(group["params"])
            small = [each for each in own if each.numel() < SMALL]
            # As rows of numbers: the fused kernel copies what is channels last.
            large = [(each, nn.Parameter(_in_memory_order(each.detach()))) for each in own if each.numel() >= SMALL]
            flat = [_flattened(small)] if small else []
            self._flat += flat
            self._large += large
            states = [_State(each) for each in (*flat, *(row for _, row in large))]
            self._groups.append(_Group(states=states, learning_rate=group.get("lr", learning_rate)))

    @property
    def trained(self) -> list[Tensor]:
        """All parameters as the few tensors that they are in memory."""
        return [*(each.detach() for each in self._flat), *(row.detach() for _, row in self._large)]

    def forget_gradients(self) -> None:
        """Before the next step's backward pass."""
        for flat in self._flat:
            assert flat.grad is not None
            flat.grad.zero_()
        for parameter, _ in self._large:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move all parameters by their gradients."""
        for parameter, row in self._large:
            # Autograd lays a gradient out as its parameter.
            row.grad = None if parameter.grad is None else _in_memory_order(parameter.grad)
        for group in self._groups:
            moved = [state for state in group.states if state.parameter.grad is not None]
            # `torch.optim.AdamW` gives the same bits, but needs a tenth of a millisecond more a step.
            adamw(
                [state.parameter for state in moved],
                [state.parameter.grad for state in moved],  # type: ignore[misc]
                [state.mean for state in moved],
                [state.mean_square for state in moved],
                [],
                [state.steps for state in moved],
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=group.learning_rate,
                weight_decay=self._weight_decay,
                eps=1e-8,
                maximize=False,
            )


class _State:
    """What AdamW remembers of a tensor: averages of its gradient and of the gradient's square, and how many steps."""

    def __init__(self, parameter: Tensor) -> None:
        self.parameter = parameter
        self.mean, self.mean_square = torch.zeros_like(parameter), torch.zeros_like(parameter)
        self.steps = torch.zeros(())


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Tensors that learn at the same rate."""

    states: Sequence[_State]
    learning_rate: float


class Average:
    """An exponential moving average of a model's weights and of BatchNorm's statistics; it starts from the first.

    Args:
        model: Its statistics become views of one tensor.
        trained: Its parameters, as `FlatAdamW.trained` gives them.
        keep: What remains of the average at the next step.
    """

    def __init__(self, model: nn.Module, trained: Sequence[Tensor], keep: float) -> None:
        statistics = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        self._current = [*trained, *([_flattened(statistics).detach()] if statistics else [])]
        self._keep = keep
        self._average: list[Tensor] = []

    def update(self) -> None:
        """Let the weights of a step count."""
        if not self._average:
            self._average = [each.clone() for each in self._current]
        for average, current in zip(self._average, self._current, strict=True):
            average.lerp_(current, 1 - self._keep)

    def give(self) -> None:
        """Put the average into the model."""
        for average, current in zip(self._average, self._current, strict=True):
            current.copy_(average)


def _in_memory_order(tensor: Tensor) -> Tensor:
    """The numbers of a tensor without gaps as a row, which shares its memory."""
    return tensor.as_strided((tensor.numel(),), (1,))


def _flattened(tensors: Sequence[Tensor]) -> nn.Parameter:
    """Make these tensors, and their gradients, views of one; it begins with gradient 0."""
    starts, size = [], 0
    for tensor in tensors:
        starts.append(size)
        size += -(-tensor.numel() // ALIGNMENT) * ALIGNMENT
    flat = nn.Parameter(torch.zeros(size, dtype=tensors[0].dtype))
    flat.grad = torch.zeros_like(flat)
    for tensor, start in zip(tensors, starts, strict=True):
        view = flat.detach().as_strided(tensor.shape, tensor.stride(), start)
        view.copy_(tensor.detach())
        tensor.data = view
        if tensor.requires_grad:
            tensor.grad = flat.grad.as_strided(tensor.shape, tensor.stride(), start)
    return flat

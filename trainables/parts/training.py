"""The training loop of everything that learns by gradients: full-batch steps of AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, normalize
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from trainables.parts.learner import Classifier
from trainables.parts.streams import Streams

# The log-odds of an image whose output lies on the axis of class 1: a probability of 98 %.
COSINE_SCALE = 4.0
# Of a model's outputs and what they should be.
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Hyperparameters of `train`: a constant learning rate, decoupled weight decay, and how many steps.

    With ten images an epoch is one step. `averaging` is what remains of the average of a step's weights at the next
    step; 0 is no averaging: the last step's weights.
    """

    learning_rate: float
    weight_decay: float
    steps: int
    averaging: float = 0.0


def channels_last(model: nn.Module) -> nn.Module:
    """The model with its weights laid out as oneDNN's convolutions are fastest: twice as fast on a CPU core."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def train(
    model: nn.Module,
    batch_of_step: Callable[[int], Tensor],
    targets: Tensor,
    config: TrainingConfig,
    streams: Streams,
    loss: Loss = binary_cross_entropy_with_logits,
    parameters: Iterable[Any] | None = None,
) -> None:
    """Take `config.steps` optimiser steps, each on all support images, and leave the model in eval mode.

    AdamW (Loshchilov and Hutter 2019), whose weight decay 0 is Adam; betas .9 and .999, eps 1e-8. `fused` is one
    kernel for all parameters. Dropout draws from the stream "dropout". With `config.averaging` the model ends with the
    exponential moving average of its weights, and of BatchNorm's statistics, over the steps; it starts from the weights
    after the first step.

    Args:
        model: Images of a batch -> one output for each target.
        batch_of_step: The images of one step, so that each step can have its own augmentation.
        targets: What the outputs are compared with, for example float32 labels (N,) of 0 or 1.
        config: How long and how fast.
        streams: The seed's random streams.
        loss: To minimise.
        parameters: What to train, as an optimiser takes it: tensors, or groups with learning rates of their own. None
            is all of the model.
    """
    optimiser = torch.optim.AdamW(
        model.parameters() if parameters is None else parameters,
        lr=config.learning_rate,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=config.weight_decay,
        fused=True,
    )
    averaged = None
    if config.averaging:
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.averaging), use_buffers=True)
    model.train()
    with streams.torch_default("dropout"):
        for step in range(config.steps):
            optimiser.zero_grad(set_to_none=True)
            loss(model(batch_of_step(step)), targets).backward()
            optimiser.step()
            if averaged is not None:
                averaged.update_parameters(model)
    if averaged is not None:
        model.load_state_dict(averaged.module.state_dict())
    model.eval()


def focal_loss(gamma: float, alpha: float) -> Loss:
    """Focal loss (Lin et al. 2017, equation 5), averaged over images: -alpha_t (1 - p_t)^gamma log(p_t).

    Args:
        gamma: How little an image counts that is right already; 0 is cross-entropy.
        alpha: Weight of class 1; class 0 has 1 - alpha. With as many images of both, .5 is neutral.
    """

    def loss(logits_N: Tensor, labels_N: Tensor) -> Tensor:
        # The log-odds of being right, so that nothing is lost where a probability rounds to 0 or 1.
        right_N = torch.where(labels_N == 1, logits_N, -logits_N)
        alpha_N = torch.where(labels_N == 1, alpha, 1 - alpha)
        # (1 - p_t)^gamma. As a power of a sigmoid its gradient is NaN where p_t rounds to 1 and gamma is below 1, which
        # is what torchvision's sigmoid_focal_loss gives.
        difficulty_N = torch.exp(gamma * logsigmoid(-right_N))
        return (-alpha_N * difficulty_N * logsigmoid(right_N)).mean()

    return loss


def cosine_log_odds(outputs_N2: Tensor) -> Tensor:
    """Log-odds (N,) of class 1 by the cosines of outputs with the two axes, one for each class.

    These are the log-odds under two von Mises-Fisher distributions about the axes, of concentration `COSINE_SCALE`.
    """
    cosines_N2 = normalize(outputs_N2)
    return COSINE_SCALE * (cosines_N2[:, 1] - cosines_N2[:, 0])


def cosine_loss(cross_entropy_weight: float) -> Loss:
    """Cosine loss (Barz and Denzler 2020, equations 3 and 5): 1 - cos(output, axis of its class), averaged over images.

    Args:
        cross_entropy_weight: Of the cross-entropy of `cosine_log_odds` that is added; theirs is of a learned layer.
    """

    def loss(outputs_N2: Tensor, labels_N: Tensor) -> Tensor:
        cosines_N2 = normalize(outputs_N2)
        away_N = 1 - torch.where(labels_N == 1, cosines_N2[:, 1], cosines_N2[:, 0])
        if not cross_entropy_weight:
            return away_N.mean()
        cross_entropy = binary_cross_entropy_with_logits(cosine_log_odds(outputs_N2), labels_N)
        return away_N.mean() + cross_entropy_weight * cross_entropy

    return loss


def classifier_of(model: nn.Module, prepare: Callable[..., Tensor]) -> Classifier:
    """The trained model as a classifier: `prepare` the images' views, then the model's logits."""

    def classify(*views: Tensor) -> Tensor:
        logits: Tensor = model(prepare(*views))
        return logits

    return classify


def mean_probability(members: Sequence[Classifier]) -> Classifier:
    """A classifier whose probability is the mean of its members'; exact also where a probability rounds to 0 or 1."""

    def classify(*views: Tensor) -> Tensor:
        logits_KN = torch.stack([member(*views) for member in members])
        return logsigmoid(logits_KN).logsumexp(0) - logsigmoid(-logits_KN).logsumexp(0)

    return classify

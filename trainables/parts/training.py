"""The training loop of everything that learns by gradients: full-batch steps of AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import log_softmax, logsigmoid, normalize

from trainables.parts.flat_adamw import Average, FlatAdamW
from trainables.parts.learner import Classifier
from trainables.parts.streams import Streams

# Of two classes, the log-odds of an image whose output lies on the axis of class 1: a probability of 98 %.
COSINE_SCALE = 4.0
# Of a model's outputs and what they should be.
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Hyperparameters of `train`: a constant learning rate, decoupled weight decay, and how many steps.

    With so few images an epoch is one step. `averaging` is what remains of the average of a step's weights at the next
    step; 0 is no averaging: the last step's weights.
    """

    learning_rate: float
    weight_decay: float
    steps: int
    averaging: float = 0.0


def outputs_for(classes: int) -> int:
    """How many numbers a network gives for an image: log-odds of two classes, or a logit for each of more."""
    return 1 if classes == 2 else classes


def logits_of(outputs: int) -> nn.Module:
    """What turns a network's outputs (N, O) into logits: (N,) if there is one, which is log-odds, else as they are."""
    return nn.Flatten(0) if outputs == 1 else nn.Identity()


def class_weights(labels_N: Tensor) -> Tensor | None:
    """What an image of each class counts (K,), so that all classes count the same; None if they have as many images.

    How many images of a class are learned from is a person's choice, and says nothing of how frequent it is. Over the
    images the mean is 1.
    """
    counts = labels_N.bincount().tolist()
    if min(counts) == max(counts):
        return None
    return len(labels_N) / (len(counts) * torch.tensor(counts))


def mean_over_images(losses_N: Tensor, labels_N: Tensor) -> Tensor:
    """The mean of images' losses in which every class counts the same."""
    weights_K = class_weights(labels_N)
    return losses_N.mean() if weights_K is None else (weights_K[labels_N] * losses_N).mean()


def cross_entropy(logits: Tensor, labels_N: Tensor) -> Tensor:
    """Cross-entropy of log-odds of class 1 (N,) or logits of more than two classes (N, K), as `mean_over_images`."""
    weights_K = class_weights(labels_N)
    if logits.ndim == 1:
        weights_N = None if weights_K is None else weights_K[labels_N]
        return functional.binary_cross_entropy_with_logits(logits, labels_N.to(logits.dtype), weights_N)
    return functional.cross_entropy(logits, labels_N, weights_K)


def channels_last(model: nn.Module) -> nn.Module:
    """The model with its weights laid out as oneDNN's convolutions are fastest: twice as fast on a CPU core."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def train(
    model: nn.Module,
    batch_of_step: Callable[[int], Tensor],
    targets: Tensor,
    config: TrainingConfig,
    streams: Streams,
    loss: Loss = cross_entropy,
    parameters: Iterable[Any] | None = None,
) -> None:
    """Take `config.steps` optimiser steps, each on all support images, and leave the model in eval mode.

    The optimiser is `FlatAdamW`. Dropout draws from the stream "dropout". With `config.averaging` the model ends with
    the exponential moving average of its weights, and of BatchNorm's statistics, over the steps; it starts from the
    weights after the first step.

    Args:
        model: Images of a batch -> one output for each target.
        batch_of_step: The images of one step, so that each step can have its own augmentation.
        targets: What the outputs are compared with, for example labels (N,).
        config: How long and how fast.
        streams: The seed's random streams.
        loss: To minimise.
        parameters: What to train, as an optimiser takes it: tensors, or groups with learning rates of their own. None
            is all of the model.
    """
    optimiser = FlatAdamW(
        model.parameters() if parameters is None else parameters,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
    )
    average = Average(model, optimiser.trained, config.averaging) if config.averaging else None
    model.train()
    with streams.torch_default("dropout"):
        for step in range(config.steps):
            optimiser.forget_gradients()
            loss(model(batch_of_step(step)), targets).backward()
            optimiser.step()
            if average is not None:
                average.update()
    if average is not None:
        average.give()
    model.eval()


def focal_loss(gamma: float, alpha: float) -> Loss:
    """Focal loss (Lin et al. 2017, equation 5), averaged over images: -alpha_t (1 - p_t)^gamma log(p_t).

    Of more than two classes it is the paper's sum over classes, each a question of its own with its own log-odds.

    Args:
        gamma: How little an image counts that is right already; 0 is cross-entropy.
        alpha: Weight of class 1 of two, class 0 has 1 - alpha; with as many images of both, .5 is neutral. Of more
            classes the weight of an image in the question of its own class; it has 1 - alpha in those of the others.
    """

    def loss(logits: Tensor, labels_N: Tensor) -> Tensor:
        if logits.ndim == 1:
            return of_questions(logits, labels_N == 1).mean()
        return of_questions(logits, functional.one_hot(labels_N, logits.shape[1]) == 1).sum(1).mean()

    def of_questions(log_odds: Tensor, is_so: Tensor) -> Tensor:
        # The log-odds of being right, so that nothing is lost where a probability rounds to 0 or 1.
        right = torch.where(is_so, log_odds, -log_odds)
        weight = torch.where(is_so, alpha, 1 - alpha)
        # (1 - p_t)^gamma. As a power of a sigmoid its gradient is NaN where p_t rounds to 1 and gamma is below 1, which
        # is what torchvision's sigmoid_focal_loss gives.
        difficulty = torch.exp(gamma * logsigmoid(-right))
        return -weight * difficulty * logsigmoid(right)

    return loss


def cosine_logits(outputs_NK: Tensor) -> Tensor:
    """Log-odds (N,) of class 1 of two, or logits (N, K) of more, by the cosines of outputs with an axis for each class.

    These are the logits under von Mises-Fisher distributions about the axes, of concentration `COSINE_SCALE`.
    """
    cosines_NK = normalize(outputs_NK)
    if cosines_NK.shape[1] == 2:
        return COSINE_SCALE * (cosines_NK[:, 1] - cosines_NK[:, 0])
    return COSINE_SCALE * cosines_NK


def cosine_loss(cross_entropy_weight: float) -> Loss:
    """Cosine loss (Barz and Denzler 2020, equations 3 and 5): 1 - cos(output, axis of its class), `mean_over_images`.

    Args:
        cross_entropy_weight: Of the cross-entropy of `cosine_logits` that is added; theirs is of a learned layer.
    """

    def loss(outputs_NK: Tensor, labels_N: Tensor) -> Tensor:
        away_N = 1 - normalize(outputs_NK).gather(1, labels_N[:, None])[:, 0]
        away = mean_over_images(away_N, labels_N)
        if not cross_entropy_weight:
            return away
        return away + cross_entropy_weight * cross_entropy(cosine_logits(outputs_NK), labels_N)

    return loss


def classifier_of(model: nn.Module, prepare: Callable[..., Tensor]) -> Classifier:
    """The trained model as a classifier: `prepare` the images' views, then the model's logits."""

    def classify(*views: Tensor) -> Tensor:
        logits: Tensor = model(prepare(*views))
        return logits

    return classify


def mean_probability(members: Sequence[Classifier]) -> Classifier:
    """A classifier whose probabilities are the means of its members'."""
    return lambda *views: of_mean_probability(torch.stack([member(*views) for member in members]))


def of_mean_probability(logits_of_members: Tensor) -> Tensor:
    """The logits whose probabilities are the means over the first axis; exact also where one rounds to 0 or 1."""
    if logits_of_members.ndim == 2:
        return logsigmoid(logits_of_members).logsumexp(0) - logsigmoid(-logits_of_members).logsumexp(0)
    return log_softmax(logits_of_members, -1).logsumexp(0)

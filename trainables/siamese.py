"""Siamese networks: one network embeds both images of a pair, and pairs of one class are brought together.

They learn from all pairs of the few images, 45 of ten. A new image gets the class whose images it is most similar to.
With one image a class there are no pairs of one class; training then drives apart and draws nothing together.
Shapes: N = images, C = colours, K = classes, D = embedding size, P = pairs, R = references (the few images).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity, normalize

from trainables.parts.augmentation import augment
from trainables.parts.learner import Classifier, Learner, Support
from trainables.parts.networks import features, twin_stages
from trainables.parts.normalisation import unit
from trainables.parts.scratch import AugmentedConfig, colours, initialised, network_input, training_batches
from trainables.parts.streams import Streams
from trainables.parts.training import Loss, class_weights, train


@dataclass(frozen=True, kw_only=True)
class SiameseConfig(AugmentedConfig):
    """The embedding, and how an image is compared with a class: by the "mean" or "nearest" of its references."""

    embedding_size: int
    dropout: float
    references: str


@dataclass(frozen=True, kw_only=True)
class BceConfig(SiameseConfig):
    """`comparison` is "cosine" or "difference", seen by `hidden_layers` layers of `hidden_width` units."""

    comparison: str
    hidden_layers: int
    hidden_width: int = 0


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig(SiameseConfig):
    """The loss's margin, and whether embeddings are brought to length 1."""

    margin: float
    unit_length: bool


class Embedding(nn.Module):
    """The twin network: (N, C, 28, 28) -> (N, D). Five convolutions, two poolings, dropout, a linear layer."""

    def __init__(self, config: SiameseConfig, *, inputs: int = 1, unit_length: bool = False) -> None:
        super().__init__()
        stages = twin_stages(inputs=inputs)
        last = stages[-1]
        size = last.channels * last.side**2
        self.layers = nn.Sequential(
            features(stages), nn.Flatten(), nn.Dropout(config.dropout), nn.Linear(size, config.embedding_size)
        )
        self.unit_length = unit_length

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Embeddings (N, D)."""
        embeddings_ND: Tensor = self.layers(images_NCHW)
        return normalize(embeddings_ND) if self.unit_length else embeddings_ND


class TrainedSimilarity(nn.Module):
    """The log-odds that two images are of one class, by trained layers; the order of the two does not matter.

    The layers see the cosine of the embeddings' angle, or the absolute difference in each dimension. They start
    monotone: the more alike, the higher. With layers of random signs half of the seeds start the wrong way round, and
    training then lets all embeddings fall together instead of turning the layers around.

    Raises:
        ValueError: There is no comparison of that name.
    """

    def __init__(self, config: BceConfig) -> None:
        super().__init__()
        if config.comparison not in ("cosine", "difference"):
            raise ValueError(f"Expected a comparison from cosine, difference; got {config.comparison!r}.")
        self.comparison = config.comparison
        inputs = 1 if config.comparison == "cosine" else config.embedding_size
        layers: list[nn.Module] = []
        for _ in range(config.hidden_layers):
            layers += [nn.Linear(inputs, config.hidden_width), nn.ReLU(), nn.Dropout(config.dropout)]
            inputs = config.hidden_width
        last = nn.Linear(inputs, 1)
        self.layers = nn.Sequential(*layers, last)
        with torch.no_grad():
            for layer in self.layers:
                if isinstance(layer, nn.Linear):
                    # Weights of one sign add up, so they are made smaller for an output of the usual size.
                    layer.weight.abs_().mul_(2 / layer.in_features**0.5)
            if config.comparison == "difference":
                last.weight.neg_()

    def forward(self, one_D: Tensor, other_D: Tensor) -> Tensor:
        """Embeddings (..., D) and (..., D) -> (...)."""
        if self.comparison == "cosine":
            compared = cosine_similarity(one_D, other_D, dim=-1)[..., None]
        else:
            compared = (one_D - other_D).abs()
        log_odds: Tensor = self.layers(compared).squeeze(-1)
        return log_odds


def negative_distance(one_D: Tensor, other_D: Tensor) -> Tensor:
    """Minus the Euclidean distance: embeddings (..., D) and (..., D) -> (...)."""
    return -torch.linalg.vector_norm(one_D - other_D, dim=-1)


class Twins(nn.Module):
    """An embedding and a similarity; as a module to train, N images -> the similarities of their P = N(N-1)/2 pairs."""

    embedding: Embedding

    def __init__(self, embedding: Embedding, similarity: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.embedding = embedding
        self.similarity = similarity

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Similarities (P,), in the order of `pairs`."""
        embeddings_ND = self.embedding(images_NCHW)
        one_P, other_P = pairs(len(images_NCHW))
        return self.similarity(embeddings_ND[one_P], embeddings_ND[other_P])


def pairs(count: int) -> Tensor:
    """All pairs of different images, each once: (2, P)."""
    return torch.triu_indices(count, count, offset=1)


def pair_weights(labels_N: Tensor) -> Tensor | None:
    """What each pair counts (P,), 1 on average: the product of what its images do, as `class_weights` has it.

    None if classes have as many images, where all pairs count the same.
    """
    weights_K = class_weights(labels_N)
    if weights_K is None:
        return None
    weights_P = weights_K[labels_N[pairs(len(labels_N))]].prod(0)
    return weights_P / weights_P.mean()


def contrastive_loss(
    similarities_P: Tensor, same_P: Tensor, *, margin: float, weights_P: Tensor | None = None
) -> Tensor:
    """Mean of d^2 for pairs of one class and max(0, margin - d)^2 for others (Hadsell et al. 2006, eq. 4, doubled).

    Args:
        similarities_P: Minus the distance d.
        same_P: 1 for pairs of one class, 0 for others.
        margin: Distance from which on pairs of two classes are far enough apart.
        weights_P: What each pair counts; None is the same for all.
    """
    distances_P = -similarities_P
    apart_P = (margin - distances_P).clamp_min(0)
    losses_P = same_P * distances_P.square() + (1 - same_P) * apart_P.square()
    return (losses_P if weights_P is None else weights_P * losses_P).mean()


def class_scores(similarities_NR: Tensor, labels_R: Tensor, references: str, classes: int) -> Tensor:
    """Similarity to each class's references, (N, K); of two classes, to class 1's less that to class 0's, (N,).

    The greatest decides, and of two 0 is the border; neither is calibrated.

    Raises:
        ValueError: `references` is neither "mean" nor "nearest".
    """
    by_class = [similarities_NR[:, labels_R == label] for label in range(classes)]
    match references:
        case "mean":
            scores_K_N = [each.mean(1) for each in by_class]
        case "nearest":
            scores_K_N = [each.amax(1) for each in by_class]
        case unknown:
            raise ValueError(f"Expected references from mean, nearest; got {unknown!r}.")
    return scores_K_N[1] - scores_K_N[0] if classes == 2 else torch.stack(scores_K_N, dim=1)


class Siamese(Learner):
    """Twins trained on the pairs of the few images; subclasses say how two embeddings are compared, and the loss."""

    # Of whom there are 125000 pairs.
    most_images = 500

    @classmethod
    def twins(cls, config: Any, inputs: int) -> Twins:
        """The untrained network, for images of `inputs` colours."""
        raise NotImplementedError

    @classmethod
    def loss(cls, config: Any, weights_P: Tensor | None) -> Loss:
        """Of the pairs' similarities, and whether they are of one class; `weights_P` as `pair_weights` has them."""
        raise NotImplementedError

    @classmethod
    def gives_margins(cls, config: Any) -> bool:
        """Differences of similarities."""
        return True

    @classmethod
    def fit(cls, config: Any, support: Support, streams: Streams) -> Classifier:
        """Train on the pairs; a new image is compared with the few as they are, not augmented."""
        twins = initialised(partial(cls.twins, config, colours(support.images)), config, streams)
        batches = training_batches(partial(augment, config), config, support, streams)
        one_P, other_P = pairs(len(support.labels))
        same_P = (support.labels[one_P] == support.labels[other_P]).float()
        loss = cls.loss(config, pair_weights(support.labels))
        train(twins, batches.__getitem__, same_P, config, streams, loss)

        def embed(images: Tensor) -> Tensor:
            embeddings_ND: Tensor = twins.embedding(network_input(config, unit(images)))
            return embeddings_ND

        with torch.inference_mode():
            references_RD = embed(support.images)

        # A classifier keeps what it needs, and none of the images.
        labels_R, classes = support.labels, support.classes

        def classify(images: Tensor) -> Tensor:
            similarities_NR = twins.similarity(embed(images)[:, None], references_RD)
            return class_scores(similarities_NR, labels_R, config.references, classes)

        return classify


class SiameseBCE(Siamese):
    """Siamese network with trained layers on cosine similarity or difference, by cross-entropy on the pairs."""

    Config = BceConfig

    @classmethod
    def twins(cls, config: BceConfig, inputs: int) -> Twins:
        """Embeddings, then trained layers on two of them."""
        return Twins(Embedding(config, inputs=inputs), TrainedSimilarity(config))

    @classmethod
    def loss(cls, config: BceConfig, weights_P: Tensor | None) -> Loss:
        """Cross-entropy of same or not."""
        return partial(binary_cross_entropy_with_logits, weight=weights_P)


class SiameseContrastive(Siamese):
    """Siamese network whose Euclidean distances are small in a class and beyond a margin between classes."""

    Config = ContrastiveConfig

    @classmethod
    def twins(cls, config: ContrastiveConfig, inputs: int) -> Twins:
        """Embeddings, then their distance."""
        return Twins(Embedding(config, inputs=inputs, unit_length=config.unit_length), negative_distance)

    @classmethod
    def loss(cls, config: ContrastiveConfig, weights_P: Tensor | None) -> Loss:
        """See `contrastive_loss`."""
        return partial(contrastive_loss, margin=config.margin, weights_P=weights_P)

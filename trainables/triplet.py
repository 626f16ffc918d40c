"""An embedding of frozen features in which images of one class are nearer to each other than to those of others.

Shapes: N = images, D = features, E = embedding size, P = pairs of anchor and positive, T = triplets, R = references
(the support), S = steps, B = images of a batch, K = classes if there are more than two, C = images of one class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from trainables.frozen_head import THREE_BLOCK_TAPS, FrozenHead, LinearConfig, OnLite0, scaler
from trainables.parts.datasets import BREASTMNIST
from trainables.parts.learner import Classifier, Needs, Support
from trainables.parts.streams import Streams
from trainables.parts.training import train

# How many images of each class of BreastMNIST a step sees, if it has so many: a batch of 16, as in the study.
OTHERS_PER_CLASS = 8

# Embeddings (N, E) -> log-odds of class 1 of two (N,), or logits (N, K). Of distances they are not calibrated.
Decision = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """The embedding, the loss, and how the support's embeddings decide on a new one.

    `mining` is as for `mine` and `inference` as for `decision`, for which `neighbours` is how many of a class's images
    count, among which are mirror images where they are learned from too.
    """

    embedding_size: int
    unit_length: bool
    dropout: float
    margin: float
    mining: str
    inference: str
    neighbours: int = 0


@dataclass(frozen=True, kw_only=True)
class TripletConfig(LinearConfig, EmbeddingConfig):
    """Those of an embedding of frozen features. With `joint`, BreastMNIST's triplets train the embedding too."""

    joint: bool = False


class Embedding(nn.Module):
    """Dropout, a linear layer, and the embedding's scale: (N, D) -> (N, E).

    Embeddings are brought to length 1, or else divided by sqrt(E): distances do not grow with E in either case, so a
    margin means about the same.
    """

    def __init__(self, config: EmbeddingConfig, inputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(inputs, config.embedding_size))
        self.unit_length = config.unit_length

    def forward(self, features_ND: Tensor) -> Tensor:
        """Embeddings (N, E)."""
        embeddings_NE: Tensor = self.layers(features_ND)
        return normalize(embeddings_NE) if self.unit_length else embeddings_NE / embeddings_NE.shape[1] ** 0.5


def distances(one_NE: Tensor, other_RE: Tensor) -> Tensor:
    """Euclidean distances, (N, R); by differences, since a matrix product rounds otherwise in another batch."""
    return torch.cdist(one_NE, other_RE, compute_mode="donot_use_mm_for_euclid_dist")


def mine(mining: str, distances_NN: Tensor, labels_N: Tensor) -> Tensor:
    """Choose triplets: the rows of their anchors, positives (of the anchor's class) and negatives, (3, T).

    An image without another of its class is no anchor, and only ever a negative; with one image a class there is none.

    "all" is every one; five images of each of two classes have 200. "semi-hard" takes for every pair of anchor and
    positive the nearest negative that is farther than the positive (Schroff et al. 2015, equation 4), or, if there is
    none, the farthest negative (as TensorFlow Addons does). "hard" takes for every anchor the farthest positive and
    the nearest negative (batch-hard; Hermans et al. 2017, equation 5).

    Raises:
        ValueError: There is no mining of that name.
    """
    negative_NN = labels_N[:, None] != labels_N
    positive_NN = ~negative_NN & ~torch.eye(len(labels_N), dtype=torch.bool)
    match mining:
        case "all":
            return (positive_NN[:, :, None] & negative_NN[:, None, :]).nonzero().T
        case "semi-hard":
            anchors_P, positives_P = positive_NN.nonzero().T
            distances_PN, negative_PN = distances_NN[anchors_P], negative_NN[anchors_P]
            farther_PN = negative_PN & (distances_PN > distances_NN[anchors_P, positives_P][:, None])
            nearest_P = distances_PN.masked_fill(~farther_PN, torch.inf).argmin(1)
            farthest_P = distances_PN.masked_fill(~negative_PN, -torch.inf).argmax(1)
            return torch.stack([anchors_P, positives_P, torch.where(farther_PN.any(1), nearest_P, farthest_P)])
        case "hard":
            farthest_N = distances_NN.masked_fill(~positive_NN, -torch.inf).argmax(1)
            nearest_N = distances_NN.masked_fill(~negative_NN, torch.inf).argmin(1)
            anchors_T = positive_NN.any(1).nonzero()[:, 0]
            return torch.stack([anchors_T, farthest_N[anchors_T], nearest_N[anchors_T]])
        case unknown:
            raise ValueError(f"Expected a mining from all, semi-hard, hard; got {unknown!r}.")


def triplet_loss(embeddings_NE: Tensor, labels_N: Tensor, *, mining: str, margin: float) -> Tensor:
    """Mean of max(0, d(anchor, positive) - d(anchor, negative) + margin) over the mined triplets where it is not 0.

    The field's usual average: triplets that are right already would only dilute the others (Hermans et al. 2017, their
    loss "batch all, not 0"). With none left the loss is 0. Distances are Euclidean and not squared, as there.

    It is torch's `triplet_margin_loss`, from the distances that the mining needs anyway.

    Args:
        embeddings_NE: Of images of one data set.
        labels_N: Their classes.
        mining: As for `mine`.
        margin: How much farther than the positive a negative should be.
    """
    distances_NN = distances(embeddings_NE, embeddings_NE)
    anchors_T, positives_T, negatives_T = mine(mining, distances_NN.detach(), labels_N)
    losses_T = (distances_NN[anchors_T, positives_T] - distances_NN[anchors_T, negatives_T] + margin).clamp_min(0)
    return losses_T.sum() / (losses_T > 0).sum().clamp_min(1)


def has_triplets(labels_N: Tensor) -> bool:
    """Whether any class has two images. If none has, an embedding cannot learn from them, and stays as it is."""
    return bool((labels_N.unique(return_counts=True)[1] > 1).any())


def sum_of_losses(embeddings_NE: Tensor, labels_N: Tensor, *, sizes: Sequence[int], config: EmbeddingConfig) -> Tensor:
    """The losses of data sets that lie one after another, of these sizes; no triplet crosses from one to the next."""
    parts = zip(embeddings_NE.split(sizes), labels_N.split(sizes), strict=True)
    return torch.stack([triplet_loss(*part, mining=config.mining, margin=config.margin) for part in parts]).sum()


def balanced_batches(labels_N: np.ndarray, steps: int, generator: torch.Generator) -> Tensor:
    """The rows of each step's batch, (S, B): `OTHERS_PER_CLASS` of each class in turn, none twice in a batch."""

    def drawn(rows_C: Tensor) -> Tensor:
        return rows_C[torch.rand(steps, len(rows_C), generator=generator).argsort(1)[:, :OTHERS_PER_CLASS]]

    return torch.cat([drawn(torch.from_numpy(np.flatnonzero(labels_N == label))) for label in np.unique(labels_N)], 1)


def training_batches(
    config: TripletConfig, support: Support, prepare: Callable[[Tensor], Tensor], streams: Streams
) -> tuple[Callable[[int], Tensor], list[Tensor]]:
    """The features of each step: those of all support images, then, if joint, of 8 of each class of the other set.

    Returns:
        From a step to its features, (R, D) or (R + B, D); each data set's labels in a batch, the same at every step.
    """
    support_RD = prepare(support.images)
    if not config.joint:
        return lambda step: support_RD, [support.labels]
    other = support.other_datasets[BREASTMNIST]
    rows_SB = balanced_batches(other.labels, config.steps, streams.generator(BREASTMNIST)).numpy()

    def batch_of_step(step: int) -> Tensor:
        return torch.cat([support_RD, prepare(torch.from_numpy(other.images[rows_SB[step]]))])

    return batch_of_step, [support.labels, torch.from_numpy(other.labels[rows_SB[0]])]


def to_centroid(queries_NE: Tensor, class_CE: Tensor) -> Tensor:
    """Squared distance of each query to the class's mean embedding, (N,) (Snell et al. 2017, equation 2)."""
    return distances(queries_NE, class_CE.mean(0, keepdim=True)).squeeze(1).square()


def to_neighbours(queries_NE: Tensor, class_CE: Tensor, *, count: int) -> Tensor:
    """Mean distance of each query to the nearest so many embeddings of the class, or to all if it has fewer, (N,)."""
    return distances(queries_NE, class_CE).topk(min(count, len(class_CE)), largest=False).values.mean(1)


def decision(config: EmbeddingConfig, references_RE: Tensor, labels_R: Tensor) -> Decision:
    """How an embedding becomes logits.

    "centroid" and "neighbours" are minus the distance to each class, as in `to_centroid` and `to_neighbours`, or, of
    two classes, the distance to class 0 less that to class 1: 0 at the border. "logistic" is a logistic regression on
    the support's embeddings with sklearn's usual C of 1, in which every class counts the same.

    Raises:
        ValueError: There is no inference of that name.
    """
    classes = [references_RE[labels_R == label] for label in range(int(labels_R.max()) + 1)]
    match config.inference:
        case "centroid":
            distance: Callable[[Tensor, Tensor], Tensor] = to_centroid
            # So nothing is kept of single images.
            classes = [class_CE.mean(0, keepdim=True) for class_CE in classes]
        case "neighbours":
            distance = partial(to_neighbours, count=config.neighbours)
        case "logistic":
            # Not at the top: its import takes a second, and the driver never fits.
            from sklearn.linear_model import LogisticRegression

            # Every class counts the same, however many images it has.
            model = LogisticRegression(C=1.0, class_weight="balanced")
            model.fit(references_RE.double().numpy(), labels_R.numpy())
            return lambda queries_NE: torch.from_numpy(model.decision_function(queries_NE.double().numpy()))
        case unknown:
            raise ValueError(f"Expected an inference from centroid, neighbours, logistic; got {unknown!r}.")
    if len(classes) == 2:
        return lambda queries_NE: distance(queries_NE, classes[0]) - distance(queries_NE, classes[1])
    return lambda queries_NE: -torch.stack([distance(queries_NE, class_CE) for class_CE in classes], 1)


class Triplet(FrozenHead):
    """An embedding of frozen features, trained with triplet loss; a subclass names the backbone."""

    Config = TripletConfig
    # Of whom, with their mirror images, there are 16 million triplets.
    most_images = 200

    @classmethod
    def needs(cls, config: TripletConfig) -> Needs:
        """Other data sets only if the configuration is joint."""
        needs = super().needs(config)
        return needs if config.joint else replace(needs, other_datasets=())

    @classmethod
    def gives_margins(cls, config: TripletConfig) -> bool:
        """Differences of distances, but for logistic regression."""
        return config.inference != "logistic"

    @classmethod
    def fit(cls, config: TripletConfig, support: Support, streams: Streams) -> Classifier:
        """Train the embedding, if there is any triplet; a new image is compared with those of the support.

        BreastMNIST is scaled as the support is, also where that takes its mean and sd.
        """
        (known_ND,), known_labels = cls.known(config, support)
        prepare = scaler(config.scaling, known_ND)
        with streams.torch_default("initialisation"):
            embedding = Embedding(config, known_ND.shape[1])
        known = replace(support, images=known_ND, labels=known_labels)
        batch_of_step, labels = training_batches(config, known, prepare, streams)
        loss = partial(sum_of_losses, sizes=[len(each) for each in labels], config=config)
        if any(map(has_triplets, labels)):
            train(embedding, batch_of_step, torch.cat(labels), config, streams, loss)
        embedding.eval()
        with torch.inference_mode():
            decide = decision(config, embedding(prepare(known_ND)), known_labels)
        return lambda features_ND, *mirrored: decide(embedding(prepare(features_ND)))


class AlexNetTriplet(Triplet):
    """An embedding of frozen AlexNet, trained with triplet loss, alone or jointly with BreastMNIST."""

    backbones = ("alexnet",)
    taps = THREE_BLOCK_TAPS
    other_datasets = (BREASTMNIST,)


class Lite0Triplet(OnLite0, Triplet):
    """An embedding of an inner layer of frozen EfficientNet-Lite0, trained with triplet loss."""

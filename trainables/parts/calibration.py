"""Probabilities from margins: a temperature, fitted by cross-validation on the images that are learned from alone.

Shapes: N = images that are held out, K = classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from trainables.parts.image_sets import POOL, ImageSet
from trainables.parts.learner import Learner
from trainables.parts.run_seed import classify, protocol_of, support_of
from trainables.parts.streams import Streams

# Parts that images are held out in, or as many as the smallest class has images.
MOST_FOLDS = 5
# How far 1 / temperature may be from 1 / (mean absolute logit), as a factor: margins may say nothing, or all.
FARTHEST = 1000.0


def held_out(
    learner: type[Learner],
    config: Any,
    rows: np.ndarray,
    seed: int,
    image_sets: Mapping[str, ImageSet],
    weights: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """The logits of images by classifiers that have learned from the others, and their labels.

    Args:
        learner: What learns.
        config: Its configuration.
        rows: Of the pool, the images that are learned from.
        seed: Of the random streams.
        image_sets: As for `run_seed`.
        weights: As for `run_seed`.

    Returns:
        Log-odds (N,) of two classes or logits (N, K) of more, and labels (N,); empty if a class has one image alone.
    """
    pool, protocol = image_sets[POOL], protocol_of(image_sets)
    needs, classes = learner.needs(config), len(protocol.classes)
    views = [pool.view(name) for name in needs.view_names]
    fold_N = folds(rows, pool.labels, np.array(protocol.groups) if protocol.groups else None)
    found, labels = [np.zeros((0,) if classes == 2 else (0, classes))], [pool.labels[:0]]
    for fold in np.unique(fold_N):
        learned, asked = rows[fold_N != fold], rows[fold_N == fold]
        if len(np.unique(pool.labels[learned])) < classes:
            continue
        classifier = learner.fit(config, support_of(needs, learned, image_sets, weights), Streams(seed))
        found.append(classify(classifier, views, asked, classes))
        labels.append(pool.labels[asked])
    return np.concatenate(found), np.concatenate(labels)


def folds(rows: np.ndarray, labels: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The part that each of these rows is in, int64: of each class about as many in each part, no group in two."""
    count = min(MOST_FOLDS, *np.unique(labels[rows], return_counts=True)[1].tolist())
    of_class: Counter[int] = Counter()
    of_group: dict[int, int] = {}
    found = []
    for row in rows.tolist():
        group, label = row if groups is None else int(groups[row]), int(labels[row])
        if group not in of_group:
            of_group[group] = of_class[label] % count
            of_class[label] += 1
        found.append(of_group[group])
    return np.array(found, dtype=np.int64)


def temperature(logits: np.ndarray, labels_N: np.ndarray) -> float:
    """What logits are divided by so that they are least surprised by these labels (Guo et al. 2017).

    One number leaves each classifier's decisions as they are. Labels are softened as Platt (1999) does it, since what
    is held out of a few images may all be right: an image of a class of n counts as (n + 1) / (n + K) of its class.
    Every class counts the same.

    Args:
        logits: Log-odds (N,) of two classes, or logits (N, K) of more.
        labels_N: From 0; if there are none, the temperature is 1.
    """
    if not len(labels_N) or not np.abs(logits).max() > 0:
        return 1.0
    logits_NK = np.stack([np.zeros(len(logits)), logits], axis=1) if logits.ndim == 1 else logits
    classes = logits_NK.shape[1]
    counts_K = np.bincount(labels_N, minlength=classes)
    counts_N = counts_K[labels_N][:, None]
    is_NK = labels_N[:, None] == np.arange(classes)
    soft_NK = (is_NK * counts_N + 1) / (counts_N + classes)

    def surprise(log_inverse: float) -> float:
        logs_NK = log_softmax(logits_NK.astype(np.float64) * np.exp(log_inverse), axis=1)
        return float(-(soft_NK * logs_NK / counts_N).sum())

    middle, farthest = -np.log(np.abs(logits).mean()), np.log(FARTHEST)
    found = minimize_scalar(surprise, bounds=(middle - farthest, middle + farthest), method="bounded")
    return float(np.exp(-found.x))


def shared_temperature(held: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """One temperature for what was held out of several members, which have the same configuration."""
    return temperature(np.concatenate([each[0] for each in held]), np.concatenate([each[1] for each in held]))

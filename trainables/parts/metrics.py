"""What is measured of one trained classifier on one split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit, logsumexp, softmax

from trainables.parts.results import SeedResult

# Of every classifier.
OF_ALL = ("accuracy", "balanced_accuracy", "auroc", "brier")
# The recall of a class of more than two is called this and the class's name.
RECALL = "recall_"
# Of two classes, in the order of tables.
METRICS = ("accuracy", "balanced_accuracy", "auroc", "sensitivity", "specificity", "brier")


def decided(logits: np.ndarray) -> np.ndarray:
    """The class of each image, int64 (N,): of log-odds (N,) class 1 at 0 or more; of logits (N, K) the greatest."""
    return (logits >= 0).astype(np.int64) if logits.ndim == 1 else logits.argmax(1)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The probabilities of the classes, float64 (N, K), of log-odds of class 1 of two (N,), or of K logits (N, K)."""
    found: np.ndarray
    if logits.ndim == 1:
        found = np.stack([expit(-logits.astype(np.float64)), expit(logits.astype(np.float64))], axis=1)
    else:
        found = softmax(logits.astype(np.float64), axis=1)
    return found


def score(logits: np.ndarray, labels_N: np.ndarray) -> dict[str, Any]:
    """The metrics of a classifier of two or more classes, each between 0 and 1, by their names in `SeedResult`.

    An image of two classes is called 1, the positive one, if p >= 0.5, that is at log-odds >= 0; one of more classes
    gets the class of the greatest logit. A class's recall is the share of its images that get it, balanced accuracy the
    mean of all recalls. Sensitivity and specificity are the recalls of classes 1 and 0 of two. AUROC is the area under
    the ROC curve, of more than two classes the mean over classes against the rest. The Brier score (Brier 1950) is half
    the sum over classes of (p - truth)^2, averaged over images, which for two classes is the mean of (p - label)^2.

    Args:
        logits: Log-odds of class 1, shape (N,), for two classes; logits of each class, (N, K), for more. Finite.
        labels_N: From 0, shape (N,), all classes present.

    Raises:
        ValueError: A logit is not finite, which is what a diverged network gives.
    """
    broken = int(np.count_nonzero(~np.isfinite(logits)))
    if broken:
        raise ValueError(f"{broken} of {logits.size} logits are not finite: the training diverged.")
    classes = 2 if logits.ndim == 1 else logits.shape[1]
    hits_N = decided(logits) == labels_N
    p_NK = probabilities(logits)
    recalls = [float(np.mean(hits_N[labels_N == label])) for label in range(classes)]
    found: dict[str, Any] = {"accuracy": float(np.mean(hits_N))}
    if logits.ndim == 1:
        positive_N = labels_N == 1
        specificity, sensitivity = recalls
        return found | {
            "balanced_accuracy": (sensitivity + specificity) / 2,
            "auroc": auroc(positive_N, logits),
            "sensitivity": sensitivity,
            "specificity": specificity,
            "brier": float(np.mean(np.square(p_NK[:, 1] - positive_N))),
        }
    is_NK = labels_N[:, None] == np.arange(classes)
    return found | {
        "balanced_accuracy": float(np.mean(recalls)),
        "auroc": float(np.mean([auroc(is_NK[:, at], log_odds(logits, at)) for at in range(classes)])),
        "brier": float(np.square(p_NK - is_NK).sum(1).mean() / 2),
        "recalls": tuple(recalls),
    }


def log_odds(logits_NK: np.ndarray, label: int) -> np.ndarray:
    """The log-odds of a class against the rest, float64 (N,): as its probabilities are, where these round to 1."""
    exact_NK = logits_NK.astype(np.float64)
    found_N: np.ndarray = exact_NK[:, label] - logsumexp(np.delete(exact_NK, label, 1), axis=1)
    return found_N


def auroc(positive_N: np.ndarray, scores_N: np.ndarray) -> float:
    """The area under the ROC curve.

    Args:
        positive_N: bool, which images are positive; some are and some are not.
        scores_N: Finite; the higher, the more positive.
    """
    # Not at the top: it takes a second to import, and the driver scores nothing.
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive_N, scores_N))


def recall_names(classes: Sequence[str]) -> tuple[str, ...]:
    """What the recall of each class is called, in the order of the classes: of two, specificity and sensitivity."""
    return ("specificity", "sensitivity") if len(classes) == 2 else tuple(f"{RECALL}{name}" for name in classes)


def metric_names(classes: Sequence[str]) -> tuple[str, ...]:
    """What is measured of classes of these names; of more than two, the recall of each under its name."""
    return METRICS if len(classes) == 2 else (*OF_ALL, *recall_names(classes))


def metrics_of(result: SeedResult, classes: Sequence[str]) -> dict[str, float | None]:
    """A result's metrics by the names that `metric_names` gives; all None if the seed failed."""
    if len(classes) == 2:
        return {name: getattr(result, name) for name in METRICS}
    values = (*(getattr(result, name) for name in OF_ALL), *(result.recalls or (None,) * len(classes)))
    return dict(zip(metric_names(classes), values, strict=True))

"""What is measured of one trained classifier on one split."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.metrics import roc_auc_score

METRICS = ("accuracy", "balanced_accuracy", "auroc", "sensitivity", "specificity", "brier")


def score(logits_N: np.ndarray, labels_N: np.ndarray) -> dict[str, float]:
    """The six metrics of binary classification, each between 0 and 1.

    An image is called pneumonia (1) if p >= 0.5, that is at logit >= 0. Sensitivity is the share of pneumonia found,
    specificity the share of normal images left alone, balanced accuracy their mean, Brier score the mean of
    (p - label)^2 (Brier 1950), AUROC the area under the ROC curve of the logits.

    Args:
        logits_N: Log-odds of pneumonia, shape (N,), finite.
        labels_N: 0 or 1, shape (N,), both present.

    Raises:
        ValueError: A logit is not finite, which is what a diverged network gives.
    """
    broken = int(np.count_nonzero(~np.isfinite(logits_N)))
    if broken:
        raise ValueError(f"{broken} of {len(logits_N)} logits are not finite: the training diverged.")
    called_N = logits_N >= 0
    positive_N = labels_N == 1
    sensitivity = float(np.mean(called_N[positive_N]))
    specificity = float(np.mean(~called_N[~positive_N]))
    return {
        "accuracy": float(np.mean(called_N == positive_N)),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "auroc": float(roc_auc_score(positive_N, logits_N)),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "brier": float(np.mean(np.square(expit(logits_N.astype(np.float64)) - positive_N))),
    }

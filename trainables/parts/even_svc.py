"""A support vector machine whose border is in the middle also of classes of unlike numbers of images.

Apart from `borders.py`, since scikit-learn takes a second to import, and only those who fit one need it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from trainables.parts.borders import border


class EvenSVC(SVC):  # type: ignore[misc]
    """sklearn's machine with a Gaussian kernel of classes 0 and 1, with the border that `border` gives.

    Weights of classes move no border where the machine tells all its images apart, as it nearly always does: without
    another border all new images may get the larger class. `gamma` is a number.
    """

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> EvenSVC:
        """As sklearn's, and find the border."""
        super().fit(X, y, sample_weight)
        weight = np.maximum(self.dual_coef_[0], 0).sum()
        self.border_ = border(rbf_kernel(X, gamma=self.gamma), y, super().decision_function(X), weight)
        return self

    def decision_function(self, X: np.ndarray) -> Any:
        """Margins of class 1 (M,), 0 at the border."""
        return super().decision_function(X) - self.border_

    def predict(self, X: np.ndarray) -> Any:
        """Classes (M,)."""
        return (self.decision_function(X) >= 0).astype(int)

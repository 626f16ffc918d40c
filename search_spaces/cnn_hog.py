"""Space of `cnn_hog`."""

from __future__ import annotations

from optuna import Trial

from search_spaces import cnn_ensemble
from search_spaces.shared import suggest_hog, suggest_svm


def suggest(trial: Trial) -> None:
    """The networks' parameters, the plain classifier's, and its part in the sum."""
    cnn_ensemble.suggest(trial)
    trial.suggest_float("plain_weight", 0.2, 0.9)  # Scientific.
    suggest_hog(trial)
    trial.suggest_float("scattering_share", 0.0, 0.8)  # Scientific: 0 is HOG alone.
    suggest_svm(trial)

"""Space of `cnn_hog`."""

from __future__ import annotations

from optuna import Trial

from search_spaces import cnn_ensemble


def suggest(trial: Trial) -> None:
    """The networks' parameters, the plain classifier's, and its part in the sum."""
    cnn_ensemble.suggest(trial)
    trial.suggest_float("plain_weight", 0.2, 0.8)  # Scientific.
    trial.suggest_categorical("hog_cell_px", [4, 7])  # Nuisance: 7 x 7 or 4 x 4 cells.
    trial.suggest_float("svm_c", 1e-1, 1e3, log=True)  # Nuisance.
    trial.suggest_float("svm_gamma_factor", 1e-2, 1e1, log=True)  # Nuisance: 1 is sklearn's "scale".

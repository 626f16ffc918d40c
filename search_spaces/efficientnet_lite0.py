"""Space of `efficientnet_lite0`: where the backbone is tapped, the features' scale, and a head without training."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import LITE0_PAIRS, LITE0_TAPS, suggest_border_and_mirror


def suggest(trial: Trial) -> None:
    """Suggest every parameter that the chosen head has."""
    trial.suggest_categorical("tap", [*LITE0_TAPS, *LITE0_PAIRS])  # Scientific.
    suggest_border_and_mirror(trial)
    trial.suggest_float("shrink", 0.0, 1.0)  # Nuisance.
    head = trial.suggest_categorical("head", ["centroid", "ridge", "svm", "logistic", "lda"])  # Scientific.
    if head == "ridge":
        trial.suggest_float("ridge_alpha", 1e-3, 1e2, log=True)  # Nuisance.
    if head == "svm":
        trial.suggest_float("svm_c", 1e-2, 1e3, log=True)  # Nuisance.
    if head == "logistic":
        trial.suggest_float("logistic_c", 1e-2, 1e3, log=True)  # Nuisance.
    if head == "lda":
        trial.suggest_float("lda_shrinkage", 1e-2, 1.0, log=True)  # Nuisance.

"""Space of `efficientnet_lite0`: where the backbone is tapped, the features' scale, and a head without training."""

from __future__ import annotations

from optuna import Trial


def suggest(trial: Trial) -> None:
    """Suggest every parameter that the chosen head has."""
    # Scientific: after which block, on images of which size. One choice, since each pair is a table of its own.
    trial.suggest_categorical("tap", ["2@96", "2@112", "6@128", "8@128", "6@140", "8@140"])
    trial.suggest_categorical("cut", [0, 1])  # Nuisance.
    trial.suggest_float("shrink", 0.0, 1.0)  # Nuisance.
    trial.suggest_categorical("mirror", [False, True])  # Scientific.
    head = trial.suggest_categorical("head", ["centroid", "ridge", "svm", "logistic", "lda"])  # Scientific.
    if head == "ridge":
        trial.suggest_float("ridge_alpha", 1e-3, 1e2, log=True)  # Nuisance.
    if head == "svm":
        trial.suggest_float("svm_c", 1e-2, 1e3, log=True)  # Nuisance.
    if head == "logistic":
        trial.suggest_float("logistic_c", 1e-2, 1e3, log=True)  # Nuisance.
    if head == "lda":
        trial.suggest_float("lda_shrinkage", 1e-2, 1.0, log=True)  # Nuisance.

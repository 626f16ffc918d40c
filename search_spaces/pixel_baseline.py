"""Space of `pixel_baseline`: a representation, a classifier, and that classifier's own parameter."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_hog, suggest_svm


def suggest(trial: Trial) -> None:
    """Suggest every parameter the chosen representation and classifier have."""
    representation = trial.suggest_categorical(  # Scientific.
        "representation", ["none", "fixed", "zscore", "autocontrast", "hog", "scattering"]
    )
    classifier = trial.suggest_categorical("classifier", ["centroid", "1nn", "ridge", "logistic", "svm"])  # Scientific.
    if representation == "hog":
        suggest_hog(trial)
    if classifier == "ridge":
        trial.suggest_float("ridge_alpha", 1e-2, 1e4, log=True)  # Nuisance.
    if classifier == "logistic":
        trial.suggest_float("logistic_c", 1e-5, 1e2, log=True)  # Nuisance.
    if classifier == "svm":
        suggest_svm(trial)

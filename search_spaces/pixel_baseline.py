"""Space of `pixel_baseline`: a representation, a classifier, and that classifier's own parameter."""

from __future__ import annotations

from optuna import Trial


def suggest(trial: Trial) -> None:
    """Suggest every parameter the chosen representation and classifier have."""
    representation = trial.suggest_categorical(  # Scientific.
        "representation", ["none", "fixed", "zscore", "autocontrast", "hog", "scattering"]
    )
    classifier = trial.suggest_categorical("classifier", ["centroid", "1nn", "ridge", "logistic", "svm"])  # Scientific.
    if representation == "hog":
        trial.suggest_categorical("hog_cell_px", [4, 7])  # Nuisance: 7 x 7 or 4 x 4 cells.
    if classifier == "ridge":
        trial.suggest_float("ridge_alpha", 1e-2, 1e4, log=True)  # Nuisance.
    if classifier == "logistic":
        trial.suggest_float("logistic_c", 1e-5, 1e2, log=True)  # Nuisance.
    if classifier == "svm":
        trial.suggest_float("svm_c", 1e-1, 1e3, log=True)  # Nuisance.
        trial.suggest_float("svm_gamma_factor", 1e-2, 1e1, log=True)  # Nuisance: 1 is sklearn's "scale".

"""Space of `triplet`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_head


def suggest(trial: Trial) -> None:
    """The embedding and its training, the triplets it learns from, and how it then decides."""
    suggest_head(trial)
    trial.suggest_int("embedding_size", 8, 128, log=True)  # Scientific.
    trial.suggest_categorical("unit_length", [False, True])  # Scientific.
    trial.suggest_float("dropout", 0.0, 0.8)  # Nuisance.
    trial.suggest_float("margin", 0.05, 1.0, log=True)  # Scientific.
    trial.suggest_categorical("mining", ["all", "semi-hard", "hard"])  # Scientific.
    trial.suggest_categorical("joint", [False, True])  # Scientific.
    if trial.suggest_categorical("inference", ["centroid", "neighbours", "logistic"]) == "neighbours":  # Scientific.
        trial.suggest_int("neighbours", 1, 5)  # Nuisance.

"""Space of `triplet_finetune`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.finetune import suggest_tuning


def suggest(trial: Trial) -> None:
    """The last blocks' training, the embedding, the triplets it learns from, and how it then decides."""
    suggest_tuning(trial, ["alexnet", "efficientnet_lite0"])
    trial.suggest_int("embedding_size", 8, 128, log=True)  # Scientific.
    trial.suggest_categorical("unit_length", [False, True])  # Scientific.
    trial.suggest_float("dropout", 0.0, 0.8)  # Nuisance.
    trial.suggest_float("margin", 0.05, 1.0, log=True)  # Scientific.
    trial.suggest_categorical("mining", ["all", "semi-hard", "hard"])  # Scientific.
    if trial.suggest_categorical("inference", ["centroid", "neighbours", "logistic"]) == "neighbours":  # Scientific.
        trial.suggest_int("neighbours", 1, 5)  # Nuisance.

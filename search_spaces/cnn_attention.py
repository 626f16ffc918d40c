"""Space of `cnn_attention`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import (
    suggest_attention,
    suggest_augmentation,
    suggest_loss,
    suggest_scratch_network,
    suggest_statistics_memory,
)


def suggest(trial: Trial) -> None:
    """The network, where attention is and of what kind, and augmentation."""
    suggest_scratch_network(trial)
    suggest_loss(trial)
    trial.suggest_float("dropout", 0.0, 0.6)  # Nuisance.
    suggest_augmentation(trial)
    if trial.suggest_categorical("network", ["starter", "custom"]) == "custom":  # Scientific.
        trial.suggest_categorical("blocks", [3, 4])  # Scientific.
    if trial.suggest_categorical("batch_norm", [False, True]):  # Scientific.
        suggest_statistics_memory(trial)
    trial.suggest_categorical("position", ["beginning", "middle", "end"])  # Scientific.
    trial.suggest_int("modules", 1, 2)  # Scientific.
    suggest_attention(trial)

"""Space of `cnn_attention`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_attention, suggest_augmentation, suggest_cnn


def suggest(trial: Trial) -> None:
    """The network, where attention is and of what kind, and augmentation."""
    suggest_cnn(trial)
    suggest_augmentation(trial)
    trial.suggest_categorical("network", ["starter", "custom"])  # Scientific.
    trial.suggest_categorical("batch_norm", [False, True])  # Scientific.
    trial.suggest_categorical("position", ["beginning", "middle", "end"])  # Scientific.
    trial.suggest_int("modules", 1, 2)  # Scientific.
    suggest_attention(trial)

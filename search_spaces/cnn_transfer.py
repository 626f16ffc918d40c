"""Space of `cnn_transfer`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_augmentation, suggest_cnn


def suggest(trial: Trial) -> None:
    """The network's parameters, augmentation of the few, and how much is learned before and kept."""
    suggest_cnn(trial)
    suggest_augmentation(trial)
    if trial.suggest_categorical("first_steps", [0, 100, 400]):  # Scientific: 0 is from scratch.
        trial.suggest_categorical("body_rate", [0.0, 0.1, 1.0])  # Scientific: 0 leaves what was learned first as it is.

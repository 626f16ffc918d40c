"""Space of `cnn_ensemble`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_augmentation, suggest_cnn


def suggest(trial: Trial) -> None:
    """The members, their training, and augmentation."""
    suggest_cnn(trial)
    suggest_augmentation(trial)
    trial.suggest_int("members", 2, 5, log=True)  # Scientific.

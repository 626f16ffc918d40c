"""Space of `cnn_resnet18_ensemble`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import MOST_RESNET18_STEPS, suggest_augmentation, suggest_cnn, suggest_resnet18


def suggest(trial: Trial) -> None:
    """How the two networks are combined, their shape, their training, and augmentation."""
    suggest_cnn(trial, most_steps=MOST_RESNET18_STEPS)
    suggest_augmentation(trial)
    suggest_resnet18(trial)
    trial.suggest_categorical("combination", ["joint", "average"])  # Scientific.

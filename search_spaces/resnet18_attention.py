"""Space of `resnet18_attention`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import (
    MOST_RESNET18_STEPS,
    suggest_attention,
    suggest_augmentation,
    suggest_loss,
    suggest_resnet18,
    suggest_scratch_network,
    suggest_statistics_memory,
)


def suggest(trial: Trial) -> None:
    """The network, where attention is and of what kind, and augmentation."""
    suggest_scratch_network(trial, most_steps=MOST_RESNET18_STEPS)
    suggest_loss(trial)
    suggest_statistics_memory(trial)
    suggest_augmentation(trial)
    suggest_resnet18(trial)
    trial.suggest_categorical("position", ["every", "beginning", "middle", "end"])  # Scientific.
    suggest_attention(trial)

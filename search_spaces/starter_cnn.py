"""Space of `starter_cnn`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_loss, suggest_scratch_network


def suggest(trial: Trial) -> None:
    """Its training and loss."""
    suggest_scratch_network(trial)
    suggest_loss(trial)

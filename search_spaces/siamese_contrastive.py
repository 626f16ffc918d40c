"""Space of `siamese_contrastive`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_siamese


def suggest(trial: Trial) -> None:
    """The embedding, its training, and the loss's margin."""
    suggest_siamese(trial)
    trial.suggest_float("margin", 0.5, 2.0)  # Scientific.
    trial.suggest_categorical("unit_length", [False, True])  # Scientific.

"""Space of `siamese_bce`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_siamese


def suggest(trial: Trial) -> None:
    """The embedding, its training, and the layers that compare two embeddings."""
    suggest_siamese(trial)
    trial.suggest_categorical("comparison", ["cosine", "difference"])  # Scientific.
    hidden_layers = trial.suggest_int("hidden_layers", 0, 2)  # Scientific.
    if hidden_layers:
        trial.suggest_int("hidden_width", 16, 128, log=True)  # Nuisance.

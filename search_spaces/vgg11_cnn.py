"""Space of `vgg11_cnn`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import MAP_TAPS, suggest_head


def suggest(trial: Trial) -> None:
    """The head's training, and its convolutions."""
    suggest_head(trial, MAP_TAPS, pooling=False, most_steps=60)
    trial.suggest_int("channels", 8, 128, log=True)  # Scientific.
    trial.suggest_categorical("kernel_size", [1, 3])  # Scientific.
    trial.suggest_int("layers", 1, 2)  # Scientific.
    trial.suggest_float("dropout", 0.0, 0.6)  # Nuisance.

"""Space of `cnn_cirillo`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_cirillo, suggest_cnn


def suggest(trial: Trial) -> None:
    """The network's parameters, and how far grey values and shapes are changed."""
    suggest_cnn(trial)
    suggest_cirillo(trial)

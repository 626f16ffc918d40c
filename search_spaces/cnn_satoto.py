"""Space of `cnn_satoto`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_cnn, suggest_satoto


def suggest(trial: Trial) -> None:
    """The network's parameters, and how far images are turned, sheared and shrunk."""
    suggest_cnn(trial)
    suggest_satoto(trial)

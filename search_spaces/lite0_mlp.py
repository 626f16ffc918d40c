"""Space of `lite0_mlp`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_dense_layers, suggest_head_on_lite0


def suggest(trial: Trial) -> None:
    """The head's training, and its size."""
    suggest_head_on_lite0(trial)
    suggest_dense_layers(trial, least=1, most_width=512)

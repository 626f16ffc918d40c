"""Space of `alexnet_focal`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import THREE_BLOCKS, suggest_dense_layers, suggest_focal, suggest_head


def suggest(trial: Trial) -> None:
    """The head's training, its dense layers, and focal loss."""
    suggest_head(trial, THREE_BLOCKS)
    suggest_dense_layers(trial, least=0, most_width=512)
    suggest_focal(trial)

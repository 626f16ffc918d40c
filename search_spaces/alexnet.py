"""Space of `alexnet`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import THREE_BLOCKS, suggest_head


def suggest(trial: Trial) -> None:
    """The head's training."""
    suggest_head(trial, THREE_BLOCKS)

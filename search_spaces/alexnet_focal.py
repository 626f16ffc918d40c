"""Space of `alexnet_focal`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_focal, suggest_head


def suggest(trial: Trial) -> None:
    """The head's training, and focal loss."""
    suggest_head(trial)
    suggest_focal(trial)

"""Space of `lite0_focal`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_focal, suggest_head_on_lite0


def suggest(trial: Trial) -> None:
    """The head's training, and focal loss."""
    suggest_head_on_lite0(trial)
    suggest_focal(trial)

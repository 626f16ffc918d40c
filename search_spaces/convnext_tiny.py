"""Space of `convnext_tiny`: after which of its four stages."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_tapped_head


def suggest(trial: Trial) -> None:
    """Suggest every parameter that the chosen head has."""
    suggest_tapped_head(trial, ["1@96", "2@96", "3@96", "2@140", "3@140", "4@140"])

"""Space of `resnet18_frozen`: the stem is block 1, and the four layers follow."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_tapped_head


def suggest(trial: Trial) -> None:
    """Suggest every parameter that the chosen head has."""
    suggest_tapped_head(trial, ["2@96", "3@96", "4@96", "3@140", "4@140", "5@140"])

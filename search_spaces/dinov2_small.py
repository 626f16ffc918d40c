"""Space of `dinov2_small`: after which of its 12 blocks, at 8 x 8 or 10 x 10 patches."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_tapped_head


def suggest(trial: Trial) -> None:
    """Suggest every parameter that the chosen head has."""
    suggest_tapped_head(trial, ["4@112", "8@112", "12@112", "4@140", "8@140", "12@140"])

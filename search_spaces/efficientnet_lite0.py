"""Space of `efficientnet_lite0`: where the backbone is tapped, the features' scale, and a head without training."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_tapped_head


def suggest(trial: Trial) -> None:
    """Suggest every parameter that the chosen head has."""
    suggest_tapped_head(trial, ["2@96", "2@112", "6@128", "8@128", "6@140", "8@140"])

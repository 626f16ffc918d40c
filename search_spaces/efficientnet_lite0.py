"""Space of `efficientnet_lite0`: where the backbone is tapped, the features' scale, and a head without training."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import LITE0_PAIRS, LITE0_TAPS, suggest_tapped_head


def suggest(trial: Trial) -> None:
    """Suggest every parameter that the chosen head has."""
    suggest_tapped_head(trial, [*LITE0_TAPS, *LITE0_PAIRS])

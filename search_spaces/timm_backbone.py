"""Space of `timm_backbone`, the same for any network: how deep it is tapped, in quarters of its stages."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_tapped_head


def suggest(trial: Trial) -> None:
    """Suggest every parameter that the chosen head has."""
    sizes = ("small", "large")
    suggest_tapped_head(trial, [f"{quarter}/4@{size}" for size in sizes for quarter in (1, 2, 3, 4)])

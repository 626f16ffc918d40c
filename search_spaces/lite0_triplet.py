"""Space of `lite0_triplet`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_head_on_lite0, suggest_triplet


def suggest(trial: Trial) -> None:
    """The embedding and its training, the triplets it learns from, and how it then decides."""
    suggest_head_on_lite0(trial)
    suggest_triplet(trial)

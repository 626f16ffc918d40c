"""Space of `triplet_finetune`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.finetune import suggest_tuning
from search_spaces.shared import suggest_triplet


def suggest(trial: Trial) -> None:
    """The last blocks' training, the embedding, the triplets it learns from, and how it then decides."""
    suggest_tuning(trial, ["alexnet", "efficientnet_lite0"])
    suggest_triplet(trial)

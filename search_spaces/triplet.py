"""Space of `triplet`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import THREE_BLOCKS, suggest_head, suggest_triplet


def suggest(trial: Trial) -> None:
    """The embedding and its training, the triplets it learns from, and how it then decides."""
    suggest_head(trial, THREE_BLOCKS)
    suggest_triplet(trial)
    # Scientific: whether BreastMNIST's triplets train the embedding too.
    trial.suggest_categorical("joint", [False, True])

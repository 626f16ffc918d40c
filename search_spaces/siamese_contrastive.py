"""Space of `siamese_contrastive`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import suggest_siamese
from search_spaces.study import STUDY_SIAMESE


def suggest(trial: Trial) -> None:
    """The embedding, its training, and the loss's margin."""
    suggest_siamese(trial)
    trial.suggest_float("margin", 0.5, 2.0)  # Scientific.
    trial.suggest_categorical("unit_length", [False, True])  # Scientific.


REPORTED = Reported(
    params={
        **STUDY_SIAMESE,
        "margin": 1.0,
        "unit_length": False,
    },
    mean=None,
    sd=None,
    seeds=None,
    note="like the 49.89 % of cross-entropy, which is of telling pairs apart; it has that one's training here. The one "
    "augmentation is mirroring. Chosen here: margin, steps, channels",
)

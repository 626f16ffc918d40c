"""Space of `cnn_resnet18_ensemble`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import (
    MOST_RESNET18_STEPS,
    suggest_augmentation,
    suggest_cnn,
    suggest_resnet18,
)
from search_spaces.study import STUDY_TRAINING


def suggest(trial: Trial) -> None:
    """How the two networks are combined, their shape, their training, and augmentation."""
    suggest_cnn(trial, most_steps=MOST_RESNET18_STEPS)
    suggest_augmentation(trial)
    suggest_resnet18(trial)
    trial.suggest_categorical("combination", ["joint", "average"])  # Scientific.


REPORTED = Reported(
    params={
        **STUDY_TRAINING,
        "dropout": 0.15,
        "augmentation": "none",
        "shape": "7x7-64",
        "combination": "joint",
    },
    mean=58.94,
    sd=10.45,
    seeds=None,
    note="joint features, from the authors' notebook. Chosen here: training, that of the custom network",
)

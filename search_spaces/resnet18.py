"""Space of `resnet18`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import (
    MOST_RESNET18_STEPS,
    suggest_augmentation,
    suggest_resnet18,
    suggest_scratch_network,
)
from search_spaces.study import STUDY_TRAINING


def suggest(trial: Trial) -> None:
    """The network, its training, and augmentation."""
    suggest_scratch_network(trial, most_steps=MOST_RESNET18_STEPS)
    suggest_augmentation(trial)
    suggest_resnet18(trial)


REPORTED = Reported(
    params={
        **STUDY_TRAINING,
        "augmentation": "none",
        "shape": "7x7-64",
    },
    mean=69.8,
    sd=6.4,
    seeds=None,
    note="read off its bar chart to about 0.1. Chosen here: training, that of the starter network",
)

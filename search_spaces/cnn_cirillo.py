"""Space of `cnn_cirillo`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import suggest_cirillo, suggest_cnn
from search_spaces.study import STUDY_CIRILLO, STUDY_TRAINING


def suggest(trial: Trial) -> None:
    """The network's parameters, and how far grey values and shapes are changed."""
    suggest_cnn(trial)
    suggest_cirillo(trial)


REPORTED = Reported(
    params={
        **STUDY_TRAINING,
        "dropout": 0.15,
        **STUDY_CIRILLO,
    },
    mean=82.75,
    sd=3.63,
    seeds=50,
    note="the report changed validation images too and bent them in one direction only",
    fault="its random augmentation changed validation images too, and bent images in one direction only",
)

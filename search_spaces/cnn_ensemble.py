"""Space of `cnn_ensemble`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import suggest_augmentation, suggest_cnn
from search_spaces.study import STUDY_CIRILLO, STUDY_TRAINING


def suggest(trial: Trial) -> None:
    """The members, their training, and augmentation."""
    suggest_cnn(trial)
    suggest_augmentation(trial)
    trial.suggest_int("members", 2, 5, log=True)  # Scientific.
    trial.suggest_categorical("blocks", [3, 4])  # Scientific.
    trial.suggest_float("statistics_memory", 0.05, 0.4, log=True)  # Nuisance.


REPORTED = Reported(
    params={
        **STUDY_TRAINING,
        "dropout": 0.15,
        "augmentation": "both",
        **STUDY_CIRILLO,
        "rotation_deg": 10.0,
        "shear_x_deg": 10.0,
        "shear_y_deg": 10.0,
        "least_scale": 0.9,
        "reflect": True,
        "members": 5,
        "blocks": 4,
        "statistics_memory": 0.2,
    },
    mean=None,
    sd=None,
    seeds=None,
    note="not in the study; five of its networks with both augmentations, chosen by hand on seeds 3000 to 3029",
)

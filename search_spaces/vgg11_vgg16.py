"""Space of `vgg11_vgg16`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import STUDY_HEAD, suggest_head


def suggest(trial: Trial) -> None:
    """The heads' training, and how two backbones become one answer."""
    suggest_head(trial)
    trial.suggest_categorical("combination", ["joint", "average"])  # Scientific.


REPORTED = Reported(
    params={**STUDY_HEAD, "combination": "joint"},
    mean=87.0,
    sd=1.5,
    seeds=None,
    note="learning rate, steps and number of seeds not given",
)

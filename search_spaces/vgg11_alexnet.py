"""Space of `vgg11_alexnet`."""

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
    mean=84.5,
    sd=2.0,
    seeds=None,
    note="a bar of its Figure 3, read to about 0.1; seeds and training not given",
)

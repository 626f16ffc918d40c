"""Space of `vgg11_mlp`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import suggest_head
from search_spaces.study import STUDY_HEAD


def suggest(trial: Trial) -> None:
    """The head's training, and its size.

    A seed of the widest head on the full map takes seconds, so it gets no more than twice the study's steps.
    """
    suggest_head(trial, most_steps=60)
    trial.suggest_int("width", 32, 1500, log=True)  # Scientific.
    trial.suggest_int("depth", 1, 2)  # Scientific.
    trial.suggest_float("dropout", 0.0, 0.8)  # Nuisance.


REPORTED = Reported(
    params={**STUDY_HEAD, "width": 1500, "depth": 1, "dropout": 0.7},
    mean=89.77,
    sd=1.1,
    seeds=None,
    note="number of seeds not given; its sigmoid before the loss on logits is left out here",
    fault="it puts a sigmoid before a loss on logits, so that its loss cannot fall below 0.50",
)

"""Space of `cnn_cirillo`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import suggest_cirillo, suggest_cnn


def suggest(trial: Trial) -> None:
    """The network's parameters, and how far grey values and shapes are changed."""
    suggest_cnn(trial)
    suggest_cirillo(trial)


REPORTED = Reported(
    params={
        "normalisation": "fixed",
        "learning_rate": 1e-3,
        "weight_decay": 1e-6,
        "steps": 50,
        "dropout": 0.15,
        "gain_spread": 0.2,
        "gamma_spread": 0.2,
        "elastic_sigma_px": 1.0,
        "elastic_points": 3,
    },
    mean=82.75,
    sd=3.63,
    seeds=50,
    note="the report changed validation images too and bent them in one direction only",
)

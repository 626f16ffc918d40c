"""Space of `resnet50_focal`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import suggest_focal, suggest_head
from search_spaces.study import STUDY_MAP_HEAD


def suggest(trial: Trial) -> None:
    """The head's training, and focal loss."""
    suggest_head(trial, pooling=False)
    suggest_focal(trial)


REPORTED = Reported(
    params={**STUDY_MAP_HEAD, "gamma": 2.0, "alpha": 0.25},
    mean=64.0,
    sd=0.0,
    seeds=None,
    note="not credible: no constant answer gives 64 on balanced images, and ten grey images overwrote its BatchNorm "
    "statistics; its alpha was the wrong way round",
    fault="no constant answer gives 64 +- 0 on balanced images; ten grey images overwrote its BatchNorm statistics; "
    "its alpha was the wrong way round",
)

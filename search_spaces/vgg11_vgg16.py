"""Space of `vgg11_vgg16`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_two_backbones as suggest
from search_spaces.study import STUDY_HEAD

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params={**STUDY_HEAD, "combination": "joint"},
    mean=87.0,
    sd=1.5,
    seeds=None,
    note="learning rate, steps and number of seeds not given",
)

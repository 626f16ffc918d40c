"""Space of `cnn`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_cnn as suggest
from search_spaces.study import STUDY_TRAINING

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params={**STUDY_TRAINING, "dropout": 0.15},
    mean=None,
    sd=None,
    seeds=None,
    note="the base of the report's augmented networks; it gives no number for it alone",
)

"""Space of `starter_cnn`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_scratch_network as suggest
from search_spaces.study import STUDY_TRAINING

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params={**STUDY_TRAINING},
    mean=79.83,
    sd=5.72,
    seeds=50,
    note="the course's test bed",
)

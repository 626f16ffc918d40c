"""Space of `pixel_rnn`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_pixel_sequence as suggest
from search_spaces.study import PIXEL_SEQUENCE_NOTE, STUDY_RECURRENT, STUDY_TRAINING

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params={**STUDY_TRAINING, **STUDY_RECURRENT, "sequence": "rows"},
    mean=72.8,
    sd=4.4,
    seeds=None,
    note=PIXEL_SEQUENCE_NOTE,
)

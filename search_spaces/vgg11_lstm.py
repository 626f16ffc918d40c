"""Space of `vgg11_lstm`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_recurrent_head as suggest
from search_spaces.study import RECURRENT_HEAD_FAULT, RECURRENT_HEAD_NOTE, STUDY_MAP_HEAD, STUDY_RECURRENT

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params={**STUDY_MAP_HEAD, **STUDY_RECURRENT, "sequence": "pieces"},
    mean=73.1,
    sd=8.2,
    seeds=None,
    note=RECURRENT_HEAD_NOTE,
    fault=RECURRENT_HEAD_FAULT,
)

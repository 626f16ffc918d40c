"""Space of `vgg11_rnn`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_recurrent_head as suggest
from search_spaces.study import RECURRENT_HEAD_FAULT, RECURRENT_HEAD_NOTE, STUDY_MAP_HEAD, STUDY_RECURRENT

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params={**STUDY_MAP_HEAD, **STUDY_RECURRENT, "sequence": "pieces"},
    mean=79.7,
    sd=3.5,
    seeds=None,
    note=RECURRENT_HEAD_NOTE,
    fault=RECURRENT_HEAD_FAULT,
)

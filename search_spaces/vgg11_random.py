"""Space of `vgg11_random`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_head as suggest
from search_spaces.study import STUDY_HEAD

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params=STUDY_HEAD,
    mean=None,
    sd=None,
    seeds=None,
    note="not in the study; the setting of its vgg11",
)

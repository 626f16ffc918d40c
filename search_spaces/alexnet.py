"""Space of `alexnet`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_head as suggest
from search_spaces.study import BAR, STUDY_HEAD

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(params=STUDY_HEAD, mean=85.5, sd=1.7, seeds=None, note=BAR)

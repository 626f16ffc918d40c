"""Space of `vgg16`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_head as suggest
from search_spaces.study import BAR, STUDY_HEAD

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(params=STUDY_HEAD, mean=89.0, sd=1.0, seeds=None, note=BAR)

"""Space of `vgg11_alexnet`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_two_backbones as suggest
from search_spaces.study import BAR, STUDY_HEAD

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(params={**STUDY_HEAD, "combination": "joint"}, mean=84.5, sd=2.0, seeds=None, note=BAR)

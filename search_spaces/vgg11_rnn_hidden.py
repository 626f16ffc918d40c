"""Space of `vgg11_rnn_hidden`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_features_and_pixels as suggest
from search_spaces.study import FEATURE_START_NOTE, STUDY_FEATURE_START

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(params=STUDY_FEATURE_START, mean=47.8, sd=1.9, seeds=None, note=FEATURE_START_NOTE)

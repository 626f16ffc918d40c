"""Space of `vgg11`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_head as suggest
from search_spaces.study import STUDY_HEAD

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params=STUDY_HEAD,
    mean=89.57,
    sd=1.3,
    seeds=10,
    note="learning rate and steps not given",
)

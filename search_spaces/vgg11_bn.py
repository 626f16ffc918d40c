"""Space of `vgg11_bn`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_head as suggest
from search_spaces.study import STUDY_HEAD

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params=STUDY_HEAD,
    mean=83.8,
    sd=2.2,
    seeds=None,
    note="a bar of its Figure 3, read to about 0.1; seeds and training not given; ten grey images overwrote its "
    "BatchNorm statistics, ours stay",
    fault="ten grey images overwrote the BatchNorm statistics of a backbone that should have been frozen",
)

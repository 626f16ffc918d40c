"""Space of `vgg11`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import suggest_head as suggest

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params={"pooling": "full", "scaling": "none", "learning_rate": 1e-3, "weight_decay": 1e-6, "steps": 30},
    mean=89.57,
    sd=1.30,
    seeds=10,
    note="learning rate and steps are not given; those of its VGG11 with MLP",
)

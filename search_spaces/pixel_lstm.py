"""Space of `pixel_lstm`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import STUDY_RECURRENT, STUDY_TRAINING
from search_spaces.shared import suggest_pixel_sequence as suggest

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params={**STUDY_TRAINING, **STUDY_RECURRENT, "sequence": "rows"},
    mean=71.2,
    sd=9.5,
    seeds=None,
    note="a bar of its Figure 3, read to about 0.1; seeds not given. There the upscaled image is cut into 256 steps; "
    "here the steps are the 28 rows of the image. Chosen here: network and learning rate, those of its recurrent heads",
)

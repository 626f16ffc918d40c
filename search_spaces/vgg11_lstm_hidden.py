"""Space of `vgg11_lstm_hidden`."""

from __future__ import annotations

from search_spaces.reported import Reported
from search_spaces.shared import STUDY_RECURRENT, STUDY_TRAINING
from search_spaces.shared import suggest_features_and_pixels as suggest

__all__ = ["REPORTED", "suggest"]

REPORTED = Reported(
    params={
        **STUDY_TRAINING,
        **STUDY_RECURRENT,
        "size_px": 224,
        "scaling": "none",
        "sequence": "rows",
        "hidden_size": 256,
        "layers": 3,
    },
    mean=52.2,
    sd=3.1,
    seeds=None,
    note="a bar of its Figure 3, read to about 0.1; seeds and training not given. There VGG11's 1000 outputs are the "
    "state, and the upscaled image is cut into 256 steps; here each layer's state is 256 numbers, a learned projection "
    "of VGG11's 512 averages, and the steps are the 28 rows of the image",
)

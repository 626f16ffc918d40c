"""Space of `resnet18_attention`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported, Variant
from search_spaces.shared import (
    MOST_RESNET18_STEPS,
    suggest_attention,
    suggest_augmentation,
    suggest_resnet18,
    suggest_scratch_network,
)
from search_spaces.study import STUDY_TRAINING


def suggest(trial: Trial) -> None:
    """The network, where attention is and of what kind, and augmentation."""
    suggest_scratch_network(trial, most_steps=MOST_RESNET18_STEPS)
    suggest_augmentation(trial)
    suggest_resnet18(trial)
    trial.suggest_categorical("position", ["every", "beginning", "middle", "end"])  # Scientific.
    suggest_attention(trial)


REPORTED = Reported(
    params={
        **STUDY_TRAINING,
        "augmentation": "none",
        "shape": "7x7-64",
        "position": "every",
        "kind": "self",
        "residual": False,
        "layer_norm": False,
        "heads": 2,
        "positional": "learned",
    },
    mean=60.7,
    sd=9.7,
    seeds=None,
    note="read off its bar chart to about 0.1: in every block 60.7, at the beginning 54.4, in the middle 51.5, at the "
    "end 68.3. There the images of a batch attended to each other. Chosen here: training, that of the starter network",
    fault="the images of a batch attended to each other (scored one at a time they are at chance)",
    # The last map has a single position, with nothing to attend to, so that our end is the last one with more.
    variants={
        "beginning": Variant(params={"position": "beginning"}, mean=54.4, sd=23.3, seeds=None),
        "middle": Variant(params={"position": "middle"}, mean=51.5, sd=10.0, seeds=None),
        "end": Variant(params={"position": "end"}, mean=68.3, sd=6.3, seeds=None),
    },
)

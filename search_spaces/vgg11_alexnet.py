"""Space of `vgg11_alexnet`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import FIVE_AND_THREE_BLOCKS, suggest_two_backbones


def suggest(trial: Trial) -> None:
    """The heads' training, and how two backbones become one answer."""
    suggest_two_backbones(trial, FIVE_AND_THREE_BLOCKS)

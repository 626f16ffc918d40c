"""Space of `vgg11_mlp`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_dense_layers, suggest_head


def suggest(trial: Trial) -> None:
    """The head's training, and its size.

    A seed of the widest head on the full map takes seconds, so it gets no more than twice the study's steps.
    """
    suggest_head(trial, most_steps=60)
    suggest_dense_layers(trial, least=1, most_width=1500)

"""Space of `pixel_rnn_256`: the study's 256 steps are fixed."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_recurrent, suggest_scratch_network


def suggest(trial: Trial) -> None:
    """The training and the size of a recurrent network over the study's steps."""
    suggest_scratch_network(trial)
    trial.suggest_categorical("sequence", ["pieces"])  # Fixed.
    suggest_recurrent(trial, most_hidden=256, most_layers=3)

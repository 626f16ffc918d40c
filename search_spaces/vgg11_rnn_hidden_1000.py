"""Space of `vgg11_rnn_hidden_1000`: the study's network is fixed, so that only how it is trained is open."""

from __future__ import annotations

from optuna import Trial

from search_spaces.shared import suggest_frozen_features, suggest_scratch_network


def suggest(trial: Trial) -> None:
    """The training of 3 x 1000 units; more or fewer than VGG11 has outputs cannot start from these."""
    suggest_frozen_features(trial, ["5@224"], pooling=False)
    suggest_scratch_network(trial)
    trial.suggest_categorical("sequence", ["pieces"])  # Fixed.
    trial.suggest_categorical("hidden_size", [1000])  # Fixed.
    trial.suggest_categorical("layers", [3])  # Fixed.
    trial.suggest_categorical("readout", ["last", "mean"])  # Scientific.
    trial.suggest_float("dropout", 0.0, 0.6)  # Nuisance.

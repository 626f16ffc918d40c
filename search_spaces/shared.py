"""Parameters that several spaces have in common."""

from __future__ import annotations

from optuna import Trial


def suggest_scratch_network(trial: Trial) -> None:
    """Parameters of every network from scratch.

    The least weight decay is as good as none: AdamW multiplies it by the learning rate.
    """
    trial.suggest_categorical("normalisation", ["none", "fixed", "zscore", "autocontrast"])  # Scientific.
    trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True)  # Nuisance.
    trial.suggest_float("weight_decay", 1e-6, 1.0, log=True)  # Nuisance.
    # Nuisance. Below about 30 steps BatchNorm's running statistics still hold part of their start.
    trial.suggest_int("steps", 30, 120, log=True)


def suggest_cnn(trial: Trial) -> None:
    """Parameters of the report's custom network."""
    suggest_scratch_network(trial)
    trial.suggest_float("dropout", 0.0, 0.6)  # Nuisance.


def suggest_head(trial: Trial) -> None:
    """Parameters of every head on a frozen backbone; on weight decay see `suggest_scratch_network`."""
    trial.suggest_categorical("pooling", ["full", "mean"])  # Scientific.
    trial.suggest_categorical("scaling", ["none", "length", "standardise"])  # Nuisance.
    trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)  # Nuisance.
    trial.suggest_float("weight_decay", 1e-6, 1.0, log=True)  # Nuisance.
    trial.suggest_int("steps", 10, 200, log=True)  # Nuisance.

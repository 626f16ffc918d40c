"""Space of `finetune`."""

from __future__ import annotations

from collections.abc import Sequence

from optuna import Trial

from search_spaces.shared import suggest_scaling


def suggest(trial: Trial) -> None:
    """Which backbone, how many of its last blocks are trained on, and how fast each."""
    suggest_tuning(trial, ["alexnet", "vgg11", "vgg11_bn", "resnet50", "efficientnet_lite0"])
    trial.suggest_float("dropout", 0.0, 0.8)  # Nuisance.


def suggest_tuning(trial: Trial, backbones: Sequence[str]) -> None:
    """How the last blocks of a backbone are trained on, and what the head gets of them.

    On weight decay see `search_spaces.shared.suggest_scratch_network`.
    """
    trial.suggest_categorical("backbone", backbones)  # Scientific.
    blocks = trial.suggest_categorical("blocks", [0, 1, 2])  # Scientific.
    trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)  # Nuisance.
    trial.suggest_float("weight_decay", 1e-6, 1.0, log=True)  # Nuisance.
    trial.suggest_int("steps", 10, 60, log=True)  # Nuisance.
    if blocks:
        trial.suggest_float("backbone_rate", 1e-4, 1.0, log=True)  # Nuisance.
    if blocks > 1:
        trial.suggest_float("layer_decay", 0.1, 1.0)  # Nuisance.
    trial.suggest_categorical("mirror", [False, True])  # Scientific.
    trial.suggest_categorical("pooling", ["full", "mean"])  # Scientific.
    suggest_scaling(trial)

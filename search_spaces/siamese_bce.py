"""Space of `siamese_bce`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import suggest_siamese
from search_spaces.study import STUDY_SIAMESE


def suggest(trial: Trial) -> None:
    """The embedding, its training, and the layers that compare two embeddings."""
    suggest_siamese(trial)
    trial.suggest_categorical("comparison", ["cosine", "difference"])  # Scientific.
    hidden_layers = trial.suggest_int("hidden_layers", 0, 2)  # Scientific.
    if hidden_layers:
        trial.suggest_int("hidden_width", 16, 128, log=True)  # Nuisance.


REPORTED = Reported(
    params={
        **STUDY_SIAMESE,
        "comparison": "cosine",
        "hidden_layers": 2,
        "hidden_width": 64,
    },
    mean=49.89,
    sd=1.49,
    seeds=25,
    note="its number is of telling pairs apart (same class or not), not comparable with ours; there the layers after "
    "the cosine were drawn anew at each pass, and its learning rate leaves a network as it was initialised. The one "
    "augmentation is mirroring. Chosen here: steps, those layers, channels",
    fault="it counts pairs told apart, never the class; its comparing layers were drawn anew at each pass; its "
    "pairs came from all images",
    is_class_accuracy=False,
)

"""Space of `cnn_satoto`."""

from __future__ import annotations

from optuna import Trial

from search_spaces.reported import Reported
from search_spaces.shared import suggest_cnn, suggest_satoto


def suggest(trial: Trial) -> None:
    """The network's parameters, and how far images are turned, sheared and shrunk."""
    suggest_cnn(trial)
    suggest_satoto(trial)


REPORTED = Reported(
    params={
        "normalisation": "autocontrast",
        "learning_rate": 3e-4,
        "weight_decay": 1e-6,
        "steps": 50,
        "dropout": 0.15,
        "rotation_deg": 90.0,
        "shear_x_deg": 45.0,
        "shear_y_deg": 60.0,
        "least_scale": 1.0,
        "reflect": False,
    },
    mean=65.27,
    sd=6.40,
    seeds=50,
    note="as in the authors' notebook, which neither scales nor mirrors; validation images were changed too",
    fault="its random augmentation changed validation images too",
)

"""A trained model as MLflow's own folder, and as an artifact of the sweep's run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sweeps.core.environment import set_defaults
from sweeps.tracking import sweep_run
from sweeps.tracking.environment import VARIABLES
from sweeps.tracking.location import as_opened, sqlite_path
from trainables.parts.exported import ExportedModel

LOADER = "trainables.parts.exported"


def save(
    folder: Path,
    staged: Path,
    requirements: Sequence[str],
    images: np.ndarray,
    model: ExportedModel,
) -> None:
    """Write the folder that MLflow loads a model from.

    Args:
        folder: It, which is made.
        staged: The folder of its code, `code`, beside that of its files.
        requirements: What it needs, as pip takes it.
        images: An example, uint8 (N, S, S) or (N, S, S, 3), which is kept in the folder; of the signature the size is
            free.
        model: It.
    """
    set_defaults(VARIABLES)
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.models.signature import infer_signature
    from mlflow.types import Schema, TensorSpec

    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    shape = (-1, -1, -1, *images.shape[3:])
    answers = pd.DataFrame(model.probabilities(images), columns=list(model.classes))
    outputs = infer_signature(model_output=answers).outputs
    with warnings.catch_warnings(action="ignore"):
        mlflow.pyfunc.save_model(
            folder,
            loader_module=LOADER,
            data_path=str(next(path for path in staged.iterdir() if path != staged / "code")),
            code_paths=[str(path) for path in sorted((staged / "code").iterdir())],
            pip_requirements=list(requirements),
            signature=ModelSignature(inputs=Schema([TensorSpec(np.dtype(images.dtype), shape)]), outputs=outputs),
            input_example=images,
        )


def log(uri: str, challenge: str, journal_id: str, folder: Path, name: str) -> None:
    """Put a folder beside the artifacts of a sweep's own run, under that name.

    Args:
        uri: Where MLflow keeps the sweep, already checked.
        challenge: The sweep's.
        journal_id: The sweep's.
        folder: What is put there.
        name: What it is called there.

    Raises:
        LookupError: The sweep has no run there.
        Exception: MLflow's own, if it does not answer.
    """
    if uri.startswith("sqlite") and not sqlite_path(uri).exists():
        raise LookupError(f"there is no {sqlite_path(uri)}")
    set_defaults(VARIABLES)
    from mlflow import MlflowClient

    for library in ("mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    client = MlflowClient(tracking_uri=as_opened(uri))
    found = client.get_experiment_by_name(sweep_run.experiment_of(challenge))
    key = sweep_run.key_of(journal_id, sweep_run.OWN)
    runs = client.search_runs([found.experiment_id], filter_string=f"tags.`sweep.key` = '{key}'") if found else []
    if not runs:
        raise LookupError(f"the sweep has no run in {uri}")
    client.log_artifacts(runs[0].info.run_id, str(folder), name)

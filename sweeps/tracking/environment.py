"""What MLflow reads from the environment: every variable that is set for it, and why.

`set_defaults` must be called before MLflow is first imported, since it reads some of them then. What a person has set
stays as it is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable of the environment with its value here, the package that reads it, and why it is set."""

    name: str
    value: str
    package: str
    reason: str


VARIABLES = (
    Variable(
        name="MLFLOW_LOGGING_LEVEL",
        value="CRITICAL",
        package="mlflow",
        reason="A person sees our own lines only; what goes wrong in MLflow is told by the tracker.",
    ),
    Variable(
        name="MLFLOW_DISABLE_TELEMETRY",
        value="true",
        package="mlflow",
        reason="A sweep sends nothing to anybody.",
    ),
    Variable(
        name="MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT",
        value="true",
        package="mlflow",
        reason="With a server MLflow prints two lines for each run.",
    ),
    Variable(
        name="MLFLOW_HTTP_REQUEST_MAX_RETRIES",
        value="0",
        package="mlflow",
        reason="A call that MLflow repeats unseen may make a run twice; the tracker repeats it with care.",
    ),
    Variable(
        name="MLFLOW_HTTP_REQUEST_TIMEOUT",
        value="10",
        package="mlflow",
        reason="By MLflow's own default one call may hang for minutes.",
    ),
    Variable(
        name="GIT_PYTHON_REFRESH",
        value="quiet",
        package="git",
        reason="GitPython, which MLflow imports, complains at length where there is no git command.",
    ),
)


def set_defaults() -> None:
    """Set every variable that a person has not set."""
    for variable in VARIABLES:
        os.environ.setdefault(variable.name, variable.value)

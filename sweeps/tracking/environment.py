"""What MLflow reads from the environment: every variable that is set for it, and why.

They must be set before MLflow is first imported, since it reads some of them then.
"""

from __future__ import annotations

from sweeps.core.environment import Variable

VARIABLES = (
    Variable(
        name="MLFLOW_LOGGING_LEVEL",
        value="CRITICAL",
        read_in="mlflow",
        reason="A person sees our own lines only; what goes wrong in MLflow is told by the tracker.",
    ),
    Variable(
        name="MLFLOW_DISABLE_TELEMETRY",
        value="true",
        read_in="mlflow",
        reason="A sweep sends nothing to anybody.",
    ),
    Variable(
        name="MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT",
        value="true",
        read_in="mlflow",
        reason="With a server MLflow prints two lines for each run.",
    ),
    Variable(
        name="MLFLOW_HTTP_REQUEST_MAX_RETRIES",
        value="0",
        read_in="mlflow",
        reason="A call that MLflow repeats unseen may make a run twice; the tracker repeats it with care.",
    ),
    Variable(
        name="MLFLOW_HTTP_REQUEST_TIMEOUT",
        value="10",
        read_in="mlflow",
        reason="By MLflow's own default one call may hang for minutes.",
    ),
    Variable(
        name="GIT_PYTHON_REFRESH",
        value="quiet",
        read_in="git",
        reason="GitPython, which MLflow imports, complains at length where there is no git command.",
    ),
)

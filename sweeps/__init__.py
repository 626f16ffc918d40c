"""The road of a sweep: options, plan, search, confirmation, record, and what a person sees."""

import os

# Read by Ray when it is imported or started. A person sees our own lines only, and the record, not Tune, remembers.
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # Tune's boxes and tables.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault(
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
)  # A notice about accelerators, of which there are none.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # CSV, JSON and TensorBoard files of each trial.
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")  # Snapshots that nothing reads.
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Ctrl-C is ours, and says how to resume.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")  # Ray's own words about a lost worker.
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # A server's two lines for each run.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

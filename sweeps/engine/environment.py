"""What Ray reads from the environment: every variable that is set for it, where Ray reads it, and why it is set.

A person sees our own lines only, and the journal, not Tune, remembers. What a person has set stays as it is.
"""

from __future__ import annotations

from sweeps.core.environment import Variable

READ_AT_IMPORT = (
    Variable(
        name="RAY_DEDUP_LOGS_SKIP_REGEX",
        value=".*",
        read_in="ray._private.ray_constants",
        reason="Ray prints its own words about each lost worker, whatever `log_to_driver` says.",
    ),
)
READ_AT_START = (
    Variable(
        name="RAY_USAGE_STATS_ENABLED",
        value="0",
        read_in="ray._common.usage.usage_constants",
        reason="A sweep sends nothing to anybody.",
    ),
    # By Tune. Workers that start here inherit what is for them.
    Variable(
        name="RAY_AIR_NEW_OUTPUT",
        value="0",
        read_in="ray.tune.experimental.output",
        reason="Tune's boxes and tables; with 0 and `verbose=0` it prints nothing.",
    ),
    Variable(
        name="RAY_CHDIR_TO_TRIAL_DIR",
        value="0",
        read_in="ray.train.constants",
        reason="Workers stay in the folder of the command, where relative paths lead; Tune hands it on to them.",
    ),
    Variable(
        name="TUNE_DISABLE_AUTO_CALLBACK_LOGGERS",
        value="1",
        read_in="ray.tune.utils.callback",
        reason="CSV, JSON and TensorBoard files of each trial, which nothing reads.",
    ),
    Variable(
        name="TUNE_GLOBAL_CHECKPOINT_S",
        value="3600",
        read_in="ray.tune.execution.tune_controller",
        reason="Snapshots of the whole run, which nothing reads.",
    ),
)

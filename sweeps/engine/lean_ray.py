"""Ray's own processes on this machine: only those that a sweep uses, since the others are half of its start.

They and the workers are groups of their own, which end at once when the sweep has ended.
"""

from __future__ import annotations

import os
import signal
from contextlib import AbstractContextManager, suppress
from typing import Any

from ray._private import services, utils
from ray._private.node import Node
from ray._private.services import ConsolePopen

from sweeps.engine.ray_patches import replaced


def _nothing(*args: Any, **options: Any) -> None:
    pass


def _not_wanted() -> ImportError:
    return ImportError("a sweep shows no dashboard")


class OwnGroup(ConsolePopen):
    """One of Ray's processes that no signal to the driver's group reaches, with all that it starts."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, process_group=0, **options)

    def terminate(self) -> None:
        """End all of the group at once: none of it keeps anything, and `sweeps.engine.cluster` has it miss SIGTERM."""
        # Between Ray's look whether it lives and this it may have ended.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


# What is called in the place of what, while Ray starts.
INSTEAD = (
    (Node, "start_api_server", _nothing),
    (Node, "start_monitor", _nothing),
    (Node, "start_log_monitor", _nothing),
    (services, "ConsolePopen", OwnGroup),
    (utils, "get_dashboard_dependency_error", _not_wanted),
)


def without_extras() -> AbstractContextManager[None]:
    """Let Ray start no dashboard, no autoscaler, no monitor of log files, and the agent that `pip install ray` has.

    Ray starts the first three one after another, whatever `include_dashboard` and `log_to_driver` say, and the agent
    of `ray[default]` imports a web server. Tune needs the store, the scheduler and workers. A cluster of several
    machines, which `ray start` starts, has it all.
    """
    return replaced(*INSTEAD)

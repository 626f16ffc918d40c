"""Ray's own processes on this machine: only those that a sweep uses, since the others are half of its start.

They and the workers are groups of their own, which end at once when the sweep has ended.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import AbstractContextManager, suppress
from typing import Any

from ray._private import ray_constants, services, worker
from ray._private.node import Node
from ray._private.services import ConsolePopen

from sweeps.engine import absent_agent
from sweeps.engine.replacing import replaced

# What runs in the place of the agents, as it comes before the path of one in a command.
NOBODY = (sys.executable, "-I", "-S", str(absent_agent.__file__))
AGENTS = (ray_constants.PROCESS_TYPE_DASHBOARD_AGENT, ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT)


def _nothing(*args: Any, **options: Any) -> None:
    pass


def _as_it_is(runtime_env: Any, *args: Any) -> Any:
    return runtime_env


_python_for = services._build_python_executable_command_memory_profileable


def _python_or_nobody(component: str, *args: Any, **options: Any) -> list[str]:
    """What comes before the path of one of Ray's scripts in a command: of an agent, another script and its Python."""
    if component in AGENTS:
        return [*NOBODY]
    command: list[str] = _python_for(component, *args, **options)
    return command


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
    (services, _python_for.__name__, _python_or_nobody),
    # Workers here have the driver's own environment. Only an agent could make them another, as Ray asks for by itself
    # below `uv run`.
    (worker, "_maybe_modify_runtime_env", _as_it_is),
)


def without_extras() -> AbstractContextManager[None]:
    """Let Ray start no dashboard, no autoscaler, no monitor of log files, and no agents.

    Ray starts the first three one after another, whatever `include_dashboard` and `log_to_driver` say, and its raylet
    waits for the agents. Tune needs the store, the scheduler and workers. A cluster of several machines, which
    `ray start` starts, has it all.
    """
    return replaced(*INSTEAD)

"""Ray on this machine without the processes of its own that a sweep does not use: they are half of its start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import utils
from ray._private.node import Node


def _nothing(*args: Any, **options: Any) -> None:
    pass


def _not_wanted() -> ImportError:
    return ImportError("a sweep shows no dashboard")


# What is called in the place of what, while Ray starts.
INSTEAD = (
    (Node, "start_api_server", _nothing),
    (Node, "start_monitor", _nothing),
    (Node, "start_log_monitor", _nothing),
    (utils, "get_dashboard_dependency_error", _not_wanted),
)


@contextmanager
def without_extras() -> Iterator[None]:
    """Let Ray start no dashboard, no autoscaler, no monitor of log files, and the agent that `pip install ray` has.

    Ray starts the first three one after another, whatever `include_dashboard` and `log_to_driver` say, and the agent
    of `ray[default]` imports a web server. Tune needs the store, the scheduler and workers. A cluster of several
    machines, which `ray start` starts, has it all.
    """
    plain = [(owner, name, getattr(owner, name)) for owner, name, _ in INSTEAD]
    for owner, name, instead in INSTEAD:
        setattr(owner, name, instead)
    try:
        yield
    finally:
        for owner, name, before in plain:
            setattr(owner, name, before)

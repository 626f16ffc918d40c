"""What is changed inside Ray, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError

OUT_OF_MEMORY = "ran out of memory"


@contextmanager
def memory_deaths_are_lost_workers() -> Iterator[None]:
    """Have Tune treat a worker that Ray ended for want of memory as one that died.

    Tune knows no `OutOfMemoryError`, and the whole run would stop with it. A test says when a new Ray handles it.
    """
    plain = RayActorManager._actor_task_failed

    def failed(self: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=f"The worker's machine {OUT_OF_MEMORY}: {exception}")
        plain(self, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = failed  # type: ignore[method-assign]
    try:
        yield
    finally:
        RayActorManager._actor_task_failed = plain  # type: ignore[method-assign]

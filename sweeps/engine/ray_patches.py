"""What is changed inside Ray, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.registry import _global_registry

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


@contextmanager
def trainable_is_looked_up_once() -> Iterator[None]:
    """Have Tune keep the trainable, which it fetches from Ray's server and unpickles five times a configuration."""
    plain_get, plain_contains = _global_registry.get, _global_registry.contains
    found: dict[tuple[str, str], Any] = {}

    def get(category: str, key: str) -> Any:
        if (category, key) not in found:
            found[category, key] = plain_get(category, key)
        return found[category, key]

    def contains(category: str, key: str) -> bool:
        return (category, key) in found or plain_contains(category, key)

    _global_registry.get = get  # type: ignore[method-assign]
    _global_registry.contains = contains  # type: ignore[method-assign]
    try:
        yield
    finally:
        del _global_registry.get, _global_registry.contains

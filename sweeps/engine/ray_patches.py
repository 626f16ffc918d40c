"""What is changed inside Ray, and until when."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import ray
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution.class_cache import _ActorClassCache
from ray.tune.registry import _Registry
from ray.tune.utils.object_cache import _ObjectCache

from sweeps.engine.replacing import replaced

OUT_OF_MEMORY = "ran out of memory"


def memory_deaths_are_lost_workers() -> AbstractContextManager[None]:
    """Have Tune treat a worker that Ray ended for want of memory as one that died.

    Tune knows no `OutOfMemoryError`, and the whole run would stop with it. A test says when a new Ray handles it.
    """
    plain = RayActorManager._actor_task_failed

    def failed(self: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=f"The worker's machine {OUT_OF_MEMORY}: {exception}")
        plain(self, tracked_actor_task, exception)

    return replaced((RayActorManager, "_actor_task_failed", failed))


def trainable_is_looked_up_once() -> AbstractContextManager[None]:
    """Have Tune keep the trainable, which it fetches from Ray's server and unpickles five times a configuration."""
    plain_get, plain_contains = _Registry.get, _Registry.contains
    found: dict[tuple[str, str], Any] = {}

    def get(self: _Registry, category: str, key: str) -> Any:
        if (category, key) not in found:
            found[category, key] = plain_get(self, category, key)
        return found[category, key]

    def contains(self: _Registry, category: str, key: str) -> bool:
        return (category, key) in found or plain_contains(self, category, key)

    return replaced((_Registry, "get", get), (_Registry, "contains", contains))


def waiting_workers_are_used() -> AbstractContextManager[None]:
    """Have Tune's actors run in the workers that started with Ray, which have imported what they need.

    Tune gives each actor variables of the environment, and Ray starts a new worker for those, beside the ones that
    wait. Only for a Ray that was started here: its workers have the driver's environment anyway.
    """

    def get(self: _ActorClassCache, trainable_cls: type) -> Any:
        if trainable_cls not in self._cache:
            self._cache[trainable_cls] = ray.remote(trainable_cls)
        return self._cache[trainable_cls]

    return replaced((_ActorClassCache, "get", get))


def tune_takes_no_signal() -> AbstractContextManager[None]:
    """Have Tune take no signal: at SIGUSR1 it ends its run, now and then before we have seen that it came."""
    # `ray.tune` has a function of that name, too.
    module = importlib.import_module("ray.tune.tune")
    return replaced((module, "_setup_signal_catching", threading.Event))


def idle_workers_are_kept() -> AbstractContextManager[None]:
    """Have Tune keep every actor that has nothing to do until the run ends; by itself it keeps one.

    At the end of a stage workers wait for the last of them, and a new actor for the next stage takes seconds to start.
    They hold their CPUs meanwhile, so a cluster that shrinks keeps its nodes until the run ends.
    """
    plain = _ObjectCache.flush_cached_objects

    def cache_object(self: _ObjectCache, key: Any, actor: Any) -> bool:
        self._cached_objects[key].append(actor)
        self._num_cached_objects += 1
        return True

    def flush_cached_objects(self: _ObjectCache, force_all: bool = False) -> Iterator[Any]:
        yield from plain(self, force_all) if force_all else ()

    return replaced(
        (_ObjectCache, "cache_object", cache_object), (_ObjectCache, "flush_cached_objects", flush_cached_objects)
    )

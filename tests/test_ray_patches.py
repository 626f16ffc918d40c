"""What is changed inside Ray does what it should, and is still needed."""

from __future__ import annotations

import contextlib
from unittest.mock import Mock

import pytest
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.registry import TRAINABLE_CLASS, _global_registry
from ray.tune.utils.object_cache import _ObjectCache

from sweeps.engine.ray_patches import (
    OUT_OF_MEMORY,
    idle_workers_are_kept,
    memory_deaths_are_lost_workers,
    trainable_is_looked_up_once,
)


def killed_for_want_of_memory():
    """What Tune is told after Ray ended a worker since memory ran out: the error that it gets, if it goes on at all."""
    told = []
    task = Mock()
    task._tracked_actor._on_error = lambda actor, error: told.append(error)
    RayActorManager._actor_task_failed(Mock(spec=RayActorManager, _failed_actor_ids=set()), task, OutOfMemoryError("!"))
    return told


def test_with_the_patch_the_worker_is_lost_and_the_run_goes_on():
    with memory_deaths_are_lost_workers():
        (error,) = killed_for_want_of_memory()
    assert isinstance(error, RayActorError)
    assert OUT_OF_MEMORY in str(error)


def test_ray_still_needs_the_patch():
    with contextlib.suppress(RuntimeError):
        killed_for_want_of_memory()
        pytest.fail("Ray handles this now; delete the patch")


def test_the_patch_is_gone_afterwards():
    before = RayActorManager._actor_task_failed

    def interrupted():
        with memory_deaths_are_lost_workers():
            assert RayActorManager._actor_task_failed is not before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert RayActorManager._actor_task_failed is before


def test_tune_fetches_the_trainable_once_and_again_in_the_next_run(monkeypatch):
    fetched = []
    monkeypatch.setattr(type(_global_registry), "get", lambda self, category, key: fetched.append(key) or key)
    monkeypatch.setattr(
        type(_global_registry), "contains", lambda self, category, key: bool(fetched.append(key)) or True
    )
    for _ in range(2):
        fetched.clear()
        with trainable_is_looked_up_once():
            for _ in range(3):
                assert _global_registry.get(TRAINABLE_CLASS, "ours") == "ours"
                assert _global_registry.contains(TRAINABLE_CLASS, "ours")
        assert fetched == ["ours"]


def test_every_idle_worker_is_kept_until_the_run_ends():
    with idle_workers_are_kept():
        cache = _ObjectCache()
        assert all(cache.cache_object("one CPU", actor) for actor in ("a", "b", "c"))
        assert list(cache.flush_cached_objects()) == []
        assert cache.pop_cached_object("one CPU") == "a"
        assert list(cache.flush_cached_objects(force_all=True)) == ["b", "c"]
        assert cache.num_cached_objects == 0


def test_tune_by_itself_keeps_one():
    cache = _ObjectCache()
    assert [cache.cache_object("one CPU", actor) for actor in ("a", "b")] == [True, False]

"""What is changed inside Ray does what it should, and is still needed."""

from __future__ import annotations

import contextlib
import os
from unittest.mock import Mock

import psutil
import pytest
import ray
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution.class_cache import _ActorClassCache
from ray.tune.registry import TRAINABLE_CLASS, _global_registry
from ray.tune.utils.object_cache import _ObjectCache

from commands import title
from sweeps.engine import cluster
from sweeps.engine.ray_patches import (
    OUT_OF_MEMORY,
    idle_workers_are_kept,
    memory_deaths_are_lost_workers,
    trainable_is_looked_up_once,
    waiting_workers_are_used,
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


class Somewhere:
    """An actor that says where it runs."""

    def where(self):
        return os.getpid(), os.environ.get("PL_DISABLE_FORK"), os.environ.get("RAY_CHDIR_TO_TRIAL_DIR")


@pytest.mark.slow
@pytest.mark.usefixtures("two_workers")
def test_tune_s_actors_run_in_the_workers_that_wait_with_what_tune_wants_in_their_environment():
    waiting = {each.pid for each in psutil.Process().children(recursive=True) if "ray::" in title(each)}
    assert cluster.started_here()
    with waiting_workers_are_used():
        actor = _ActorClassCache().get(Somewhere).options(num_cpus=1).remote()
    process, only_tune_s, ours = ray.get(actor.where.remote())
    assert (process in waiting, only_tune_s, ours) == (True, None, "0")


def test_tune_by_itself_wants_workers_with_an_environment_of_their_own():
    plain = _ActorClassCache().get(Somewhere)
    assert plain._default_options["runtime_env"], "Tune asks for none now; delete the patch"


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

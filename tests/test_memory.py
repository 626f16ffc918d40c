"""A machine whose memory runs out, as far as Ray is told."""

from __future__ import annotations

import sys
import time

import numpy as np
import psutil
import pytest
import ray

import test_tune_loop
from sweeps.engine import cluster
from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.protocol import study_protocol

pytestmark = pytest.mark.fault


class Hungry(test_tune_loop.Odd):
    """Takes more and more memory, or its time."""

    @classmethod
    def fit(cls, config, support, streams):
        taken = []
        while config.behaviour == "eat":
            taken.append(np.ones(1 << 23))
            time.sleep(0.02)
        time.sleep(1.0)
        return super().fit(config, support, streams)


@pytest.fixture
def little_memory(monkeypatch):
    """Ray's own limit, eight gigabytes above what the machine uses now: other tests may begin a sweep meanwhile."""
    memory = psutil.virtual_memory()
    limit = min((memory.total - memory.available + 8e9) / memory.total, 0.95)
    monkeypatch.setenv("RAY_memory_usage_threshold", str(limit))
    for module in (test_tune_loop, sys.modules[__name__]):
        ray.cloudpickle.register_pickle_by_value(module)
    cluster.start_ray(None, 2)
    yield
    cluster.stop_ray(0)


def test_who_takes_all_memory_fails_and_the_others_do_not(journal, little_memory):
    images = np.random.default_rng(0).integers(0, 200, size=(2000, 28, 28), dtype=np.uint8)
    protocol = study_protocol()
    sets = {POOL: ImageSet(labels=protocol.labels, views={PIXELS: images}, protocol=protocol)}
    approaches = [
        test_tune_loop.approach(each, behaviours=["eat" if each == "hungry" else "fine"], learner=Hungry)
        for each in ("modest", "hungry", "frugal", "sparing")
    ]
    found = test_tune_loop.run(journal, approaches, sets)
    assert found["hungry/search"].reason == "its worker was lost 3 times (its machine ran out of memory)"
    for name in ("modest", "frugal", "sparing"):
        assert found[f"{name}/search"].state == "COMPLETE"

"""Ray on this machine starts without processes that no sweep uses; what is changed for that is put back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
import pytest
import ray

from sweeps.engine import cluster, lean_ray


def test_all_is_put_back_afterwards():
    before = [getattr(owner, name) for owner, name, _ in lean_ray.INSTEAD]

    def interrupted():
        with lean_ray.without_extras():
            assert all(getattr(owner, name) is instead for owner, name, instead in lean_ray.INSTEAD)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [getattr(owner, name) for owner, name, _ in lean_ray.INSTEAD] == before


@pytest.fixture
def of_somebody_else(monkeypatch):
    """Where Ray has noted that a cluster runs on this machine, as another user's `ray start` does."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    folder = Path("/tmp") / f"ray-{os.getpid()}"
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    noted = folder / "ray/ray_current_cluster"
    noted.parent.mkdir(parents=True)
    noted.write_text("127.0.0.1:6379")
    yield noted
    shutil.rmtree(folder)


@pytest.mark.slow
def test_ray_starts_none_of_them_and_its_workers_work_beside_another_cluster(of_somebody_else):
    cluster.start_ray(None, 1)
    try:
        assert ray.get_runtime_context().gcs_address != of_somebody_else.read_text() == "127.0.0.1:6379"
        assert ray.cluster_resources()["CPU"] == 1
        run = " ".join(" ".join(each.cmdline()) for each in psutil.Process().children(recursive=True))
        assert "raylet" in run
        assert not [name for name in ("dashboard/dashboard.py", "monitor.py", "log_monitor.py") if name in run]
        assert ray.get(ray.remote(lambda: 1).remote()) == 1
    finally:
        cluster.stop_ray(0, None)

"""Ray on this machine starts without processes that no sweep uses; what is changed for that is put back."""

from __future__ import annotations

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


@pytest.mark.slow
def test_ray_starts_none_of_them_and_its_workers_work():
    cluster.start_ray(None, 1)
    try:
        run = " ".join(" ".join(each.cmdline()) for each in psutil.Process().children(recursive=True))
        assert "raylet" in run
        assert not [name for name in ("dashboard/dashboard.py", "monitor.py", "log_monitor.py") if name in run]
        assert ray.get(ray.remote(lambda: 1).remote()) == 1
    finally:
        cluster.stop_ray(0, None)

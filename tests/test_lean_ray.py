"""Ray on this machine starts without processes that no sweep uses; what is changed for that is put back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import ray

from commands import title, wait_for
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
        folder = Path(cluster.started_here().get_session_dir_path())
        run = [title(each) for each in psutil.Process().children(recursive=True)]
        assert len([each for each in run if "/raylet/raylet --" in each]) == 1
        assert not [each for each in run if re.search("Agent|dashboard/dashboard.py|monitor.py", each)]
        assert len([each for each in run if each.startswith(" ".join(lean_ray.NOBODY))]) == 2
        assert ray.get(ray.remote(lambda: 1).remote()) == 1
    finally:
        cluster.stop_ray(0)
    assert cluster.started_here() is None
    assert not folder.exists()


STARTS = """
import os, subprocess, sys
print(subprocess.Popen(sys.argv[1:], env={"RAY_RAYLET_PID": str(os.getpid())}).pid, flush=True)
input()
"""


@pytest.mark.parametrize(
    ("script", "ports"),
    [
        ("dashboard/agent.py", {"metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"}),
        ("agent/main.py", {"runtime_env_agent_port"}),
    ],
)
def test_nobody_has_no_port_and_ends_with_the_raylet(script, ports, tmp_path):
    agent = [*lean_ray.NOBODY, script, "--head", f"--session-dir={tmp_path}", "--node-id=ab12"]
    told = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", STARTS, *agent], **told) as raylet:
        begun = psutil.Process(int(raylet.stdout.readline()))
        wait_for(lambda: {path.name for path in tmp_path.iterdir()} == {f"{port}_ab12" for port in ports}, 20)
        assert {path.read_text() for path in tmp_path.iterdir()} == {"-1"}
        assert begun.is_running()
        raylet.communicate("\n")
        wait_for(lambda: not begun.is_running(), 20)

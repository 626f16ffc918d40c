"""Sweeps on a real Ray cluster of several nodes on this machine.

Every node but the first sees nothing of the others' files: in a mount namespace of its own it has other folders for the
sweep and for Ray, an empty home and no code of the project, as a machine of its own would.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil
import pytest

from commands import ROOT, command, environment, run, title, wait_for, wait_for_seeds, workers_below
from sweeps.store.journal import Journal

pytestmark = pytest.mark.fault
# No look of racing within three seeds, so nothing depends on order.
SWEEP = shlex.split(
    "--dataset phantom --approaches pixel_baseline starter_cnn --num-samples 10 --seeds 3 --confirm-seeds 20"
)
FEATURES = shlex.split("--smoke --approaches alexnet_focal --robustness off")
KEYS = ["approach", "stage", "trial", "seed", "split"]
HIDDEN = [ROOT / name for name in ("sweeps", "trainables", "search_spaces", "tests")]

can_be_apart = subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0
apart = pytest.mark.skipif(not can_be_apart, reason="A node with files of its own takes root.")


def numbers(folder):
    frame = pd.read_csv(folder / "results/sweep/seeds.csv").sort_values(KEYS).reset_index(drop=True)
    return frame.drop(columns=["seconds", "timestamp_ms"])


class Cluster:
    """A head, and nodes that come and go."""

    def __init__(self, folder):
        self.folder = folder
        self.nodes = {}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.variables = environment(folder) | {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
        self.ray("get-auth-token", "--generate")

    def ray(self, *words):
        subprocess.run(
            [self.script, *words], env=self.variables, cwd=self.folder, check=True, capture_output=True, timeout=60
        )

    script = str(Path(sys.executable).parent / "ray")

    def start(self, name, *words, before=""):
        common = ["--block", "--object-store-memory=200000000", f"--node-name={name}", "--disable-usage-stats"]
        line = before + "exec " + shlex.join([self.script, "start", *common, *words])
        enter = ["unshare", "-m"] if before else []
        with (self.folder / f"{name}.log").open("wb") as log:
            self.nodes[name] = subprocess.Popen(
                [*enter, "bash", "-euc", line], env=self.variables, stdout=log, stderr=log, start_new_session=True
            )

    def head(self, cpus, **resources):
        more = [f"--resources={str(resources).replace(chr(39), chr(34))}"] if resources else []
        port = self.address.rpartition(":")[2]
        self.start("head", "--head", f"--port={port}", f"--num-cpus={cpus}", "--include-dashboard=false", *more)
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", int(port))):
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def join(self, name, cpus=1):
        """A node that shares no file with the others but the environment that Python and Ray are in."""
        token = self.folder / ".ray/auth_token"
        hide = "".join(f"mount -t tmpfs tmpfs {shlex.quote(str(folder))}; " for folder in [*HIDDEN, self.folder])
        before = f"token=$(cat {shlex.quote(str(token))}); mkdir -p /tmp/ray; {hide}"
        before += f"mount -t tmpfs tmpfs /tmp/ray; export HOME={shlex.quote(str(self.folder / 'other'))}; "
        before += "mkdir -p $HOME/.ray; printf %s $token > $HOME/.ray/auth_token; cd $HOME; "
        self.start(name, f"--address={self.address}", f"--num-cpus={cpus}", before=before)
        wait_for(lambda: "Ray runtime started" in (self.folder / f"{name}.log").read_text())

    def lose(self, name):
        """As when a machine is switched off."""
        os.killpg(self.nodes.pop(name).pid, signal.SIGKILL)

    def workers(self, name):
        """The processes of a node that train or compute features."""
        return workers_below(self.nodes[name].pid)

    def sweep(self, script, *options):
        self.running = subprocess.Popen(
            command(script, *options, "--name", "sweep", "--address", self.address),
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self.running

    def finish(self):
        printed, complaint = self.running.communicate(timeout=240)
        assert self.running.returncode == 0, complaint
        assert "Traceback" not in printed + complaint
        return printed

    def end(self):
        for node in self.nodes.values():
            for each in psutil.Process(node.pid).children(recursive=True):
                each.kill()
            os.killpg(node.pid, signal.SIGKILL)
            node.wait()


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same sweeps on this machine alone."""
    folders = {}
    for script, options in (("challenge1", SWEEP), ("challenge2", FEATURES)):
        folders[script] = tmp_path_factory.mktemp(script)
        done = run(folders[script], script, "--name", "sweep", *options, "--workers", 1)
        assert done.returncode == 0, done.stderr
    return folders


@apart
def test_two_nodes_give_the_same_bits_and_both_work(cluster, alone):
    cluster.head(1)
    cluster.join("second")
    driver = cluster.sweep("challenge1", *SWEEP)
    # How often each node was seen training.
    worked = Counter()
    while driver.poll() is None:
        for name in cluster.nodes:
            worked[name] += any("train" in title(each) for each in cluster.workers(name))
        time.sleep(0.05)
    cluster.finish()
    pd.testing.assert_frame_equal(numbers(cluster.folder), numbers(alone["challenge1"]), check_exact=True)
    assert min(worked["head"], worked["second"]) > 3, worked


@apart
def test_features_are_computed_by_all_nodes_and_are_the_same(cluster, alone):
    cluster.head(1)
    cluster.join("second")
    driver = cluster.sweep("challenge2", *FEATURES)
    extracted = set()
    while driver.poll() is None:
        extracted |= {
            name for name in cluster.nodes for each in cluster.workers(name) if title(each).startswith("ray::_extract")
        }
        time.sleep(0.05)
    cluster.finish()
    assert extracted == {"head", "second"}
    pd.testing.assert_frame_equal(numbers(cluster.folder), numbers(alone["challenge2"]), check_exact=True)
    for path in (cluster.folder / "results/features").iterdir():
        assert path.read_bytes() == (alone["challenge2"] / "results/features" / path.name).read_bytes()


@apart
def test_a_lost_node_costs_nothing_that_was_reported(cluster, alone):
    cluster.head(1)
    cluster.join("second")
    cluster.sweep("challenge1", *SWEEP)
    wait_for_seeds(cluster.folder, 15)
    wait_for(lambda: cluster.workers("second"))
    cluster.lose("second")
    cluster.finish()
    pd.testing.assert_frame_equal(numbers(cluster.folder), numbers(alone["challenge1"]), check_exact=True)


@apart
def test_a_head_without_cpus_waits_for_nodes_and_uses_those_that_join_late(cluster, alone):
    cluster.head(0)
    cluster.sweep("challenge1", *SWEEP)
    wait_for(lambda: (cluster.folder / "results/sweep/study.journal").exists())
    time.sleep(3)
    cluster.join("second")
    wait_for_seeds(cluster.folder, 10)
    cluster.join("third")
    # Another trial is begun at once, since there is another CPU.
    wait_for(lambda: cluster.workers("third"))
    cluster.finish()
    pd.testing.assert_frame_equal(numbers(cluster.folder), numbers(alone["challenge1"]), check_exact=True)


@apart
def test_as_many_trials_wait_as_a_cluster_may_grow_to_hold(cluster):
    """So that Ray's autoscaler sees what for."""
    cluster.head(0, max_trials=3)
    cluster.sweep("challenge1", *SWEEP)
    folder = cluster.folder / "results/sweep"

    def begun():
        # Those that wait in Optuna's queue are not among them.
        return len(Journal(folder, write=False).trials())

    wait_for(lambda: (folder / "study.journal").exists() and begun() >= 3)
    time.sleep(3)
    assert begun() == 3
    os.killpg(cluster.running.pid, signal.SIGKILL)
    cluster.running.communicate()

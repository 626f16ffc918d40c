"""As many trials run at a time as there are CPUs that this process may use."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commands import ROOT, run_here
from sweeps.core import cpus
from sweeps.core.cpus import usable_cpus
from sweeps.engine import cluster

QUOTA = "the CPU quota of its cgroup"
BOUND = "the process is bound to them, as by taskset"


@pytest.fixture
def of_64(monkeypatch):
    """A machine of 64 CPUs, all of which this process may use."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)


def groups(root: Path, own: str, files: dict[str, str]) -> Path:
    """A machine's `proc` and `sys`."""
    for name, text in {
        "proc/self/cgroup": own,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.usefixtures("of_64")
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "64 of 64 CPUs"),
        ({"SLURM_CPUS_PER_TASK": "2"}, "2 of 64 CPUs: SLURM_CPUS_PER_TASK"),
        ({"SLURM_CPUS_PER_TASK": "2", "SLURM_CPUS_ON_NODE": "8"}, "2 of 64 CPUs: SLURM_CPUS_PER_TASK"),
        ({"SLURM_CPUS_ON_NODE": "8"}, "8 of 64 CPUs: SLURM_CPUS_ON_NODE"),
        ({"NCPUS": "3"}, "3 of 64 CPUs: NCPUS"),
        ({"LSB_DJOB_NUMPROC": "4"}, "4 of 64 CPUs: LSB_DJOB_NUMPROC"),
        # Of a job on several machines, or nonsense.
        ({"LSB_DJOB_NUMPROC": "128", "NCPUS": "many", "NSLOTS": "0", "SLURM_CPUS_PER_TASK": ""}, "64 of 64 CPUs"),
    ],
)
def test_a_batch_system_s_variables_count(variables, said, tmp_path):
    assert str(usable_cpus(variables, tmp_path)) == said


def version_1(folder: str, quota_us: int) -> dict[str, str]:
    return {f"{folder}/cpu.cfs_quota_us": f"{quota_us}\n", f"{folder}/cpu.cfs_period_us": "100000\n"}


@pytest.mark.usefixtures("of_64")
@pytest.mark.parametrize(
    ("own", "files", "allowed"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "350000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        # A group above has less.
        ("0::/user/job\n", {"user/job/cpu.max": "800000 100000\n", "user/cpu.max": "200000 100000\n"}, 2),
        # The host's path, in a container.
        ("0::/docker/1234\n", {"cpu.max": "200000 100000\n"}, 2),
        ("5:cpu,cpuacct:/job\n", version_1("cpu/job", -1), 64),
        ("5:cpu,cpuacct:/a\n", version_1("cpu,cpuacct/a", 250_000), 2),
        ("5:cpuset:/a\n0::/\n", version_1("cpu/a", 100_000), 64),
        ("0::/\n", {"unified/cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "nonsense\n"}, 64),
    ],
)
def test_a_container_s_quota_counts_rounded_down(own, files, allowed, tmp_path):
    found = usable_cpus({}, groups(tmp_path, own, files))
    assert (found.allowed, found.limit) == (allowed, QUOTA if allowed < 64 else "")


@pytest.mark.usefixtures("of_64")
def test_the_smallest_limit_counts_and_is_named(tmp_path):
    root = groups(tmp_path, "0::/\n", {"cpu.max": "400000 100000\n"})
    assert str(usable_cpus({"NCPUS": "8"}, root)) == f"4 of 64 CPUs: {QUOTA}"
    assert str(usable_cpus({"NCPUS": "4"}, root)) == "4 of 64 CPUs: NCPUS"


@pytest.mark.skipif(not shutil.which("taskset"), reason="There is no taskset.")
def test_a_process_that_is_bound_to_one_cpu_has_one():
    code = "import sys; from sweeps.core.cpus import usable_cpus; print(usable_cpus({}))"
    cpu = min(os.sched_getaffinity(0))
    told = subprocess.run(
        ["taskset", "-c", str(cpu), sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    there = os.cpu_count()
    assert told.stdout == (f"1 of {there} CPUs: {BOUND}\n" if there > 1 else "1 of 1 CPUs\n"), told.stderr


@pytest.fixture
def bound_to_one():
    """This thread, which makes the plan, may use one CPU only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or os.cpu_count() == 1, reason="Nothing can be less.")
@pytest.mark.usefixtures("bound_to_one")
@pytest.mark.parametrize(
    ("options", "slots", "is_said"),
    [((), 1, True), (("--workers", "1"), 1, False), (("--workers", "2"), 2, True)],
)
def test_the_plan_counts_what_is_allowed_and_says_what_limits_it(options, slots, is_said, tmp_path):
    planned = run_here(tmp_path, "challenge1", "--dataset", "phantom", "--dry-run", *options)
    line = re.search(r"^Slots .*$", planned.stdout, re.M)[0]
    limit = f" (1 of {os.cpu_count()} CPUs: {BOUND})" if is_said else ""
    assert line == f"Slots     {slots} trials at the same time, one CPU each{limit}"


def test_ray_is_started_with_what_is_allowed(monkeypatch):
    started = {}
    monkeypatch.setattr(cluster, "usable_cpus", lambda: cpus.Cpus(allowed=3, there=64, limit="NCPUS"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    monkeypatch.setattr(cluster.ray, "init", lambda **options: started.update(options))
    cluster.start_ray(None, None)
    assert (started["address"], started["num_cpus"]) == ("local", 3)
    cluster.start_ray(None, 8)
    assert started["num_cpus"] == 8

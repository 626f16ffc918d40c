"""Faults of workers and disks, sweeps beside each other, and what a sweep leaves: real kills and full disks."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient

from commands import command, environment, start, title, wait_for_seeds
from faults import (
    TINY,
    assert_same,
    journal_counts,
    kill_workers,
    mlflow_rows,
    resume,
    table,
    uri_of,
    wait_for_confirmation,
)

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("with_database")]


def test_two_sweeps_at_once_in_one_folder_and_database(tmp_path, undisturbed):
    """They share the CPUs and nothing else."""
    drivers = [start(tmp_path, "challenge1", "--name", name, *TINY) for name in ("sweep", "other")]
    for driver in drivers:
        _, complaint = driver.communicate(timeout=400)
        assert driver.returncode == 0, complaint
    for name in ("seeds", "trials"):
        pd.testing.assert_frame_equal(table(tmp_path, name), table(undisturbed, name), check_exact=True)
    client = MlflowClient(uri_of(tmp_path))
    (experiment,) = [each for each in client.search_experiments() if each.name.startswith("seedsweep")]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    (one, other) = Counter(each.data.tags["sweep.key"].partition(":")[0] for each in runs).values()
    assert one == other == len(mlflow_rows(uri_of(undisturbed)))


def test_kill_9_of_workers(tmp_path, undisturbed):
    driver = start(tmp_path, "challenge1", "--name", "sweep", *TINY)
    for seeds in (1, 25, 60):
        wait_for_seeds(tmp_path, seeds)
        kill_workers(driver)
    wait_for_confirmation(tmp_path)
    kill_workers(driver)
    printed, complaint = driver.communicate(timeout=120)
    assert driver.returncode == 0, complaint
    assert "Traceback" not in printed + complaint
    assert_same(tmp_path, undisturbed)


def test_a_deleted_results_folder_is_put_back(tmp_path, undisturbed):
    driver = start(tmp_path, "challenge1", "--name", "sweep", *TINY)
    wait_for_seeds(tmp_path, 30)
    shutil.rmtree(tmp_path / "results")
    printed, complaint = driver.communicate(timeout=60)
    assert driver.returncode == 1
    # By which of its files it is noticed is chance.
    assert "stopped by" in complaint
    assert "it is there again" in complaint
    assert "--resume sweep" in complaint
    assert "Traceback" not in printed + complaint
    assert sum(journal_counts(tmp_path).values()) >= 30
    resume(tmp_path)
    assert_same(tmp_path, undisturbed)


FULL = """
set -eu
mount -t tmpfs -o size=70m tmpfs results
{sweep} --name sweep {options} > out.txt 2> err.txt & driver=$!
until grep -c '"seed:' results/sweep/study.journal 2> /dev/null | grep -q '[3-9][0-9]'; do sleep .05; done
dd if=/dev/zero of=results/ballast bs=4k 2> /dev/null || true
code=0; wait $driver || code=$?
echo $code > code.txt
cp results/sweep/study.journal full.journal
{sweep} --name other {options} > out2.txt 2> err2.txt || echo $? > code2.txt
rm results/ballast
{sweep} --resume sweep --workers 1 > out3.txt 2> err3.txt
mkdir kept; cp -r results/sweep kept/
"""


def test_a_full_disk_stops_clearly_and_the_sweep_goes_on_when_there_is_room(tmp_path, undisturbed):
    can_mount = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False).returncode == 0
    if not can_mount:
        pytest.skip("Filling a disk takes one of our own, which takes root.")
    (tmp_path / "results").mkdir()
    script = FULL.format(sweep=shlex.join(command("challenge1")), options=shlex.join(TINY))
    subprocess.run(
        ["unshare", "-m", "bash", "-c", script], cwd=tmp_path, env=environment(tmp_path), timeout=300, check=True
    )
    complaint = (tmp_path / "err.txt").read_text()
    assert (tmp_path / "code.txt").read_text() == "1\n"
    assert "No space left on device" in complaint
    assert "--resume sweep" in complaint
    assert "Traceback" not in complaint + (tmp_path / "out.txt").read_text()
    # And nothing begins there.
    refusal = (tmp_path / "err2.txt").read_text()
    assert (tmp_path / "code2.txt").read_text() == "2\n"
    assert refusal.count("\n") == 1
    assert "Expected at least 50 MiB free" in refusal
    (tmp_path / "results").rmdir()
    (tmp_path / "kept").rename(tmp_path / "results")
    assert_same(tmp_path, undisturbed)


def test_nothing_is_left_behind(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    variables = environment(tmp_path) | {"TMPDIR": str(scratch), "RAY_TMPDIR": "/tmp/r" + tmp_path.name[-3:]}
    Path(variables["RAY_TMPDIR"]).mkdir(exist_ok=True)
    try:
        words = command("challenge1", "--name", "sweep", "--smoke", "--approaches", "pixel_baseline")
        done = subprocess.run(
            words, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert [each for each in psutil.process_iter() if variables["RAY_TMPDIR"] in title(each)] == []
        # Torch keeps a cache of its own there, under a name that does not change.
        assert [path.name for path in scratch.iterdir() if not path.name.startswith("torchinductor_")] == []
        assert not list(Path(variables["RAY_TMPDIR"]).glob("ray/session_2*"))
    finally:
        shutil.rmtree(variables["RAY_TMPDIR"])

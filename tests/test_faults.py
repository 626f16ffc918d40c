"""Faults of processes and disks: real kills, signals and full disks."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient

from commands import ROOT, command, environment, run, start, terminal, title, wait_for, wait_for_seeds
from faults import (
    TINY,
    assert_same,
    journal_counts,
    kill_group,
    kill_workers,
    mlflow_rows,
    resume,
    table,
    uri_of,
    wait_for_confirmation,
)

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("with_database")]


# The driver.


def go_on(folder):
    """Begin the sweep, or go on with it."""
    has_begun = (folder / "results/sweep/study.journal").exists()
    return ["--resume", "sweep", "--workers", "1"] if has_begun else ["--name", "sweep", *TINY]


def test_kill_9_of_the_driver_again_and_again(tmp_path, undisturbed):
    for moment in (3, 40, 60, "confirming"):
        driver = start(tmp_path, "challenge1", *go_on(tmp_path))
        if moment == "confirming":
            wait_for_confirmation(tmp_path)
        else:
            wait_for_seeds(tmp_path, moment)
        kill_group(driver)
    resume(tmp_path)
    assert_same(tmp_path, undisturbed)


def die_in_a_line(folder, writes):
    """The driver is killed in the middle of the so-manieth piece that it writes into the journal."""
    _, script, *arguments = command("challenge1", *go_on(folder))
    died = subprocess.run(
        [sys.executable, ROOT / "tests/dying_driver.py", str(writes), script, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert not (folder / "results/sweep/study.journal").read_bytes().endswith(b"\n")


def test_kill_9_in_the_first_line_of_the_journal(tmp_path):
    """Nothing had begun that could go on."""
    die_in_a_line(tmp_path, 1)
    assert "it had not begun" in run(tmp_path, "challenge1", "--resume", "sweep").stderr


def test_kill_9_in_the_middle_of_a_line_of_the_journal(tmp_path, undisturbed):
    """While the sweep draws parameters, while it searches, and late."""
    for writes in (9, 40, 60):
        die_in_a_line(tmp_path, writes)
    resume(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_a_signal_to_everything_ray_s_processes_too(tmp_path, undisturbed):
    """As a batch system sends it. Ray's processes stay, so that the driver can end in order."""
    for sent, code, seeds in (
        (signal.SIGTERM, 143, 4),
        (signal.SIGUSR1, 138, 12),
        (signal.SIGHUP, 129, 20),
        (signal.SIGINT, 130, None),
    ):
        driver = start(tmp_path, "challenge1", *go_on(tmp_path))
        if seeds is None:
            wait_for_confirmation(tmp_path)
        else:
            wait_for_seeds(tmp_path, seeds)
        for each in [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(sent)
        printed, complaint = driver.communicate(timeout=60)
        assert driver.returncode == code, complaint
        assert complaint.count("--resume sweep") == 1
        assert "Traceback" not in printed + complaint
    resume(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_the_terminal_is_closed(tmp_path, undisturbed):
    ours, theirs, own = terminal()
    driver = subprocess.Popen(
        command("challenge1", "--name", "sweep", *TINY), cwd=tmp_path, env=environment(tmp_path), **own
    )
    os.close(theirs)
    os.set_blocking(ours, False)

    def read_on():
        with suppress(BlockingIOError):
            os.read(ours, 1 << 16)
        return sum(journal_counts(tmp_path).values()) >= 10

    wait_for((tmp_path / "results/sweep/study.journal").exists)
    wait_for(read_on)
    os.close(ours)
    assert driver.wait(60) == 129
    assert {"seeds.csv", "trials.csv", "summary.json", "report.html"} <= {
        path.name for path in (tmp_path / "results/sweep").iterdir()
    }
    assert len(table(tmp_path, "seeds")) >= 10
    resume(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_ctrl_c_twice_ends_at_once(tmp_path, undisturbed):
    for seeds, pause in ((15, 0.05), (30, 0.7), (45, 2.5)):
        driver = start(tmp_path, "challenge1", *go_on(tmp_path))
        wait_for_seeds(tmp_path, seeds)
        driver.send_signal(signal.SIGINT)
        time.sleep(pause)
        begin = time.monotonic()
        driver.send_signal(signal.SIGINT)
        driver.wait(timeout=60)
        assert time.monotonic() - begin < 5
        printed, complaint = driver.communicate(timeout=60)
        assert driver.returncode == 130
        assert "Go on with:\n    python sweeps/challenge1.py --workers 1 --resume sweep\n" in complaint
        assert "Traceback" not in printed + complaint
    resume(tmp_path)
    assert_same(tmp_path, undisturbed)


def test_ctrl_c_twice_ends_at_once_also_when_nobody_reads_what_it_says(tmp_path):
    """As in `... 2>&1 | tee log`, where the first one has ended `tee`."""
    driver = start(tmp_path, "challenge1", "--name", "sweep", *TINY)
    wait_for_seeds(tmp_path, 10)
    driver.stdout.close()
    driver.stderr.close()
    driver.send_signal(signal.SIGINT)
    time.sleep(0.3)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=30) == 130


def test_a_second_driver_is_refused_and_the_first_one_goes_on(tmp_path, undisturbed):
    driver = start(tmp_path, "challenge1", "--name", "sweep", *TINY)
    wait_for_seeds(tmp_path, 5)
    second = run(tmp_path, "challenge1", "--resume", "sweep")
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "another process holds" in second.stderr
    driver.communicate(timeout=120)
    assert driver.returncode == 0
    assert_same(tmp_path, undisturbed)


# The workers.


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


# Disks.


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

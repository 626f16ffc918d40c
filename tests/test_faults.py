"""Faults of the driver: real kills and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from commands import ROOT, command, environment, run, start, terminal, title, wait_for, wait_for_seeds
from faults import (
    TINY,
    assert_same,
    journal_counts,
    kill_group,
    resume,
    table,
    wait_for_confirmation,
)

pytestmark = [pytest.mark.fault, pytest.mark.usefixtures("with_database")]


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
    """Nothing had begun that could go on, and its name is free again."""
    die_in_a_line(tmp_path, 1)
    assert "it had not begun" in run(tmp_path, "challenge1", "--resume", "sweep").stderr
    assert run(tmp_path, "challenge1", "--name", "sweep", *TINY, "--dry-run").returncode == 0


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


def wait_for_ray(driver, until="gcs_server"):
    """Until that one of Ray's processes is there."""
    wait_for(lambda: any(until in title(each) for each in psutil.Process(driver.pid).children(recursive=True)))


def wait_until_gone(processes):
    wait_for(lambda: not [each for each in processes if each.is_running() and title(each)], 20)


def folders_of_ray(driver, since):
    """Those of this driver, and not of an earlier one that had its number."""
    return [path for path in Path("/tmp/ray").glob(f"session_*_{driver.pid}") if path.stat().st_ctime >= since]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_ray_starts_ahead_leaves_nothing(tmp_path, sent, code):
    """Amid the start of Ray, amid imports, amid the checks of the images."""
    for number, seconds in enumerate((0, 0.4, 1, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        begin = time.time()
        driver = start(folder, "challenge1", "--name", "sweep", *TINY)
        wait_for_ray(driver)
        time.sleep(seconds)
        below = psutil.Process(driver.pid).children(recursive=True)
        driver.send_signal(sent)
        printed, complaint = driver.communicate(timeout=60)
        assert driver.returncode == code, complaint
        assert "Traceback" not in printed + complaint
        wait_until_gone(below)
        assert not folders_of_ray(driver, begin)


def wait_for_imports(driver):
    """Until Ray has started and the driver imports PyTorch."""
    maps = Path(f"/proc/{driver.pid}/maps")
    wait_for(lambda: "libtorch" in maps.read_text())


def test_ctrl_c_while_a_ray_that_started_ahead_hangs(tmp_path):
    driver = start(tmp_path, "challenge1", "--name", "sweep", *TINY)
    wait_for_imports(driver)
    below = psutil.Process(driver.pid).children(recursive=True)
    for each in below:
        each.suspend()
    driver.send_signal(signal.SIGINT)
    time.sleep(0.5)
    driver.send_signal(signal.SIGINT)
    printed, complaint = driver.communicate(timeout=30)
    assert (driver.returncode, printed) == (130, ""), complaint
    wait_until_gone(below)


def test_a_ray_that_does_not_start_ahead_is_started_again(tmp_path, undisturbed):
    driver = start(tmp_path, "challenge1", "--name", "sweep", *TINY)
    wait_for_ray(driver, "/raylet/raylet")
    for each in psutil.Process(driver.pid).children():
        if "/raylet/raylet" in title(each):
            each.kill()
    _, complaint = driver.communicate(timeout=180)
    assert driver.returncode == 0, complaint
    assert_same(tmp_path, undisturbed)


@pytest.mark.parametrize("hangs", [False, True])
def test_images_that_are_refused_once_ray_has_started(tmp_path, hangs):
    """What is wrong is said first, and with its code the command ends, whether Ray does or not."""
    images = np.arange(24 * 28 * 28, dtype=np.uint8).reshape(24, 28, 28)
    np.savez(tmp_path / "one.npz", train_images=images, train_labels=np.zeros(24, np.uint8))
    begin = time.time()
    driver = start(tmp_path, "challenge1", "--dataset", "one.npz")
    wait_for_imports(driver)
    below = psutil.Process(driver.pid).children(recursive=True)
    if hangs:
        for each in below:
            each.suspend()
    printed, complaint = driver.communicate(timeout=60)
    assert (driver.returncode, printed, complaint.count("\n")) == (2, "", 1)
    assert "class" in complaint
    wait_until_gone(below)
    assert hangs or not folders_of_ray(driver, begin)
    assert not (tmp_path / "results").exists()


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

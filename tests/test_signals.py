"""What ends a command, and what does not, by real signals, closed terminals and readers that have gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import ROOT, terminal, wait_for

# A command that waits for a signal as a sweep does, and takes its time to end.
COMMAND = """
import sys, time
from pathlib import Path
from sweeps.core.signals import ENDED_BY, Signals, exit_code

def sweep():
    signals = Signals()
    signals.listen()
    signals.last_words = "The way on."
    Path("begun").touch()
    try:
        while not Path("enough").exists():
            signals.stop_if_one_came()
            print("Some progress." * 100, flush=True)
            time.sleep(0.01)
        return 0
    except tuple(ENDED_BY) as signalled:
        Path("stopping").touch()
        while not Path("ended").exists():
            time.sleep(0.01)
        print("The table.")
        print("The way on.", file=sys.stderr)
        Path("written").touch()
        return ENDED_BY[type(signalled)]
    finally:
        signals.restore()

sys.exit(exit_code("sweep", sweep))
"""


def begin(folder, *before, **how):
    """The command, once it listens."""
    how = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, **how}
    words = [*before, sys.executable, "-c", COMMAND]
    running = subprocess.Popen(words, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, **how)
    wait_for((folder / "begun").exists, 60)
    return running


def end(folder, running):
    """Let it come to its end; its exit code, and what it said."""
    (folder / "ended").touch()
    _, complaint = running.communicate(timeout=60)
    return running.returncode, complaint


@pytest.mark.parametrize(
    ("sent", "code", "again"),
    [
        (signal.SIGINT, 130, " (Again: at once.)"),
        (signal.SIGTERM, 143, " (Again: at once.)"),
        (signal.SIGHUP, 129, ""),
        (signal.SIGUSR1, 138, ""),
    ],
)
def test_each_signal_lets_it_end_in_order(sent, code, again, tmp_path):
    running = begin(tmp_path)
    running.send_signal(sent)
    wait_for((tmp_path / "stopping").exists, 60)
    assert end(tmp_path, running) == (code, f"\nStopping; what is finished is saved.{again}\nThe way on.\n")


@pytest.mark.parametrize("sent", [signal.SIGHUP, signal.SIGUSR1])
def test_what_machines_send_twice_does_not_end_it_at_once_but_a_person_does(sent, tmp_path):
    running = begin(tmp_path)
    for each in (sent, signal.SIGHUP, signal.SIGUSR1):
        running.send_signal(each)
        wait_for((tmp_path / "stopping").exists, 60)
        time.sleep(0.1)
        assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    _, complaint = running.communicate(timeout=60)
    assert (running.returncode, complaint.endswith("\nThe way on.\n")) == (128 + sent, True)
    assert not (tmp_path / "written").exists()


def test_nohup_stays_in_force(tmp_path):
    running = begin(tmp_path, "nohup")
    running.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert not (tmp_path / "stopping").exists()
    (tmp_path / "enough").touch()
    assert end(tmp_path, running)[0] == 0


def test_a_terminal_that_closes_keeps_nothing_from_being_written(tmp_path):
    ours, theirs, own = terminal()
    running = begin(tmp_path, **own)
    os.close(theirs)
    os.read(ours, 1000)
    os.close(ours)
    wait_for((tmp_path / "stopping").exists, 60)
    assert end(tmp_path, running)[0] == 129
    assert (tmp_path / "written").exists()


def test_a_reader_that_has_gone_ends_nothing(tmp_path):
    """As in `... 2>&1 | tee log` without its `tee`."""
    running = begin(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    running.stdout.read(100)
    running.stdout.close()
    time.sleep(0.3)
    running.send_signal(signal.SIGTERM)
    wait_for((tmp_path / "stopping").exists, 60)
    (tmp_path / "ended").touch()
    assert running.wait(60) == 143
    assert (tmp_path / "written").exists()


def test_a_full_disk_is_not_taken_for_one():
    code = "from sweeps.core.output import print_for_whoever_reads; print_for_whoever_reads(); print('x', flush=True)"
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert told.returncode != 0
    assert "No space left on device" in told.stderr

"""Commands that end before a sweep does, or begin none: real processes, real Ray, real signals."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path

import pandas as pd
import psutil
import pytest

from commands import run_here, start, title, wait_for, wait_for_seeds

pytestmark = pytest.mark.slow
TINY = shlex.split("--dataset phantom --approaches pixel_baseline starter_cnn --num-samples 5 --seeds 6")


def test_an_interrupted_sweep_says_how_to_go_on(tmp_path, with_database):
    """By SIGUSR1; by SIGTERM: below; by Ctrl-C: tests/test_reproduce.py."""
    driver = start(tmp_path, "challenge1", "--name", "sweep", *TINY, "--robustness", "off")
    wait_for_seeds(tmp_path, 8)
    driver.send_signal(signal.SIGUSR1)
    printed, complaint = driver.communicate(timeout=60)
    assert driver.returncode == 138, complaint
    # A slow machine prints a line of progress now and then.
    assert re.sub(r"^(Search|Intensify|Confirm|Changed): \d+ of .*\n", "", complaint, flags=re.M) == (
        "\nStopping; what is finished is saved.\n"
        "\nNot finished; everything so far is saved. Go on with:\n    python sweeps/challenge1.py --resume sweep\n"
    )
    assert "Traceback" not in complaint
    assert "Traceback" not in printed
    assert len(pd.read_csv(tmp_path / "results/sweep/seeds.csv")) >= 8


@pytest.mark.parametrize("loaded", ["numpy", "libtorch", "_raylet"])
def test_ctrl_c_while_all_is_imported_shows_no_traceback(tmp_path, loaded):
    driver = start(tmp_path, "challenge1", "--name", "sweep", *TINY)
    maps = Path(f"/proc/{driver.pid}/maps")
    wait_for(lambda: loaded in maps.read_text())
    driver.send_signal(signal.SIGINT)
    printed, complaint = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "Traceback" not in printed + complaint


def test_sigterm_while_ray_starts_finds_nothing_to_save(tmp_path):
    driver = start(tmp_path, "challenge1", "--name", "sweep", *TINY)
    wait_for(lambda: any("gcs_server" in title(each) for each in psutil.Process(driver.pid).children()))
    driver.send_signal(signal.SIGTERM)
    printed, complaint = driver.communicate(timeout=60)
    assert (driver.returncode, printed) == (143, "")
    assert complaint.strip() == "Stopping; what is finished is saved. (Again: at once.)"
    assert not (tmp_path / "results").exists()


def test_an_unreachable_tracking_server_starts_nothing(tmp_path):
    refused = run_here(tmp_path, "challenge1", *TINY, "--tracking-uri", "http://127.0.0.1:9")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "nothing answers there" in refused.stderr
    assert list(tmp_path.glob("results/*")) == []


def test_list_and_dry_run_write_nothing(tmp_path):
    listed = run_here(tmp_path, "challenge1", "--list")
    planned = run_here(tmp_path, "challenge1", *TINY, "--dry-run")
    assert (listed.returncode, planned.returncode) == (0, 0)
    assert "study: published 82.75 +- 3.63 % over 50 seeds" in listed.stdout
    assert "In all about" in planned.stdout
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "mlflow.db").exists()

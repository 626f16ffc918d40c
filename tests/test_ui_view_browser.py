"""The saved view of a sweep, opened in a real browser, where there is one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from sweeps.tracking.environment import VARIABLES
from sweeps.tracking.links import plain_table
from tracked import store, track, trial

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Charts are drawn only where they can be seen.
    "--window-size=1900,1800",
    # Milliseconds of the page's own clock, which stands while the page waits for the server.
    "--virtual-time-budget=20000",
    "--dump-dom",
)
START_SECONDS, PAGE_SECONDS, TRIES = 120.0, 120.0, 5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(BROWSER is None, reason="There is no Chromium here."),
]


@pytest.fixture(scope="module")
def links(tmp_path_factory):
    """The links of a sweep of three trials to a server that runs."""
    folder = tmp_path_factory.mktemp("browser")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    confirmed = trial(0, stage="confirm", of_trial=1)
    tracker = track(folder, trial(0), trial(1, seeds=2), trial(2, state="PRUNED"), confirmed)
    assert tracker.trouble is None
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mlflow",
            "ui",
            "--backend-store-uri",
            store(folder),
            "--port",
            str(port),
            "--workers=1",
        ],
        cwd=folder,
        env={**os.environ, **{each.name: each.value for each in VARIABLES}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        _, *lines = tracker.where_to_look()
        yield [line.split(maxsplit=2)[-1].replace(":5000", f":{port}") for line in lines]
    finally:
        # The server's own session, with its workers.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(address, server):
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, "MLflow's server ended."
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail("MLflow's server did not start.")


def opened(link, folder, wanted):
    """What the page holds when all that is wanted is there, or in the end."""
    text = ""
    for number in range(TRIES):
        command = [BROWSER, *FLAGS, f"--user-data-dir={folder / str(number)}", link]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PAGE_SECONDS, check=True)
        text = done.stdout
        if all(each in text for each in wanted):
            break
    return text


def missing(link, folder, wanted):
    text = opened(link, folder, wanted)
    return [each for each in wanted if each not in text]


def test_the_table_has_the_columns_and_the_trials(links, tmp_path):
    columns = [f"confirmed_accuracy_{end}" for end in ("mean", "ci_low", "ci_high")]
    columns += ["accuracy_mean", "n_seeds", "learning_rate"]
    assert missing(links[0], tmp_path, ["t000-a", "t001-a", "t002-a", "Sweep sweep", *columns]) == []


def test_what_is_confirmed_comes_first(links, tmp_path):
    text = opened(links[0], tmp_path, ["t000-a", "t001-a"])
    assert -1 < text.find("t001-a") < text.find("t000-a")


def test_the_charts_have_our_section_with_the_trials(links, tmp_path):
    wanted = ["t000-a", "Sweep sweep (a step is a seed)", "log10_learning_rate", "seed/accuracy"]
    assert missing(links[1], tmp_path, wanted) == []


def test_the_plain_table_has_the_trials_but_not_those_columns(links, tmp_path):
    """What the view is for; once MLflow shows these columns by itself, the view can go."""
    text = opened(links[0].partition("runs?")[0] + plain_table("abc"), tmp_path, ["t000-a"])
    assert "t000-a" in text
    assert "accuracy_ci_low" not in text

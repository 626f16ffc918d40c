"""What is promised when something dies, fills up or goes away: what the tests of it share.

Every sweep must end with exactly the numbers of the same sweep undisturbed, nothing lost and nothing twice, in the
journal, in the tables and in MLflow.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections import Counter
from contextlib import suppress

import pandas as pd
import psutil
from mlflow import MlflowClient

from commands import run, wait_for, workers_below

# Two approaches; TPE, which looks at what came before, with enough configurations that it suggests some; and one
# worker, with which the order is always the same.
TINY = shlex.split(
    "--dataset phantom --approaches pixel_baseline starter_cnn --num-samples 12 --seeds 4 --confirm-seeds 7 "
    "--sampler tpe --set starter_cnn.steps=30..35 --robustness off --workers 1"
)
NEVER_SAME = ["seconds", "timestamp_ms"]


def table(folder, name):
    frame = pd.read_csv(folder / "results/sweep" / f"{name}.csv")
    return frame.drop(columns=[column for column in NEVER_SAME if column in frame])


def seconds_of_seeds(folder):
    """From the first finished seed to the last."""
    stamps = pd.read_csv(folder / "results/sweep/seeds.csv")["timestamp_ms"]
    return (stamps.max() - stamps.min()) / 1000


def journal_counts(folder):
    """How often each seed of each trial was written into the journal."""
    lines = [json.loads(line) for line in (folder / "results/sweep/study.journal").read_text().splitlines()]
    return Counter(
        (line["trial_id"], key)
        for line in lines
        for key in line.get("user_attr", {})
        if "trial_id" in line and key.startswith("seed:")
    )


def mlflow_rows(uri):
    """Every metric of every run but times, and each run's status, by the run's key without the sweep's own id."""
    client = MlflowClient(uri)
    (experiment,) = [each for each in client.search_experiments() if each.name.startswith("seedsweep")]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    found = {}
    for each in runs:
        key = each.data.tags["sweep.key"].partition(":")[2]
        assert key not in found, f"{key} is there twice"
        history = client.get_metric_history(each.info.run_id, "seed/accuracy")
        metrics = {name: value for name, value in each.data.metrics.items() if "seconds" not in name}
        found[key] = (each.info.status, metrics, sorted((point.step, point.value) for point in history))
    return found


def uri_of(folder):
    return f"sqlite:///{folder}/mlflow.db"


def run_undisturbed(folder):
    """A sweep that nothing happens to; its folder."""
    done = run(folder, "challenge1", "--name", "sweep", *TINY)
    assert done.returncode == 0, done.stderr
    return folder


def assert_same(folder, undisturbed, uri=None):
    """As if nothing had happened."""
    for name in ("seeds", "trials"):
        pd.testing.assert_frame_equal(table(folder, name), table(undisturbed, name), check_exact=True)
    assert set(journal_counts(folder).values()) == {1}
    assert mlflow_rows(uri or uri_of(folder)) == mlflow_rows(uri_of(undisturbed))


def resume(folder, *more, code=0):
    done = run(folder, "challenge1", "--resume", "sweep", "--workers", "1", *more)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done


def wait_for_confirmation(folder):
    journal = folder / "results/sweep/study.journal"
    wait_for(lambda: journal.exists() and journal.read_bytes().count(b":test") >= 2)


def kill_group(driver):
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()


def kill_workers(driver):
    """All that train now."""
    wait_for(lambda: workers_below(driver.pid))
    for worker in workers_below(driver.pid):
        with suppress(psutil.Error):
            worker.kill()

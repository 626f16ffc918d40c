"""Sweeps that are only written to MLflow: what the tests of tracking share."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from made_up import SPEC
from sweeps.store.trials import TrialRecord
from sweeps.tracking.sweep_run import SweepEnd, SweepRun
from sweeps.tracking.tracker import Tracker
from trainables.parts.protocol import VALIDATION
from trainables.parts.results import SeedResult

BEGUN_MS, ENDED_MS = 1_700_000_000_000, 1_700_000_009_000


def trial(number=0, state="COMPLETE", seeds=3, **more):
    results = tuple(
        SeedResult(
            seed=seed,
            split=VALIDATION,
            seconds=0.5,
            timestamp_ms=BEGUN_MS + seed,
            accuracy=0.7 + seed % 10 / 10,
            balanced_accuracy=0.7,
            auroc=0.8,
            sensitivity=0.6,
            specificity=0.8,
            brier=1 / 7,
        )
        for seed in range(1000, 1000 + seeds)
    )
    common = {"approach": "a", "stage": "search", "params": {"learning_rate": 0.00123456789}, "reason": None}
    return TrialRecord(
        **{**common, "of_trial": None, **more},
        number=number,
        state=state,
        results=results,
        started_ms=BEGUN_MS,
        ended_ms=ENDED_MS,
    )


def sweep_run(folder, **more):
    common = {
        "folder": folder / "results" / "sweep",
        "journal_id": "abc",
        "begun_ms": BEGUN_MS,
        "experiment": "seedsweep test",
        "tags": {"num_samples": "1"},
        "params": {"seeds": "3"},
        "shared_tags": {"images": "phantom"},
        "approach_tags": {"a": {"weights": "random"}},
        "spec": SPEC,
        "examples": [{"learning_rate": 0.1}],
    }
    return SweepRun(**{**common, **more})


def store(folder):
    return f"sqlite:///{folder}/mlflow.db"


def track(folder, *trials, uri=None, patience=60.0, exit_code=0, files=(), **more):
    """Write these trials and the sweep's end; the tracker, which has closed."""
    tracker = Tracker(uri or store(folder), sweep_run(folder, **more))
    for each in trials:
        tracker.push(each)
    metrics = {"a.confirmed_accuracy_mean": 0.8}
    end = SweepEnd(exit_code=exit_code, metrics=metrics, note="note", files=files, ended_ms=ENDED_MS)
    tracker.close(end, patience=patience)
    # It may be slow to give up; two that write to the same store at the same time are not what is tested.
    tracker._thread.join()
    return tracker


def runs(folder: Path, role="trial"):
    client = MlflowClient(store(folder))
    experiment = client.get_experiment_by_name("seedsweep test")
    return client.search_runs([experiment.experiment_id], filter_string=f"tags.role = '{role}'")

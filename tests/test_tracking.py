"""What MLflow gets, from a real sqlite store, and what happens when it does not take it."""

from __future__ import annotations

import math
import sqlite3

import pytest
from mlflow import MlflowClient

from sweeps import mlflow_runs, tracking
from sweeps.record import TrialRecord
from trainables.protocol import TEST, VALIDATION, SeedResult

pytestmark = pytest.mark.slow


def trial(number=0, state="COMPLETE", seeds=3, **more):
    results = tuple(
        SeedResult(
            seed=seed,
            split=VALIDATION,
            seconds=0.5,
            timestamp_ms=1_700_000_000_000 + seed,
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
        started_ms=1_700_000_000_000,
        ended_ms=1_700_000_009_000,
    )


def track(folder, *trials, uri=None, sweep_id="abc", patience=60.0):
    tracker = tracking.Tracking(
        uri or f"sqlite:///{folder}/mlflow.db",
        folder=folder / "results" / "sweep",
        sweep_id=sweep_id,
        begun_ms=1_700_000_000_000,
        sweep_tags={"num_samples": "1"},
        experiment="seedsweep test",
        tags={"images": "phantom"},
        approach_tags={"a": {"weights": "random"}},
        params={"command": "python test"},
        test_counts=(234, 390),
        examples=[{"learning_rate": 0.1}],
    )
    for each in trials:
        tracker.push(each)
    tracker.close(
        "FINISHED", {"a.confirmed_accuracy_mean": 0.8}, "note", [], ended_ms=1_700_000_009_000, patience=patience
    )
    return tracker


def runs(folder, role="trial"):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("seedsweep test")
    return client.search_runs([experiment.experiment_id], filter_string=f"tags.role = '{role}'")


def rows(folder):
    counts = []
    with sqlite3.connect(folder / "mlflow.db") as opened:
        for table in ("runs", "metrics", "params"):
            counts += opened.execute(f"select count(*) from {table}").fetchone()
    return counts


def test_a_run_reads_well(tmp_path):
    tracker = track(tmp_path, trial())
    assert (tracker.trouble, tracker.written) == (None, 1)
    (run,) = runs(tmp_path)
    assert run.data.params == {"approach": "a", "learning_rate": "0.001235", "log10_learning_rate": "-2.91"}
    assert run.data.metrics["accuracy_mean"] == 0.8
    assert run.data.metrics["accuracy_sd"] == 0.1
    assert run.data.metrics["n_seeds"] == 3
    assert run.data.metrics["seed/brier"] == 0.142857
    assert run.data.tags["images"] == "phantom"
    assert run.data.tags["weights"] == "random"
    assert "rerun.py" in run.data.tags["mlflow.note.content"]
    assert (run.info.status, run.info.start_time, run.info.end_time) == (
        "FINISHED",
        1_700_000_000_000,
        1_700_000_009_000,
    )


@pytest.mark.parametrize(("state", "status"), [("PRUNED", "KILLED"), ("FAIL", "FAILED")])
def test_what_is_not_complete_cannot_be_ranked(tmp_path, state, status):
    track(tmp_path, trial(state=state, reason="so it was"))
    (run,) = runs(tmp_path)
    assert run.info.status == status
    assert run.data.tags["reason"] == "so it was"
    assert "accuracy_mean" not in run.data.metrics
    assert run.data.metrics["partial_accuracy_mean"] == 0.8


def test_writing_again_adds_nothing(tmp_path):
    track(tmp_path, trial(0), trial(1))
    before = rows(tmp_path)
    assert track(tmp_path, trial(0), trial(1)).written == 0
    assert rows(tmp_path) == before


def test_a_run_that_was_made_twice_is_there_once_in_the_end(tmp_path, monkeypatch):
    """A server that answers too late makes a run that nobody knows of."""
    create = MlflowClient.create_run

    def twice(self, *arguments, **more):
        create(self, *arguments, **more)
        return create(self, *arguments, **more)

    monkeypatch.setattr(MlflowClient, "create_run", twice)
    assert track(tmp_path, trial(0), trial(1)).trouble is None
    assert [run.info.status for run in runs(tmp_path)] == ["FINISHED"] * 2
    assert [run.info.status for run in runs(tmp_path, "sweep")] == ["FINISHED"]


def test_the_run_that_has_the_trials_stays_when_its_double_comes_late(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "RETRY_SECONDS", 0.0)
    create, write, late = MlflowClient.create_run, tracking._Writer.write, []

    def too_late(self, *arguments, tags, **more):
        if not late and tags["role"] == "sweep":
            late.append((arguments, {"tags": tags, **more}))
            raise OSError("no answer")
        return create(self, *arguments, tags=tags, **more)

    def cut(self, trial):
        if trial.number == 1 and len(late) == 1:
            # Now it is there after all, and the writer must look anew.
            arguments, more = late[0]
            # MLflow lists the later one first.
            more["start_time"] += 1
            late.append(create(self.client, *arguments, **more))
            raise OSError("no answer again")
        return write(self, trial)

    monkeypatch.setattr(MlflowClient, "create_run", too_late)
    monkeypatch.setattr(tracking._Writer, "write", cut)
    assert track(tmp_path, trial(0), trial(1)).trouble is None
    (sweep,) = runs(tmp_path, "sweep")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs(tmp_path)} == {sweep.info.run_id}
    assert late[1].info.run_id != sweep.info.run_id


def test_another_sweep_of_the_same_name_has_its_own_runs(tmp_path):
    track(tmp_path, trial(0))
    assert track(tmp_path, trial(0), sweep_id="def").written == 1
    assert len(runs(tmp_path)) == 2


def test_a_run_cut_off_in_the_middle_is_completed_without_doubles(tmp_path, monkeypatch):
    whole = dict(mlflow_runs.STATUS)
    monkeypatch.setattr(mlflow_runs, "STATUS", {})
    cut = track(tmp_path, trial(), patience=4.0)
    assert cut.trouble
    monkeypatch.setattr(mlflow_runs, "STATUS", whole)
    assert track(tmp_path, trial()).trouble is None
    (run,) = runs(tmp_path)
    assert run.info.status == "FINISHED"
    history = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").get_metric_history(run.info.run_id, "seed/accuracy")
    assert sorted(metric.step for metric in history) == [1000, 1001, 1002]


def test_what_mlflow_did_not_take_is_offered_again_and_said_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tracking, "RETRY_SECONDS", 0.0)
    write, failures = tracking._Writer.write, [OSError("away"), OSError("still away")]

    def unreliable(self, trial):
        if failures:
            raise failures.pop()
        return write(self, trial)

    monkeypatch.setattr(tracking._Writer, "write", unreliable)
    tracker = track(tmp_path, trial(0), trial(1), trial(2))
    assert tracker.trouble is None
    assert len(runs(tmp_path)) == 3
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" now ")[0].split(",")[0] for line in said] == ["MLflow takes nothing", "MLflow is back"]


def test_trouble_is_said_and_stops_nothing(tmp_path):
    tracker = track(tmp_path, trial(), uri="http://127.0.0.1:9", patience=4.0)
    assert "\n" not in tracker.trouble
    assert tracker.where_to_look() == []


def test_a_number_that_is_not_finite_never_reaches_mlflow():
    assert all(math.isfinite(value) for value in mlflow_runs.aggregates(trial(seeds=1), (234, 390)).values())
    assert mlflow_runs.aggregates(trial(seeds=0), (234, 390)) == {"n_seeds": 0.0, "seconds": 0.0}


def test_confirmation_has_test_metrics_under_their_own_names(tmp_path):
    confirmed = trial(stage="confirm", of_trial=7)
    on_test = tuple(SeedResult(**{**vars(result), "split": TEST, "accuracy": 0.5}) for result in confirmed.results)
    both = TrialRecord(**{**vars(confirmed), "results": confirmed.results + on_test})
    track(tmp_path, both)
    (run,) = runs(tmp_path, "confirmation")
    assert run.data.tags["mlflow.runName"] == "t007-a-confirmed"
    assert (run.data.metrics["accuracy_mean"], run.data.metrics["test_accuracy_mean"]) == (0.8, 0.5)

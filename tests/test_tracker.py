"""What MLflow gets, from a real sqlite store, and what happens when it does not take it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import sqlite3
import zlib
from dataclasses import replace

import pytest
from mlflow import MlflowClient

from made_up import SPEC
from sweeps.tracking import tracker as tracker_module
from sweeps.tracking import trial_runs, ui_view
from sweeps.tracking.writer import Writer
from sweeps.tracking.writer_process import WriterProcess
from tracked import BEGUN_MS, runs, store, track, trial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A store that MLflow has made, which takes it seconds."""
    folder = tmp_path_factory.mktemp("empty")
    MlflowClient(store(folder)).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def here(tmp_path, empty, monkeypatch):
    """A folder with a store, in which artifacts are put, too."""
    shutil.copy(empty, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(folder):
    counts = []
    with sqlite3.connect(folder / "mlflow.db") as opened:
        for table in ("runs", "metrics", "params"):
            counts += opened.execute(f"select count(*) from {table}").fetchone()
    return counts


def test_a_run_reads_well(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
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
def test_what_is_not_complete_cannot_be_ranked(here, state, status):
    track(here, trial(state=state, reason="so it was"))
    (run,) = runs(here)
    assert run.info.status == status
    assert run.data.tags["reason"] == "so it was"
    assert "accuracy_mean" not in run.data.metrics
    assert run.data.metrics["partial_accuracy_mean"] == 0.8


def test_writing_again_adds_nothing(here):
    track(here, trial(0), trial(1))
    before = rows(here)
    assert track(here, trial(0), trial(1)).written == 0
    assert rows(here) == before


def test_a_run_that_was_made_twice_is_there_once_in_the_end(here, monkeypatch):
    """A server that answers too late makes a run that nobody knows of."""
    create = MlflowClient.create_run

    def twice(self, *arguments, **more):
        create(self, *arguments, **more)
        return create(self, *arguments, **more)

    monkeypatch.setattr(MlflowClient, "create_run", twice)
    assert track(here, trial(0), trial(1)).trouble is None
    assert [run.info.status for run in runs(here)] == ["FINISHED"] * 2
    assert [run.info.status for run in runs(here, "sweep")] == ["FINISHED"]


def test_the_run_that_has_the_trials_stays_when_its_double_comes_late(here, monkeypatch):
    monkeypatch.setattr(tracker_module, "RETRY_SECONDS", 0.0)
    create, write, late = MlflowClient.create_run, Writer.write, []

    def too_late(self, *arguments, tags, **more):
        if not late and tags["role"] == "sweep":
            late.append((arguments, {"tags": tags, **more}))
            raise OSError("no answer")
        return create(self, *arguments, tags=tags, **more)

    def cut(self, trial, earlier):
        if trial.number == 1 and len(late) == 1:
            # Now it is there after all, and the writer must look anew.
            arguments, more = late[0]
            # MLflow lists the later one first.
            more["start_time"] += 1
            late.append(create(self.client, *arguments, **more))
            raise OSError("no answer again")
        return write(self, trial, earlier)

    monkeypatch.setattr(MlflowClient, "create_run", too_late)
    monkeypatch.setattr(Writer, "write", cut)
    assert track(here, trial(0), trial(1)).trouble is None
    (sweep,) = runs(here, "sweep")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs(here)} == {sweep.info.run_id}
    assert late[1].info.run_id != sweep.info.run_id


def test_another_sweep_of_the_same_name_has_its_own_runs(here):
    track(here, trial(0))
    assert track(here, trial(0), journal_id="def").written == 1
    assert len(runs(here)) == 2


def test_a_run_cut_off_in_the_middle_is_completed_without_doubles(here, monkeypatch):
    whole = dict(trial_runs.STATUS)
    monkeypatch.setattr(trial_runs, "STATUS", {})
    cut = track(here, trial(), patience=4.0)
    assert cut.trouble
    monkeypatch.setattr(trial_runs, "STATUS", whole)
    assert track(here, trial()).trouble is None
    (run,) = runs(here)
    assert run.info.status == "FINISHED"
    history = MlflowClient(store(here)).get_metric_history(run.info.run_id, "seed/accuracy")
    assert sorted(metric.step for metric in history) == [1000, 1001, 1002]


def test_what_mlflow_did_not_take_is_offered_again_and_said_once(here, monkeypatch, capsys):
    monkeypatch.setattr(tracker_module, "RETRY_SECONDS", 0.0)
    write, failures = Writer.write, [OSError("away"), OSError("still away")]

    def unreliable(self, trial, earlier):
        if failures:
            raise failures.pop()
        return write(self, trial, earlier)

    monkeypatch.setattr(Writer, "write", unreliable)
    tracker = track(here, trial(0), trial(1), trial(2))
    assert tracker.trouble is None
    assert len(runs(here)) == 3
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" now ")[0].split(",")[0] for line in said] == ["MLflow takes nothing", "MLflow is back"]


def test_the_sweeps_own_run_has_its_end_and_its_files_as_they_lie(here):
    folder = here / "results" / "sweep"
    (folder / "plots").mkdir(parents=True)
    for name in ("seeds.csv", "plots/seeds.png"):
        (folder / name).write_text(name)
    track(here, exit_code=130, files=[folder / "seeds.csv", folder / "plots" / "seeds.png"])
    (run,) = runs(here, "sweep")
    assert (run.info.status, run.info.start_time) == ("KILLED", BEGUN_MS)
    assert run.data.params == {"seeds": "3"}
    assert run.data.metrics == {"a.confirmed_accuracy_mean": 0.8}
    assert (run.data.tags["mlflow.note.content"], run.data.tags["num_samples"]) == ("note", "1")
    client = MlflowClient(store(here))
    assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["plots", "seeds.csv"]


def test_an_experiment_that_was_deleted_is_restored_with_its_runs_and_that_is_said(here, capsys):
    track(here, trial(0))
    client = MlflowClient(store(here))
    client.delete_experiment(client.get_experiment_by_name("seedsweep test").experiment_id)
    tracker = track(here, trial(0), trial(1), journal_id="def")
    assert (tracker.trouble, tracker.written) == (None, 2)
    assert len(runs(here)) == 3
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("MLflow's experiment 'seedsweep test' had been deleted. It is restored")


def test_a_process_that_writes_says_too_what_it_restored(here, monkeypatch, capsys):
    track(here)
    client = MlflowClient(store(here))
    client.delete_experiment(client.get_experiment_by_name("seedsweep test").experiment_id)
    monkeypatch.setattr(tracker_module, "MOST_BY_THREAD", -1)
    assert track(here, trial(0)).trouble is None
    assert "had been deleted" in capsys.readouterr().err


def test_a_sweep_s_run_that_was_deleted_is_there_again_with_its_trials(here):
    track(here, trial(0), trial(1))
    client = MlflowClient(store(here))
    (before,) = runs(here, "sweep")
    client.delete_run(before.info.run_id)
    client.delete_run(runs(here)[0].info.run_id)
    # As `--resume` does, with what the journal holds.
    tracker = track(here, trial(0), trial(1), trial(2))
    assert (tracker.trouble, tracker.written) == (None, 2)
    (sweep,) = runs(here, "sweep")
    assert sweep.info.run_id != before.info.run_id
    assert [run.data.tags["mlflow.parentRunId"] for run in runs(here)] == [sweep.info.run_id] * 3


def lucky_and_confirmed():
    """Three configurations of the search, the more seeds the better; the worst two of them confirmed, not in order."""
    searched = [trial(number, seeds=seeds) for number, seeds in enumerate((1, 2, 3))]
    confirmed = [trial(number, seeds=seeds, stage="confirm", of_trial=number) for number, seeds in enumerate((3, 2))]
    return [*searched, *confirmed]


def in_order(folder):
    """The trials as the link of the sweep orders them."""
    client = MlflowClient(store(folder))
    experiment = client.get_experiment_by_name("seedsweep test")
    (view,) = (json.loads(value) for key, value in experiment.tags.items() if "sharedViewState" in key)
    state = json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    found = client.search_runs([experiment.experiment_id], state["searchFilter"], order_by=[order])
    return [run.info.run_name[:4] for run in found]


def test_the_link_orders_by_the_confirmed_mean_and_puts_runs_without_one_after(here):
    trials = lucky_and_confirmed()
    track(here, *trials[:3])
    assert in_order(here) == ["t002", "t001", "t000"]
    tracker = track(here, *trials)
    assert (tracker.trouble, tracker.written) == (None, 2)
    assert in_order(here) == ["t000", "t001", "t002"]
    (best,) = (run for run in runs(here) if run.info.run_name.startswith("t000"))
    assert best.data.metrics["confirmed_accuracy_mean"] == 0.8
    assert best.data.metrics["accuracy_mean"] == 0.7
    before = rows(here)
    track(here, *trials)
    assert rows(here) == before


@pytest.mark.parametrize(("state", "most_by_thread"), [("COMPLETE", 500), ("FAIL", 500), ("COMPLETE", -1)])
def test_the_confirmed_mean_is_of_all_confirmations_of_a_configuration(here, monkeypatch, state, most_by_thread):
    """As when a sweep goes on with more fresh seeds, or after a confirmation lost its workers."""
    monkeypatch.setattr(tracker_module, "MOST_BY_THREAD", most_by_thread)
    whole = trial(seeds=4, stage="confirm", of_trial=0)
    first = replace(whole, state=state, results=whole.results[:3])
    second = replace(whole, number=1, results=whole.results[3:], ended_ms=whole.ended_ms + 1)
    other = replace(first, approach="b")
    track(here, trial(), first)
    tracker = track(here, trial(), first, other, second)
    assert (tracker.trouble, tracker.written) == (None, 2)
    (run,) = runs(here)
    wanted = {name: value for name, value, *_ in trial_runs.of_confirmation(whole, (), SPEC)}
    assert wanted["confirmed_accuracy_mean"] == 0.85
    assert {name: run.data.metrics[name] for name in wanted} == wanted


def test_the_plain_link_orders_so_too(here, monkeypatch):
    monkeypatch.setattr(ui_view, "saved_view", lambda *arguments, **more: None)
    _, table = track(here, *lucky_and_confirmed()).where_to_look()
    assert "orderByKey=metrics.%60confirmed_accuracy_mean%60" in table


def test_a_view_that_cannot_be_made_costs_only_the_view(here, monkeypatch):
    def broken(*_, **more):
        raise KeyError("columns")

    monkeypatch.setattr(ui_view, "saved_view", broken)
    tracker = track(here, trial())
    assert (tracker.trouble, tracker.written) == (None, 1)
    command, table = tracker.where_to_look()
    assert command.startswith("MLflow  mlflow ui")
    assert "searchFilter" in table


def test_a_person_is_told_the_links_of_the_view(here):
    _, table, charts = track(here).where_to_look()
    assert "/#/experiments/1/runs?" in table
    assert "viewStateShareKey" in table
    assert charts == table.replace("best first:", "charts:    ").replace("TABLE", "CHART")


def test_trouble_is_said_and_stops_nothing(here):
    tracker = track(here, trial(), uri="http://127.0.0.1:9", patience=4.0)
    assert "\n" not in tracker.trouble
    assert tracker.where_to_look() == []


def test_a_process_that_writes_a_long_sweep_and_dies_is_started_anew(here, monkeypatch):
    monkeypatch.setattr(tracker_module, "MOST_BY_THREAD", -1)
    monkeypatch.setattr(tracker_module, "RETRY_SECONDS", 0.0)
    write, killed = WriterProcess.write, []

    def dying(self, each, earlier):
        if each.number == 1 and not killed:
            killed.append(self._process.pid)
            os.kill(self._process.pid, signal.SIGKILL)
        return write(self, each, earlier)

    monkeypatch.setattr(WriterProcess, "write", dying)
    tracker = track(here, trial(0), trial(1), trial(2))
    assert tracker.trouble is None
    assert killed
    assert tracker.written == 3
    assert [run.info.status for run in runs(here)] == ["FINISHED"] * 3
    assert [run.info.status for run in runs(here, "sweep")] == ["FINISHED"]

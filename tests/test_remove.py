"""Removing a sweep: its folder and its runs go, after a question; nothing else ever does."""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from commands import ROOT, empty_database, environment, run_here
from made_up import SPEC, START, changed
from sweeps.run import removal
from sweeps.store.journal import Journal
from sweeps.tracking.sweep_run import experiment_of
from tracked import store, track, trial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("with_database")]
EXPERIMENT = experiment_of(SPEC.challenge)


@pytest.fixture
def uri():
    """Where the journal says that MLflow's database is; earlier versions wrote no whole path."""
    return "sqlite:///mlflow.db"


@pytest.fixture
def sweep(tmp_path, monkeypatch, uri):
    """The folder of a sweep, with files as a sweep has them and four runs in MLflow, beside those of another one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "sweep"
    journal = Journal(folder, write=True)
    journal.begin(SPEC, changed(START, {"tracking_uri": uri}))
    (folder / "plots").mkdir()
    for name in ("seeds.csv", "report.html", "plots/history.png"):
        (folder / name).write_text(name)
    for beside in ("features", "other"):
        (folder.parent / beside).mkdir()
    (folder.parent / "test-openings.jsonl").write_text("")
    track(tmp_path, trial(0), trial(1), trial(2), journal_id=journal.id, experiment=EXPERIMENT)
    track(tmp_path, trial(0), journal_id="other", experiment=EXPERIMENT)
    journal.close()
    return folder


def runs(folder):
    client = MlflowClient(store(folder))
    return client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])


def contents(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def refused(tmp_path, *arguments):
    """What it says; everything is as it was."""
    before = contents(tmp_path / "results"), len(runs(tmp_path))
    done = run_here(tmp_path, "remove", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done
    assert (contents(tmp_path / "results"), len(runs(tmp_path))) == before
    return done.stderr


def test_a_sweep_goes_with_its_runs_and_nothing_else_does(tmp_path, sweep):
    done = run_here(tmp_path, "remove", "results/sweep", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    first, runs_there, *_ = done.stdout.splitlines()
    assert first.startswith(f"This removes the folder {sweep} (5 files, ")
    assert runs_there == "  and 4 runs in MLflow at sqlite:///mlflow.db"
    gc = "mlflow gc --backend-store-uri sqlite:///mlflow.db --tracking-uri sqlite:///mlflow.db"
    assert f"{gc} frees the space" in done.stdout
    assert contents(tmp_path / "results") == {"features", "other", "test-openings.jsonl"}
    assert {run.data.tags["sweep.id"] for run in runs(tmp_path)} == {"other"}


def test_the_command_that_frees_the_space_can_be_typed_as_it_stands(tmp_path, sweep):
    shutil.copy(tmp_path / "mlflow.db", tmp_path / "a b.db")
    done = run_here(tmp_path, "remove", "results/sweep", "--yes", "--tracking-uri", "sqlite:///a b.db")
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.splitlines()[-1].partition(" frees the space")[0]
    assert printed == "mlflow gc --backend-store-uri 'sqlite:///a b.db' --tracking-uri 'sqlite:///a b.db'"
    words = [sys.executable, "-m", *shlex.split(printed)]
    subprocess.run(words, cwd=tmp_path, env=environment(tmp_path), check=True, capture_output=True, timeout=120)
    client = MlflowClient(f"sqlite:///{tmp_path}/a b.db")
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    left = client.search_runs([experiment], run_view_type=ViewType.ALL)
    assert {run.data.tags["sweep.id"] for run in left} == {"other"}


@pytest.mark.parametrize(("answer", "code"), [("", 1), ("n\n", 1), ("\n", 1), ("y\n", 0)])
def test_it_asks(tmp_path, sweep, monkeypatch, answer, code):
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert run_here(tmp_path, "remove", "results/sweep").returncode == code
    assert sweep.exists() == (code == 1)
    assert len(runs(tmp_path)) == (6 if code else 2)


def test_where_nobody_can_be_asked_nothing_goes(tmp_path, sweep, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert "Expected --yes" in refused(tmp_path, "results/sweep")


def test_a_sweep_that_runs_is_refused(tmp_path, sweep):
    # Another process, as the lock is of one.
    code = "import sys; from sweeps.store.journal import Journal; j = Journal(__import__('pathlib').Path(sys.argv[1]), "
    code += "write=True); print('here', flush=True); sys.stdin.read()"
    running = subprocess.Popen(
        [sys.executable, "-c", code, sweep], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout.readline() == "here\n"
        assert "another process holds" in refused(tmp_path, "results/sweep", "--yes")
    finally:
        running.communicate("")


@pytest.mark.parametrize("what", ["results", "results/features", "nowhere", "results/other", "."])
def test_what_is_no_sweep_s_folder_is_refused(tmp_path, sweep, what):
    assert "Expected the journal of a sweep" in refused(tmp_path, what, "--yes")


@pytest.mark.parametrize("name", ["notes.txt", "plots-for-the-paper", "report.md.my-notes", "locked.csv"])
def test_a_folder_with_something_else_in_it_is_refused(tmp_path, sweep, name):
    (sweep / name).write_text("mine")
    assert f"there is {name} too" in refused(tmp_path, "results/sweep", "--yes")


def test_a_link_to_a_sweep_is_refused(tmp_path, sweep):
    (sweep.parent / "link").symlink_to(sweep)
    assert "is a link to" in refused(tmp_path, "results/link", "--yes")


def test_an_mlflow_that_cannot_be_used_is_told_before_anything_goes(tmp_path, sweep):
    text = refused(tmp_path, "results/sweep", "--yes", "--tracking-uri", "http://127.0.0.1:9")
    assert "nothing answers there" in text


def test_without_the_database_the_folder_goes_and_that_is_said(tmp_path, sweep):
    (tmp_path / "mlflow.db").unlink()
    done = run_here(tmp_path, "remove", "results/sweep", "--yes")
    assert done.returncode == 0
    assert "but no run in MLflow at sqlite:///mlflow.db: there is no such database here" in done.stdout
    assert "gc" not in done.stdout
    assert not sweep.exists()
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize("uri", ["sqlite:////gone/mlflow.db"])
def test_a_sweep_that_was_moved_with_its_database_goes_with_its_runs(tmp_path, sweep, uri):
    done = run_here(tmp_path, "remove", "results/sweep", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "  and 4 runs in MLflow at sqlite:///mlflow.db" in done.stdout
    assert uri not in done.stdout
    assert {run.data.tags["sweep.id"] for run in runs(tmp_path)} == {"other"}


@pytest.mark.parametrize("uri", ["sqlite:////gone/mlflow.db"])
def test_another_database_of_that_name_is_not_taken_for_the_sweep_s(tmp_path, sweep, uri):
    shutil.copy(empty_database(), tmp_path / "mlflow.db")
    done = run_here(tmp_path, "remove", "results/sweep", "--yes")
    assert f"but no run in MLflow at {uri}: there is no such database here (--tracking-uri names one)" in done.stdout


def test_what_went_wrong_in_the_middle_can_be_typed_again(tmp_path, sweep, monkeypatch):
    def full(path):
        raise OSError("read-only")

    with monkeypatch.context() as patch:
        patch.setattr(removal.shutil, "rmtree", full)
        done = run_here(tmp_path, "remove", "results/sweep", "--yes")
    assert (done.returncode, done.stderr) == (
        1,
        "remove: not all could be removed (OSError: read-only); type it again.\n",
    )
    assert run_here(tmp_path, "remove", "results/sweep", "--yes").returncode == 0
    assert not sweep.exists()

"""What is refused first: where results go and how many trials run, and what the images do not allow."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from refusals import refused
from sweeps.challenge2 import CHALLENGE
from sweeps.core.cpus import Cpus
from sweeps.inputs import inputs
from sweeps.run import checks, resuming
from sweeps.run.options import SweepOptions
from sweeps.run.prepare import prepare
from sweeps.run.reproduction import reproduction_command
from sweeps.run.sweep import sweep_command
from sweeps.tracking import location


def test_results_go_to_a_folder_that_need_not_be_there_yet(tmp_path):
    checks.check_place(tmp_path / "not/yet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "results"])
def test_results_do_not_go_to_a_file(tmp_path, below):
    file = tmp_path / "notes.txt"
    file.touch()
    said = refused(checks.check_place, file / below)
    assert said.startswith(f"Expected a folder that can be written for results in {file / below}; {file} is no folder.")


def test_results_do_not_go_where_nothing_may_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    said = refused(checks.check_place, tmp_path / "results")
    assert f"; {tmp_path} may not be written. Give another folder with --results-dir." in said


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A folder of images, one below it for each class, in which one is."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("sick", "healthy"):
        (tmp_path / "images" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "images")
    return tmp_path / "images"


def check(**given):
    return checks.check(CHALLENGE, {"approaches": ("pixel_baseline",), **given}, SweepOptions)


@pytest.mark.parametrize(
    ("results", "uri", "place"),
    [
        ("results", "http://host:5000", "results"),
        ("sick/results", "http://host:5000", "sick/results"),
        ("../results", "sqlite:////elsewhere/mlflow.db", "mlruns"),
    ],
)
def test_nothing_is_written_among_the_images_where_it_would_be_a_class(images, monkeypatch, results, uri, place):
    monkeypatch.setattr(location, "check_uri", lambda uri: None)
    said = refused(lambda: check(dataset=".", results_dir=results, tracking_uri=uri))
    assert said.startswith(f"Expected results outside of {images}, in which each sub-folder is a class of images; got ")
    assert f"got {images / place}. Start in another folder" in said
    assert {path.name for path in images.iterdir()} == {"sick", "healthy"}


def test_a_sweep_that_began_among_its_images_says_why_it_cannot_go_on(images, monkeypatch):
    earlier = resuming.Earlier(given={"resume": "sweep"}, options={"dataset": str(images)}, spec=None)
    monkeypatch.setattr(resuming, "find", lambda *arguments: earlier)
    assert "Expected results outside of" in refused(lambda: check(resume="sweep"))


def test_beside_the_folders_of_splits_and_where_none_is_a_class_results_may_go(images, monkeypatch):
    checks.check_apart(".", Path(".results"), "http://host:5000")
    checks.check_apart("phantom", Path("results"), "sqlite:///mlflow.db")
    monkeypatch.chdir(images.parent)
    checks.check_apart("images", Path("results"), "sqlite:///mlflow.db")
    images.rename(images.with_name("Train"))
    checks.check_apart(".", Path("results"), "sqlite:///mlflow.db")
    assert "got" in refused(checks.check_apart, ".", Path("Train/results"), "sqlite:///mlflow.db")


@pytest.mark.parametrize(
    ("command", "asked", "says"),
    [
        (sweep_command(), {"shot_curve": (1, 999)}, "Expected --shot-curve with numbers up to"),
        (reproduction_command([CHALLENGE]), {"shots": (4,)}, "Expected the study's images"),
    ],
    ids=["sweep", "reproduce"],
)
def test_what_the_images_do_not_allow_is_refused_before_weights_are_fetched(
    tmp_path, monkeypatch, good_npz, command, asked, says
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inputs, "find_weights", None)
    arrays = np.load(good_npz)
    np.savez("few.npz", **{name: array[:40] for name, array in arrays.items()})
    given = {"approaches": ("alexnet",), "dataset": "few.npz", **asked}
    checked = checks.check(CHALLENGE, given, command.options)
    assert says in refused(prepare, command, checked)


@pytest.mark.parametrize(
    ("command", "asked", "says"),
    [
        (sweep_command(), {"weights": "nowhere"}, "there is no such file or folder as nowhere."),
        (reproduction_command([CHALLENGE]), {"sweep": ("nowhere",)}, "Expected the journal of a sweep"),
    ],
    ids=["weights", "sweep"],
)
def test_paths_that_are_not_there_are_refused_before_images_are_fetched(tmp_path, monkeypatch, command, asked, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inputs, "find_dataset", None)
    given = {"approaches": ("alexnet",), **asked}
    assert says in refused(lambda: prepare(command, checks.check(CHALLENGE, given, command.options)))


def test_no_more_workers_than_the_machine_has_cpus(monkeypatch):
    monkeypatch.setattr(checks, "usable_cpus", lambda: Cpus(allowed=1, there=2, limit="NCPUS"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for workers in (None, 1, 2):
        checks.check_workers(SweepOptions(workers=workers))
    checks.check_workers(SweepOptions(workers=3, address="head:6379"))
    said = refused(checks.check_workers, SweepOptions(workers=3))
    assert said.startswith("Expected at most 2 --workers, as many as this machine has CPUs; got 3.")

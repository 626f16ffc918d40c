"""The command that puts the study's numbers beside ours: what it refuses, and once everything for real."""

from __future__ import annotations

import json
import re
import shlex
import signal

import optuna
import pandas as pd
import pytest
from mlflow import MlflowClient

import pretended
from commands import run_here, start, wait_for_seeds
from made_up import START, changed
from sweeps import challenge2, reproduce
from sweeps.challenge1 import CHALLENGE as CHALLENGE1
from sweeps.run.checks import check
from sweeps.run.options import SweepOptions
from sweeps.run.prepare import prepare
from sweeps.run.sweep import sweep_command
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.store.journal import Journal


def test_both_challenges_are_covered_and_nothing_twice():
    names = [each.name for each in reproduce.CHALLENGE.approaches]
    assert len(set(names)) == len(names)
    assert set(names) == {each.name for table in reproduce.TABLES for each in table.approaches if each.published}


def test_what_the_study_had_at_full_size_stands_behind_its_small_version_and_runs_on_demand_only():
    names = [each.name for each in reproduce.CHALLENGE.approaches]
    for small, approach in reproduce.AT_FULL_SIZE.items():
        assert names[names.index(small) + 1] == approach.name
        params = dict(approach.start)
        approach.learner.Config(**params)
        suggested = optuna.trial.FixedTrial(params)
        approach.suggest(suggested)
        assert suggested.params == params
    on_demand = {each.name for each in reproduce.CHALLENGE.approaches if not each.is_default}
    assert on_demand == {each.name for each in reproduce.AT_FULL_SIZE.values()}
    assert not on_demand & {each.name for each in challenge2.CHALLENGE.approaches}


BAD = {
    "unknown approach": "--approaches resnet99",
    "an option of the search": "--num-samples 5",
    "another": "--confirm-seeds 5",
    "no such sweep": "--sweep results/nothing",
    "no sweep": "--sweep notes.txt",
    "nobody's home": "--sweep ~nobody-of-that-name/sweep",
    "an empty sweep": "--sweep ''",
    "nothing to resume": "--resume nothing",
    "no such file": "--dataset missing.npz",
    "used name": "--name used",
    "other shots than the study's": "--shots 3",
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_sentence_and_starts_nothing(tmp_path, arguments, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("ray.init", None)
    (tmp_path / "notes.txt").write_text("Only words.\n" * 100)
    (tmp_path / "results" / "used").mkdir(parents=True)
    (tmp_path / "results" / "used" / "mine.txt").write_text("Somebody's.\n")
    given = ["--dataset", "phantom", "--approaches", "pixel_baseline", *shlex.split(arguments)]
    code = reproduce.main(given)
    printed, complaint = capfd.readouterr()
    assert (code, printed) == (2, "")
    assert complaint.count("\n") == 1, complaint
    assert complaint.startswith("reproduce: ")
    assert complaint.endswith(".\n")
    assert list(tmp_path.glob("results/*/*")) == [tmp_path / "results/used/mine.txt"]


def seeds(folder):
    frame = pd.read_csv(folder / "results/mine/seeds.csv")
    return sorted(zip(frame["approach"], frame["trial"], frame["seed"], frame["accuracy"], strict=True))


def done(folder, script, *arguments):
    finished = run_here(folder, script, *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def sweep_of_the_same_images(folder):
    """The journal of one that was not trained."""
    asked = {"dataset": "phantom", "approaches": ("pixel_baseline",)}
    prepared = prepare(sweep_command(), check(CHALLENGE1, asked, SweepOptions))
    journal = Journal(folder, write=True)
    journal.begin(prepared.whole_spec, changed(START, {"options": {"confirm_seeds": 3}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretended, "accuracy", lambda params, seed: 0.8 + seed % 3 / 100)
        pretended.finish(pretended.search(journal, prepared.approaches, num_samples=1))
        pretended.finish(ConfirmationStage(journal, prepared.approaches, lambda *who: None, seeds=3))
    journal.close()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("with_database")
def test_from_the_command_through_ctrl_c_to_mlflow_and_to_one_seed_again(tmp_path):
    options = ["--dataset", "phantom", "--approaches", "pixel_baseline", "starter_cnn", "--name", "mine"]
    driver = start(tmp_path, "reproduce", *options, "--workers", "1")
    wait_for_seeds(tmp_path, 60, "mine")
    driver.send_signal(signal.SIGINT)
    printed, complaint = driver.communicate(timeout=60)
    assert driver.returncode == 130
    way_on = "Go on with:\n    python sweeps/reproduce.py --workers 1 --resume mine\n"
    assert complaint.endswith(way_on)
    assert "Traceback" not in printed + complaint
    before = seeds(tmp_path)
    printed = done(tmp_path, "reproduce", "--resume", "mine", "--workers", "1")
    after = seeds(tmp_path)
    assert set(before) <= set(after)
    assert [(name, seed) for name, _, seed, _ in after] == [
        (name, seed) for name in ("pixel_baseline", "starter_cnn") for seed in range(50)
    ]
    for words in (
        "The study's numbers beside ours, at its settings and on its seeds [PHANTOM IMAGES]",
        "Challenge 1: from scratch, few labelled images [PHANTOM IMAGES]",
        "reproduce.py --workers 1 --resume mine --sweep results/NAME",
    ):
        assert words in printed
    assert "Challenge 2" not in printed
    found = json.loads((tmp_path / "results/mine/summary.json").read_text())
    assert found["caveats"] == {"images": "phantom"}
    rows = [row for table in found["tables"] for row in table["rows"]]
    assert [row["ours"]["n"] for row in rows if row["approach"] == "pixel_baseline"] == [50]
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("seedsweep reproduce")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted((each.data.tags["role"], each.info.status) for each in runs) == [
        ("sweep", "FINISHED"),
        *[("trial", "FINISHED")] * 2,
    ]
    assert {each.data.tags["images"] for each in runs} == {"phantom"}
    one_seed = shlex.split(re.search(r"python sweeps/rerun\.py (.*)", printed)[1])
    again = done(tmp_path, "rerun", *one_seed)
    assert again.count(" same\n") == 6
    sweep_of_the_same_images(tmp_path / "results/sweep")
    beside = done(tmp_path, "reproduce", "--resume", "mine", "--sweep", "results/sweep")
    assert re.search(r"pixel_baseline .* \d\d\.\d \(\d\d\.\d to \d+\.\d\)", beside)
    assert seeds(tmp_path) == after

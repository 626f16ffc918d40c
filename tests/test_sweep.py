"""Whole sweeps as a person starts them: real processes, real Ray, a real MLflow database.

One finished sweep serves all.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
import webbrowser
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from scipy import stats

from commands import run, run_here
from sweeps.challenge1 import CHALLENGE as CHALLENGE1
from sweeps.core.provenance import processor
from sweeps.run.start import sweep as main
from sweeps.store.journal import Journal
from sweeps.tracking.tracker import Tracker

pytestmark = pytest.mark.slow
METRICS = ["accuracy", "balanced_accuracy", "auroc", "sensitivity", "specificity", "brier"]
TINY = shlex.split(
    "--dataset phantom --approaches pixel_baseline starter_cnn --num-samples 5 --seeds 6 --finalists 2 "
    "--confirm-seeds 5"
)


def seeds(folder, name="sweep"):
    """All numbers of a sweep, in an order that does not depend on who finished first."""
    frame = pd.read_csv(folder / "results" / name / "seeds.csv")
    keys = ["approach", "stage", "trial", "seed", "split"]
    return frame.sort_values(keys)[keys + METRICS].reset_index(drop=True)


def rows(frame, **columns):
    """The rows that have these values."""
    for name, value in columns.items():
        frame = frame[frame[name] == value]
    return frame


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """An undisturbed sweep: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("finished")
    done = run(folder, "challenge1", *TINY, "--name", "sweep", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture
def begun_anew(finished, tmp_path, with_database):
    """A folder that has nothing of that sweep but its journal."""
    folder, _ = finished
    path = tmp_path / "results" / "sweep"
    path.mkdir(parents=True)
    shutil.copy(folder / "results/sweep/study.journal", path)
    return tmp_path


def test_prints_plan_table_and_where_everything_is(finished):
    _, done = finished
    for words in (
        "Challenge 1: from scratch, few labelled images [PHANTOM IMAGES]",
        "1 trials at the same time",
        "a losing configuration is stopped after 1, 2, 3, 4, 5 of 6 seeds",
        " fresh seeds [PHANTOM IMAGES]",
        "Best configuration, ",
        "Against pixel_baseline, in points on the same fresh seeds",
        "python sweeps/rerun.py results/sweep --approach",
        "python sweeps/challenge1.py --workers 1 --resume sweep --num-samples 10",
        "results/sweep/study.journal",
        "results/sweep/report.html",
        "results/sweep/probabilities.parquet: ",
        "Watch it meanwhile with: mlflow ui\n",
    ):
        assert words in done.stdout
    table = [
        line.split() for line in done.stdout.splitlines() if re.match(r"(pixel_baseline|starter_cnn) +(\*|\d)", line)
    ]
    # Of the plan, of the approaches, and of what changed images cost.
    assert len(table) == 6
    assert "fresh seeds are too few to say what changed images cost" in done.stdout
    # A slow machine prints a line of progress now and then, and nothing else.
    assert all(
        re.match(r"(Search|Intensify|Confirm|Decide|Changed): \d+ of \d+ seeds", line)
        for line in done.stderr.splitlines()
    )
    assert "Warning" not in done.stdout


def test_every_seed_is_in_the_tables(finished):
    folder, _ = finished
    frame = seeds(folder)
    assert not frame.duplicated(["approach", "stage", "trial", "seed", "split"]).any()
    trials = pd.read_csv(folder / "results/sweep/trials.csv")
    assert sorted(trials["state"].unique()) in (["COMPLETE"], ["COMPLETE", "PRUNED"])
    assert trials.groupby("approach").size().to_dict() == {"pixel_baseline": 5, "starter_cnn": 5}
    for row in trials.itertuples():
        own = rows(frame, approach=row.approach, stage="search", trial=row.trial)
        assert own["seed"].tolist() == list(range(1_000_000, 1_000_000 + row.seeds))
        assert row.seeds in ((6,) if row.state == "COMPLETE" else range(1, 6))
        assert row.accuracy_mean == pytest.approx(own["accuracy"].mean())
    # Racing may have left one alone.
    again = rows(frame, stage="intensify").groupby(["approach", "trial"])["seed"].apply(list).tolist()
    assert again == [list(range(1_000_006, 1_000_012))] * intensified(frame)
    confirmed = rows(frame, stage="confirm")
    assert confirmed.groupby(["approach", "split"])["seed"].apply(list).tolist() == [list(range(2000, 2005))] * 4
    changed = rows(frame, stage="robustness")
    assert changed.groupby("approach").size().to_dict() == {"pixel_baseline": 5 * 25, "starter_cnn": 5 * 25}


def test_summary_follows_from_the_seeds(finished):
    folder, _ = finished
    summary = json.loads((folder / "results/sweep/summary.json").read_text())
    frame = seeds(folder)
    assert summary["caveats"]["images"] == "phantom"
    for row in summary["approaches"]:
        own = rows(frame, approach=row["approach"], trial=row["best_trial"])
        fresh = rows(own, stage="confirm", split="validation")["accuracy"]
        searched = own[own["stage"].isin(["search", "intensify"])]["accuracy"]
        assert row["confirmed"]["mean"] == pytest.approx(fresh.mean())
        assert row["confirmed"]["sd"] == pytest.approx(fresh.std())
        assert (row["search"]["n"], row["search"]["mean"]) == (len(searched), pytest.approx(searched.mean()))
        # Of five configurations racing may have left one alone.
        flattered = row["optimism"]
        assert flattered is None or 0 <= flattered["low"] <= flattered["mean"] <= flattered["high"]
        test = rows(own, stage="confirm", split="test")["balanced_accuracy"]
        assert row["test"]["balanced_accuracy"]["mean"] == pytest.approx(test.mean())
        assert row["test_openings"] == 1
        robust = next(each for each in summary["robustness"]["approaches"] if each["approach"] == row["approach"])
        changed = rows(frame, approach=row["approach"], stage="robustness").groupby("split")["balanced_accuracy"].mean()
        before = changed.pop("test: unchanged")
        assert robust["as_they_are"] == pytest.approx(before)
        assert robust["mean"]["mean"] == pytest.approx(before - changed.mean())
    assert summary["baseline"] == "pixel_baseline"
    (pair,) = summary["comparisons"]
    decision = summary["decision"]
    assert pair["block"] == ("decision" if decision else "confirmation")
    stage = "decide" if decision else "confirm"
    if decision:
        assert sorted(decision["members"]) == ["pixel_baseline", "starter_cnn"]
        assert sorted(rows(frame, stage=stage)["seed"].unique()) == list(range(6000, 6005))
    better, worse = (
        rows(frame, approach=pair[which], stage=stage, split="validation")["accuracy"].to_numpy()
        for which in ("better", "worse")
    )
    assert pair["mean"] == pytest.approx((better - worse).mean())
    # The images' part makes the error greater, and its degrees of freedom, too.
    assert pair["p_holm"] == min((2 if decision else 1) * pair["p"], 1)
    assert pair["p"] > 0.9 * stats.ttest_rel(better, worse).pvalue
    means = [row["confirmed"]["mean"] for row in summary["approaches"]]
    assert means == sorted(means, reverse=True)


def test_mlflow_has_one_run_a_configuration_with_seeds_as_steps(finished):
    folder, _ = finished
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("seedsweep challenge1")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    by_role = {}
    for each in runs:
        by_role.setdefault(each.data.tags["role"], []).append(each)
        assert each.data.tags["images"] == "phantom"
    # Five seeds may not tell the two apart.
    assert len(by_role.pop("decision", [])) == seeds(folder).query("stage == 'decide'")["approach"].nunique()
    assert len(by_role.get("intensification", [])) == intensified(seeds(folder))
    counts = {role: len(found) for role, found in by_role.items() if role != "intensification"}
    assert counts == {"sweep": 1, "trial": 10, "confirmation": 2, "robustness": 2}
    (parent,) = by_role["sweep"]
    assert parent.info.status == "FINISHED"
    assert parent.data.params["dataset_fingerprint"]
    assert parent.data.tags["git_revision"]
    assert "--num-samples 5" in parent.data.tags["command"]
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {
        "seeds.csv",
        "seeds.parquet",
        "probabilities.parquet",
        "trials.csv",
        "trials.parquet",
        "summary.json",
        "report.html",
        "report.md",
        "plots",
    }
    plots = {Path(file.path).name for file in client.list_artifacts(parent.info.run_id, "plots")}
    assert plots == {path.name for path in (folder / "results/sweep/plots").iterdir()}
    frame = seeds(folder)
    stages = {"trial": "search", "intensification": "intensify", "confirmation": "confirm"}
    for each in (found for role in stages for found in by_role.get(role, [])):
        tags = each.data.tags
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        number = int(re.match(r"t(\d+)-", tags["mlflow.runName"])[1])
        own = rows(frame, approach=tags["approach"], stage=stages[tags["role"]], trial=number)
        history = client.get_metric_history(each.info.run_id, "seed/accuracy")
        expected = rows(own, split="validation")
        assert [(m.step, m.value) for m in sorted(history, key=lambda m: m.step)] == list(
            zip(expected["seed"], expected["accuracy"], strict=True)
        )
        assert ("accuracy_mean" in each.data.metrics) == (tags["state"] == "complete")
        assert each.data.params


def test_printed_links_open_a_view_that_mlflow_has(finished):
    folder, done = finished
    links = re.findall(r"http://127\.0\.0\.1:5000/#/experiments/(\d+)/runs\?\S*viewStateShareKey=(\w+)", done.stdout)
    assert len(links) == 2
    for experiment, key in links:
        tags = MlflowClient(f"sqlite:///{folder}/mlflow.db").get_experiment(experiment).tags
        assert "sweep" in tags[f"mlflow.sharedViewState.{key}"]


def test_one_seed_again_gives_the_same_numbers(finished):
    folder, done = finished
    printed = re.search(r"python (sweeps/rerun\.py .*)", done.stdout)[1]
    again = run(folder, "rerun", *shlex.split(printed)[1:])
    assert again.returncode == 0, again.stderr
    assert again.stdout.count(" same\n") == 12
    assert re.search(r"The same on \d+ sets of changed test images", again.stdout)
    assert "DIFFERENT" not in again.stdout


def test_a_seed_of_a_finalist_again_gives_the_same_numbers(finished):
    folder, _ = finished
    again = rows(seeds(folder), stage="intensify")
    if again.empty:
        pytest.skip("racing left one configuration alone")
    row = again.iloc[-1]
    done = run_here(
        folder, "rerun", "results/sweep", "--approach", row.approach, "--trial", row.trial, "--seed", row.seed
    )
    assert done.returncode == 0, done.stderr
    assert "The same numbers as in the journal." in done.stdout
    assert "test" not in done.stdout


def test_a_seed_that_was_not_confirmed_does_not_open_the_test_split(finished):
    folder, _ = finished
    options = ("results/sweep", "--approach", "starter_cnn", "--trial", 0, "--seed", 2500)
    again = run_here(folder, "rerun", *options)
    assert again.returncode == 0, again.stderr
    assert "test" not in again.stdout


def test_a_number_that_was_changed_is_noticed(finished, tmp_path):
    folder, _ = finished
    path = tmp_path / "results" / "sweep"
    path.mkdir(parents=True)
    journal = (folder / "results/sweep/study.journal").read_text()
    changed = re.sub(r'"brier": ?0\.\d+', '"brier": 0.5', journal)
    (path / "study.journal").write_text(re.sub(r'"processor": ?"[^"]*"', '"processor": "an abacus"', changed))
    again = run_here(tmp_path, "rerun", path, "--approach", "pixel_baseline", "--trial", 0, "--seed", 1_000_000)
    assert again.returncode == 1
    assert again.stdout.count("DIFFERENT") == 1
    # What may be the reason.
    assert again.stdout.endswith(f"The sweep was started with processor an abacus, now {processor()}.\n")


def intensified(frame):
    """How many configurations met further search seeds."""
    return len(rows(frame, stage="intensify")[["approach", "trial"]].drop_duplicates())


def decision_of(folder):
    return json.loads((folder / "results/sweep/summary.json").read_text())["decision"]


def test_files_are_made_from_the_journal_alone(finished, begun_anew, monkeypatch):
    folder, _ = finished
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    again = run_here(begun_anew, "challenge1", "--resume", "sweep", "--open")
    assert again.returncode == 0, again.stderr
    assert opened == [(begun_anew / "results/sweep/report.html").as_uri()]
    assert seeds(begun_anew).equals(seeds(folder))
    # And MLflow too: a new database gets every run.
    runs = MlflowClient(f"sqlite:///{begun_anew}/mlflow.db").search_runs(["1"], max_results=100)
    assert len(runs) == 15 + 2 * bool(decision_of(folder)) + intensified(seeds(folder))


def test_resuming_a_finished_sweep_adds_nothing(finished):
    folder, _ = finished
    database = folder / "mlflow.db"

    def counted():
        with sqlite3.connect(database) as opened:
            return [opened.execute(f"select count(*) from {table}").fetchone() for table in ("runs", "metrics")]

    before, numbers = counted(), seeds(folder)
    again = run_here(folder, "challenge1", "--resume", "sweep")
    assert again.returncode == 0, again.stderr
    assert seeds(folder).equals(numbers)
    assert counted() == before


@pytest.mark.long
def test_same_numbers_with_more_workers(finished, tmp_path, with_database):
    """Random start-up trials do not depend on the order of results, and with 5 of them there are no others.

    With one worker, and after kill -9: tests/test_faults.py.
    """
    folder, _ = finished
    done = run_here(tmp_path, "challenge1", "--name", "sweep", *TINY, "--workers", "2", "--robustness", "off")
    assert done.returncode == 0, done.stderr
    found, expected = seeds(tmp_path), seeds(folder).query("stage != 'shift'")
    # Racing looks at the best so far, which depends on the order; what ran has the same numbers.
    both = found.merge(expected, on=["approach", "stage", "trial", "seed", "split"], suffixes=("", "_expected"))
    assert len(both) >= min(len(found), len(expected)) - 15
    for metric in METRICS:
        assert (both[metric] == both[f"{metric}_expected"]).all()
    for row in pd.read_csv(tmp_path / "results/sweep/trials.csv").itertuples():
        own = rows(found, approach=row.approach, stage="search", trial=row.trial)["seed"].tolist()
        assert own == list(range(1_000_000, 1_000_000 + row.seeds))
        assert row.seeds in ((6,) if row.state == "COMPLETE" else range(1, 6))
    assert not found.duplicated(["approach", "stage", "trial", "seed", "split"]).any()
    trials = pd.read_csv(tmp_path / "results/sweep/trials.csv")
    assert trials.groupby("approach")["trial"].apply(list).tolist() == [list(range(5))] * 2
    runs = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"], max_results=100)
    more = 2 * bool(decision_of(tmp_path)) + intensified(found)
    assert len(runs) == len({each.data.tags["sweep.key"] for each in runs}) == 13 + more
    assert {each.info.status for each in runs} <= {"FINISHED", "KILLED"}


@pytest.mark.long
def test_an_extended_sweep_has_more_configurations(finished, begun_anew):
    folder, _ = finished
    more = ["--num-samples", "6", "--approaches", "pixel_baseline", "--workers", "1"]
    extended = run_here(begun_anew, "challenge1", "--resume", "sweep", *more)
    assert extended.returncode == 0, extended.stderr
    trials = pd.read_csv(begun_anew / "results/sweep/trials.csv")
    assert trials.groupby("approach")["trial"].apply(list).to_dict() == {
        "pixel_baseline": list(range(6)),
        "starter_cnn": list(range(5)),
    }
    assert "1 more (of 6)" in extended.stdout
    # What the extension left out is still there, to the last digit.
    left_out = rows(seeds(begun_anew), approach="starter_cnn").reset_index(drop=True)
    assert left_out.equals(rows(seeds(folder), approach="starter_cnn").reset_index(drop=True))


def test_an_error_of_ours_ends_with_a_sentence_and_the_way_on(begun_anew, monkeypatch, capfd):
    monkeypatch.chdir(begun_anew)
    monkeypatch.setattr("sweeps.stages.search.SearchStage.is_finished", None)
    assert main(CHALLENGE1, ["--resume", "sweep"]) == 1
    complaint = capfd.readouterr().err
    assert complaint.startswith("challenge1: stopped by TypeError")
    assert "Go on with" in complaint


def test_a_journal_deleted_while_the_end_is_written_is_there_again(begun_anew, finished, monkeypatch, capfd):
    monkeypatch.chdir(begun_anew)
    close = Tracker.close

    def somebody_deletes(self, *arguments, **more):
        close(self, *arguments, **more)
        shutil.rmtree("results/sweep")

    monkeypatch.setattr(Tracker, "close", somebody_deletes)
    assert main(CHALLENGE1, ["--resume", "sweep"]) == 1
    assert "had been deleted; it is there again" in capfd.readouterr().err
    found, expected = (Journal(home / "results/sweep", write=False).trials() for home in (begun_anew, finished[0]))
    assert found == expected


def test_the_plan_of_a_finished_sweep_has_nothing_left_to_do(finished):
    folder, _ = finished
    planned = run_here(folder, "challenge1", "--resume", "sweep", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    lines = [line for line in planned.stdout.splitlines() if re.match(r"(pixel_baseline|starter_cnn) ", line)]
    assert ["0 more (of 5)" in line for line in lines] == [True, True]

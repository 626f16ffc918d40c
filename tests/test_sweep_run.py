"""What MLflow gets of a sweep itself: tags, parameters, examples and metrics."""

from __future__ import annotations

from dataclasses import replace

import pytest

from made_up import START, changed, finished, found, source, trial
from sweeps.analysis.summary import summarise
from sweeps.core.challenge import Challenge
from sweeps.store.journal import Journal
from sweeps.tracking import sweep_run
from sweeps.tracking.sweep_run import SweepEnd

ENDS = ("mean", "ci_low", "ci_high")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep that was resumed once, and its approaches."""
    journal = Journal(tmp_path_factory.mktemp("sweep") / "my sweep", write=True)
    made = finished(journal, num_samples=2, spec={"weights": {"resnet50": source("imagenet", "fedcba9876543210")}})
    journal.begin(journal.spec, changed(START, {"time_ms": START.time_ms + 1, "command": "python again"}))
    yield journal, made
    journal.close()


def of_start(journal, made):
    challenge = Challenge(name="challenge1", title="", approaches=tuple(made))
    return sweep_run.of_start(journal, challenge, made, {"num_samples": "2"})


def test_the_last_start_and_what_all_have_in_common(whole):
    journal, made = whole
    run = of_start(journal, made)
    assert (run.name, run.journal_id, run.experiment) == ("my sweep", journal.id, "seedsweep challenge1")
    assert run.begun_ms == START.time_ms
    assert run.tags == {
        "images": "real",
        "weights": "imagenet",
        "command": "python again",
        "git_revision": "abc",
        "approaches": "a, b",
        "num_samples": "2",
    }
    assert run.shared_tags["mlflow.source.name"] == "python again"
    assert run.shared_tags["mlflow.source.git.commit"] == "abc"
    assert run.shared_tags["mlflow.user"]
    assert run.approach_tags == {"a": {"images": "real"}, "b": {"images": "real"}}


def test_the_spec_is_in_the_parameters(whole):
    run = of_start(*whole)
    assert run.params == {
        "challenge": "challenge1",
        "numbers_version": "2",
        "dataset": "/images/pneumoniamnist.npz",
        "dataset_fingerprint": "0123456789abcdef",
        "classes": "normal, pneumonia",
        "shots": "5, 5",
        "validation": "500",
        "metric": "balanced_accuracy",
        "precision": "float32",
        "smoke": "False",
        "seeds": "10",
        "search_seed": "0",
        "weights_fingerprint.resnet50": "fedcba9876543210",
    }


def test_a_user_without_a_name_is_unknown(whole, monkeypatch):
    def nameless():
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert of_start(*whole).shared_tags["mlflow.user"] == "unknown"


def test_an_approach_without_a_published_setting_is_an_example_too(whole):
    journal, made = whole
    examples = of_start(journal, [made[0], replace(made[1], published=None)]).examples
    assert examples[0] == made[0].start
    assert {"x", "kind"} <= set(examples[1])


def test_metrics_are_of_the_summary(whole):
    journal, made = whole
    summary = summarise(journal, made)
    metrics = sweep_run.metrics(summary)
    row = summary.approaches[0]
    assert metrics[f"{row.approach}.confirmed_accuracy_mean"] == row.confirmed.mean
    assert metrics[f"{row.approach}.confirmed_accuracy_ci_low"] == row.confirmed.low
    assert metrics[f"{row.approach}.search_accuracy_ci_high"] == row.search.high
    assert metrics[f"{row.approach}.test_balanced_accuracy_mean"] == row.test_accuracy.mean
    # An approach whose winner was not chosen among others has no optimism.
    chosen = [row for row in summary.approaches if row.optimism]
    assert chosen
    for row in chosen:
        assert metrics[f"{row.approach}.optimism_mean"] == row.optimism.mean
        assert metrics[f"{row.approach}.optimism_ci_high"] == row.optimism.high
    # Of so few fresh seeds the verdict does not say how often one comes first.
    assert row.first_share is not None
    assert len(metrics) == 2 * 9 + 3 * len(chosen)


def confirmed(seeds):
    """The metrics of two approaches, where eight fresh seeds are wanted and one has so many."""
    made = [trial(0, 0.8, approach=name) for name in "ab"]
    counts = {"a": 10, "b": seeds}
    made += [trial(0, 0.8, approach=name, stage="confirm", seeds=counts[name], of_trial=0) for name in "ab"]
    return sweep_run.metrics(found(made))


def test_how_often_one_comes_first_is_told_from_ten_fresh_seeds_on():
    names = ["a.first_share", "b.first_share"]
    assert [name for name in confirmed(10) if name in names] == names
    assert [name for name in confirmed(9) if name in names] == ["a.first_share"]


def test_what_lacks_fresh_seeds_has_no_metric_of_them():
    metrics = confirmed(3)
    assert {name for name in metrics if name.startswith("b.")} == {f"b.search_accuracy_{end}" for end in ENDS}
    of_fresh_seeds = ("confirmed_accuracy", "test_balanced_accuracy")
    assert {f"a.{name}_{end}" for name in of_fresh_seeds for end in ENDS} <= {*metrics}


def test_what_is_not_known_is_no_metric():
    summary = found([trial(seeds=1)], ("a",))
    assert sweep_run.metrics(summary) == {"a.search_accuracy_mean": pytest.approx(0.8)}
    assert sweep_run.metrics(found([], ("a",))) == {}


@pytest.mark.parametrize(
    ("code", "status"),
    [(0, "FINISHED"), (1, "FAILED"), (2, "FAILED"), *((code, "KILLED") for code in (129, 130, 138, 143))],
)
def test_the_status_is_that_of_the_exit_code(code, status):
    assert SweepEnd(exit_code=code, metrics={}, note="", files=(), ended_ms=0).status == status

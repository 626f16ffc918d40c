"""The summary as a record: it comes back from its file as it was, and never with a password."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import pretended
from made_up import SPEC, START, MadeUp, approaches, changed, finished, found, source, trial
from sweeps.analysis.summary import Summary, ranked, summarise
from sweeps.core.errors import BadInput
from sweeps.store.spec import Spec, Start, validated

MORE = {"weights": {"vgg11": source("imagenet")}, "other_datasets": {"breastmnist": source("phantom")}}


def summary():
    """Of two confirmed approaches."""
    made = [trial(0, approach=name) for name in "ab"]
    made += [trial(0, 0.8, approach=name, stage="confirm", seeds=8, of_trial=0) for name in "ab"]
    return found(made, spec=MORE)


def check_it_comes_back(summary):
    assert all(row.is_confirmed and row.test for row in summary.approaches)
    assert summary.comparisons
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
    assert validated(Summary, json.loads(summary.model_dump_json()), "the summary") == summary


def test_a_summary_comes_back_from_json_as_it_was(journal):
    check_it_comes_back(summary())
    check_it_comes_back(summarise(journal, finished(journal, spec=MORE)))


def test_a_summary_without_anything_comes_back_too():
    nothing = summarise(MadeUp([]), [replace(each, published=None) for each in approaches("a", "b")])
    assert Summary.model_validate_json(nothing.model_dump_json()) == nothing


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        (lambda stored: stored.pop("approaches"), "approaches: field required"),
        (lambda stored: stored.update(marks={}), "marks: extra inputs"),
        (lambda stored: stored["approaches"][0].update(confirmed={"mean": 0.8}), "approaches.0.confirmed."),
        (lambda stored: stored["comparisons"][0].update(p="small"), "comparisons.0.p: input should be a valid number"),
        (lambda stored: stored["spec"].pop("dataset"), "spec.dataset: field required"),
    ],
)
def test_a_damaged_or_older_summary_is_refused_with_one_sentence(damage, where):
    stored = json.loads(summary().model_dump_json())
    damage(stored)
    with pytest.raises(BadInput) as caught:
        validated(Summary, stored, "the summary")
    message = str(caught.value)
    assert message.startswith("Expected the summary as this version writes it; it is damaged or of another version (")
    assert where in message
    assert message.endswith("Use the version that wrote it, or begin a new sweep.")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        # As versions before typed specs wrote it.
        (Spec, {"challenge": "challenge1", "dataset": "phantom", "weights": {}, "others": {}, "smoke": False}),
        (Spec, SPEC.model_dump() | {"seeds": "many"}),
        (Spec, None),
        (Start, {"options": {"confirm_seeds": 3}}),
        (Start, START.model_dump() | {"versions": "3.11"}),
    ],
)
def test_a_damaged_or_older_spec_or_start_is_refused_with_one_sentence(kind, stored):
    with pytest.raises(BadInput, match=r"^Expected it as this version writes it; it is damaged or of another"):
        validated(kind, stored, "it")


def test_a_sweep_of_an_older_version_is_refused_when_it_is_summarised(journal):
    journal.begin(SPEC, START)
    journal._sweep.set_user_attr("spec", {"challenge": "challenge1", "dataset": "phantom"})
    with pytest.raises(BadInput, match="damaged or of another version"):
        summarise(journal, approaches("a"))


def test_approaches_are_ranked_by_fresh_seeds_and_confirmed_ones_come_first():
    """Two are equal, one is best but not confirmed to the end, one was never confirmed."""
    made = [trial(0, 0.99, approach=name) for name in "abcde"]
    means = {"a": (0.8, 8), "b": (0.7, 8), "c": (0.8, 8), "d": (0.9, 7)}
    made += [
        trial(0, mean, approach=name, stage="confirm", seeds=seeds, of_trial=0) for name, (mean, seeds) in means.items()
    ]
    rows = found(made, names=tuple("abcde")).approaches
    assert [row.approach for row in rows] == ["a", "c", "b", "d", "e"]
    assert list(rows) == ranked(rows)


def test_the_summary_has_no_password(journal):
    uri = "https://me:p@ss@host:5000"
    journal.begin(SPEC, changed(START, {"options": {"tracking_uri": uri}}))
    (start,) = summarise(journal, [pretended.approach()]).starts
    assert start.options["tracking_uri"] == "https://host:5000"
    # Which resuming needs.
    assert journal.starts[0].options["tracking_uri"] == uri


def test_an_approach_of_which_nothing_is_published_is_complete(journal):
    made = [replace(each, published=None) for each in approaches("a", "b")]
    journal.begin(SPEC, START)
    pretended.finish(pretended.search(journal, made, num_samples=3))
    row = summarise(journal, made).approaches[0]
    assert (row.published, row.start, row.at_published_setting, row.is_best_at_start) == (None, None, None, False)
    assert row.configurations.begun == 3
    assert row.best_params is not None

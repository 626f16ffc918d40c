"""What a finished trial is in MLflow: its metrics and their names."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from made_up import SPEC
from sweeps.tracking import trial_runs
from tracked import trial
from trainables.parts.protocol import TEST


def test_a_number_that_is_not_finite_never_reaches_mlflow():
    assert all(math.isfinite(value) for value in trial_runs.aggregates(trial(seeds=1), SPEC).values())
    assert trial_runs.aggregates(trial(seeds=0), SPEC) == {"n_seeds": 0.0, "seconds": 0.0}


def test_confirmation_has_test_metrics_under_their_own_names():
    confirmed = trial(stage="confirm", of_trial=7)
    on_test = tuple(replace(result, split=TEST, accuracy=0.5) for result in confirmed.results)
    both = replace(confirmed, results=confirmed.results + on_test)
    found = {name: value for name, value, _, _ in trial_runs.metrics(both, SPEC)}
    assert (found["accuracy_mean"], found["test_accuracy_mean"]) == (0.8, 0.5)
    assert found["seed/test_accuracy"] == 0.5
    # Test images are scored by the same models, so that their seconds would count twice.
    assert "seed/seconds" in found
    assert "seed/test_seconds" not in found
    assert trial_runs.tags(both)["mlflow.runName"] == "t007-a-confirmed"
    assert trial_runs.tags(both)["role"] == "confirmation"


def in_two_parts(state="COMPLETE"):
    """A confirmation, and the same as two of which the first ended so and the second has run what was missing."""
    whole = trial(seeds=4, stage="confirm", of_trial=7)
    first = replace(whole, state=state, results=whole.results[:3])
    return whole, first, replace(whole, number=1, results=whole.results[3:])


@pytest.mark.parametrize("state", ["COMPLETE", "FAIL"])
def test_the_confirmed_mean_is_of_all_fresh_seeds(state):
    whole, first, second = in_two_parts(state)
    found = trial_runs.of_confirmation(second, first.results, SPEC)
    assert found == trial_runs.of_confirmation(whole, (), SPEC)
    mean, low, high = found
    assert mean[:2] == ("confirmed_accuracy_mean", 0.85)
    assert (low[0], high[0]) == ("confirmed_accuracy_ci_low", "confirmed_accuracy_ci_high")
    assert low[1] < 0.85 < high[1]
    # One that is not complete has none of its own.
    assert bool(trial_runs.of_confirmation(first, (), SPEC)) == (state == "COMPLETE")


def test_logarithms_of_what_is_searched_over_decades():
    network = {"learning_rate": 1e-3, "steps": 50, "normalisation": "fixed"}
    assert trial_runs.logarithms(network) == {"log10_learning_rate": "-3.00"}
    assert trial_runs.logarithms({"weight_decay": 0.0}) == {}


def test_the_note_says_how_to_train_a_seed_again():
    text = trial_runs.note(trial(3, reason="so it was"), Path("results/my sweep"))
    assert text.startswith("a, configuration 3: complete. Mean validation accuracy over 3 seeds: 80.0 %. so it was.")
    assert "`python sweeps/rerun.py 'results/my sweep' --approach a --trial 3 --seed 1000`" in text


def test_classes_with_names_that_mlflow_does_not_take_have_keys_of_their_own():
    keys = trial_runs.keys_of(["a/b", "a_b", "a\nb", "plain"])
    assert len(set(keys.values())) == len(keys)
    assert keys["recall_plain"] == "recall_plain"
    assert all(re.fullmatch(r"[\w.\- :]+", key) for key in keys.values())

"""What a finished trial is in MLflow: its metrics and their names."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

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

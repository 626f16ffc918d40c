"""A whole sweep on real images of ten classes that are nobody's study: scikit-learn's digits, as a folder of PNGs."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image
from sklearn.datasets import load_digits

from commands import empty_database, run_here

pytestmark = [pytest.mark.slow, pytest.mark.long]
OPTIONS = ["--num-samples", "2", "--seeds", "2", "--confirm-seeds", "3", "--validation", "20", "--metric", "auroc"]

# What is set of the spaces: all but `pixel_baseline`, which has no such parameter.
SET = ["--set", "starter_cnn.steps=30..35", "learning_rate=0.002"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The sweep's folder and what it printed."""
    home = tmp_path_factory.mktemp("digits")
    digits = load_digits()
    for number, (image, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        folder = home / "digits" / f"digit {digit}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255 / 16).round().astype(np.uint8)).save(folder / f"{number:04}.png")
    shutil.copy(empty_database(), home / "mlflow.db")
    chosen = ["--approaches", "pixel_baseline", "starter_cnn", "--shot-curve", "2", "5", "--name", "sweep"]
    done = run_here(home, "challenge1", "--dataset", "digits", *chosen, *OPTIONS, "--workers", "1", *SET)
    assert done.returncode == 0, done.stderr
    return home, done


def test_the_plan_says_what_is_drawn_from_what(finished):
    _, done = finished
    for words in (
        "28 x 28 pixels, grey",
        "each learns from 50 images and is scored on 20 others of each class; fresh seeds on 135",
        "a fifth of the images of each class (355 of 1797 images) is locked as one",
        "every image counts as a person of its own",
        "AUROC on balanced validation images",
    ):
        assert words in re.sub(r"\s+", " ", done.stdout)
    assert re.search(r"digit 8 +140 +140 +5 +20 +34\n", done.stdout)
    # The study has no number of these images.
    assert "published" not in done.stdout


def test_five_images_of_each_digit_are_worth_something(finished):
    home, _ = finished
    summary = json.loads((home / "results/sweep/summary.json").read_text())
    rows = {row["approach"]: row for row in summary["approaches"]}
    best = rows["pixel_baseline"]
    assert best["confirmed"]["mean"] > 0.9
    assert best["confirmed_validation"]["accuracy"]["mean"] > 0.6
    assert best["test"]["balanced_accuracy"]["images_error"] > 0
    recalls = [best["test"][f"recall_digit {digit}"]["mean"] for digit in range(10)]
    assert np.mean(recalls) == pytest.approx(best["test"]["balanced_accuracy"]["mean"])
    # Seeds of a curve are those of the confirmation, scored on what is left of the smallest class.
    frame = pd.read_csv(home / "results/sweep/seeds.csv")
    assert sorted(frame.loc[frame["stage"] == "confirm", "seed"].unique()) == [2000, 2001, 2002]
    assert "recall_digit 9" in frame
    # Changed images are five of each digit.
    changed = summary["robustness"]
    assert changed["images"] == 5
    assert all(each["is_complete"] and each["mean"]["n"] == 3 for each in changed["approaches"])


def test_the_report_and_mlflow_have_the_classes(finished):
    home, _ = finished
    page = (home / "results/sweep/report.html").read_text()
    assert re.search(r"digit 7 \(5 of 144 learn, 35 to test on\)", page)
    # Of recalls, and of what each is taken for: a column and a row.
    headings = re.findall(r"<th[^>]*>(digit \d)</th>", page)
    assert sorted(headings) == sorted(3 * [f"digit {digit}" for digit in range(10)])
    assert "AUROC of every fresh seed" in page
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    runs = client.search_runs(["1"], "tags.role = 'confirmation'")
    assert len(runs) == 2
    assert {"test_recall_digit 3_mean", "auroc_mean"} <= set(runs[0].data.metrics)


def test_a_seed_gives_the_same_numbers_again(finished):
    home, _ = finished
    again = run_here(home, "rerun", "results/sweep", "--approach", "starter_cnn", "--trial", "0", "--seed", "1000000")
    assert (again.returncode, again.stdout.count(" same\n")) == (0, 14)


def test_a_seed_of_more_images_than_there_are_is_refused(finished):
    home, _ = finished
    of_seed = ("results/sweep", "--approach", "pixel_baseline", "--trial", 0, "--seed", 2000)
    again = run_here(home, "rerun", *of_seed, "--shots", 200)
    assert again.returncode == 2
    assert "Expected a number of images that there are of each class, as --shots; All images of" in again.stderr


def test_a_sweep_with_other_shots_is_another_sweep(finished):
    home, _ = finished
    refused = run_here(home, "challenge1", "--resume", "sweep", "--shots", "3", "--dry-run")
    assert refused.returncode == 2
    assert "shots" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_configurations_are_of_what_was_set_and_stay_so(finished):
    home, done = finished
    told = "Set       starter_cnn.steps=30..35 (starter_cnn); learning_rate=0.002 (starter_cnn)"
    assert told in done.stdout
    assert "starter_cnn.steps=30..35" in (home / "results/sweep/report.html").read_text()
    own = pd.read_csv(home / "results/sweep/trials.csv").query("approach == 'starter_cnn'")
    assert own["param.steps"].between(30, 35).all()
    assert (own["param.learning_rate"] == 0.002).all()
    other = run_here(home, "challenge1", "--resume", "sweep", "--set", "steps=40", "--dry-run")
    assert other.returncode == 2
    assert "--set that this sweep began with (starter_cnn.steps=30..35, learning_rate=0.002)" in other.stderr
    again = run_here(home, "challenge1", "--resume", "sweep", "--dry-run")
    assert again.returncode == 0, again.stderr
    assert told in again.stdout

"""The study's numbers beside ours: real Optuna, a real journal, a pretended worker; and once everything for real."""

from __future__ import annotations

import json
import re
import shlex
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from scipy import stats

from commands import run, start, wait_for_seeds
from pretended import accuracy, approach, finish, search, work
from search_spaces.reported import Variant
from sweeps import reported
from sweeps.agenda import MOST_ATTEMPTS
from sweeps.bad_input import BadInput
from sweeps.challenge import Challenge
from sweeps.comparisons import holm
from sweeps.confirm import ConfirmAgenda
from sweeps.intervals import estimate
from sweeps.record import Record
from sweeps.reported_agenda import SMOKE_SEEDS, USUAL_SEEDS, ReportedAgenda
from sweeps.reported_tables import FEWEST_SEEDS, confirmed, printed, summary, welch
from trainables.backbones import FeatureSpec
from trainables.protocol import VALIDATION, SeedTrainable

SPEC = {
    "challenge": "one",
    "numbers_version": 3,
    "precision": "float32",
    "dataset": "made.npz",
    "dataset_fingerprint": "f",
    "weights": {},
    "weights_fingerprint": {},
    "others": {},
    "others_fingerprint": {},
    "test_counts": [2, 5],
    "smoke": False,
}
# Ours at the published x of .5 is about 76 %, at .8 about 85 %.
STUDIED = approach(
    "a",
    mean=76.0,
    sd=4.0,
    seeds=12,
    fault="it was measured with a ruler",
    variants={"better": Variant(params={"x": 0.8}, mean=60.0, sd=4.0, seeds=None)},
)
UNPUBLISHED = approach("b")
OTHER_NUMBER = approach("c", mean=49.9, sd=1.5, seeds=8, is_class_accuracy=False)
ONE = Challenge(name="one", title="The first challenge", approaches=(STUDIED, UNPUBLISHED))
TWO = Challenge(name="two", title="The second challenge", approaches=(UNPUBLISHED, OTHER_NUMBER))


def agenda(record, approaches=(STUDIED,), smoke=False):
    return ReportedAgenda(record, approaches, lambda *who: None, smoke=smoke)


def seeds_run(record, name="a"):
    """The seeds of each trial, doubled ones twice."""
    return {trial.number: sorted(r.seed for r in trial.results) for trial in record.trials([name])}


def summarised(record, approaches, challenges=(ONE, TWO), after=None):
    record.begin(SPEC, {"options": {}})
    return summary(record, challenges, approaches, after or {})


def row_of(found, name, variant=None):
    rows = [row for table in found["tables"] for row in table["rows"]]
    (row,) = [row for row in rows if (row["approach"], row["variant"]) == (name, variant)]
    return row


def test_holm_s_example():
    # As R's p.adjust(p, "holm") has them.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.001, 0.5, 0.6]) == pytest.approx([0.12, 0.004, 1.0, 1.0])
    assert holm([]) == []


def test_holm_rejects_what_stepping_down_rejects():
    rng = np.random.default_rng(0)
    for _ in range(100):
        p_values = rng.uniform(0, 0.1, 6) ** 2
        rejected = set()
        for rank, index in enumerate(np.argsort(p_values)):
            if p_values[index] >= 0.05 / (6 - rank):
                break
            rejected.add(index)
        assert {index for index, adjusted in enumerate(holm(p_values)) if adjusted < 0.05} == rejected


@pytest.mark.parametrize("seeds", [25, None])
def test_noise_is_judged_as_from_the_single_seeds(seeds):
    rng = np.random.default_rng(1)
    for shift in (0.0, 0.03):
        theirs, ours = rng.normal(0.8, 0.05, seeds or FEWEST_SEEDS), rng.normal(0.8 + shift, 0.02, 50)
        setting = Variant(params={}, mean=100 * theirs.mean(), sd=100 * theirs.std(ddof=1), seeds=seeds)
        expected = stats.ttest_ind(theirs, ours, equal_var=False).pvalue
        assert welch(setting, estimate(ours)) == pytest.approx(expected)


@pytest.mark.parametrize(("mean", "p"), [(50.0, 1.0), (64.0, 0.0)])
def test_two_numbers_without_spread_are_equal_or_not(mean, p):
    assert welch(Variant(params={}, mean=mean, sd=0.0, seeds=None), estimate(np.full(50, 0.5))) == p


def test_one_seed_of_ours_is_compared_with_nothing():
    assert welch(Variant(params={}, mean=50.0, sd=1.0, seeds=None), estimate(np.array([0.5]))) is None


def test_every_setting_runs_on_the_study_s_seeds_and_on_validation_images_only(record):
    finish(agenda(record, [STUDIED, UNPUBLISHED]))
    trials = record.trials()
    assert [(t.approach, t.number, t.state, t.params["x"]) for t in trials] == [
        ("a", 0, "COMPLETE", 0.5),
        ("a", 1, "COMPLETE", 0.8),
        ("b", 0, "COMPLETE", 0.5),
    ]
    assert seeds_run(record) == {0: list(range(12)), 1: list(range(USUAL_SEEDS))}
    assert {result.split for trial in trials for result in trial.results} == {VALIDATION}


def test_a_smoke_run_is_tiny(record):
    finish(agenda(record, smoke=True))
    assert seeds_run(record) == {0: list(range(SMOKE_SEEDS)), 1: list(range(SMOKE_SEEDS))}


def test_running_again_does_nothing(record):
    finish(agenda(record))
    again = agenda(record)
    assert again.is_finished()
    assert again.seeds_left == 0
    assert len(record.trials()) == 2


def test_a_lost_worker_costs_only_the_seeds_that_were_not_reported(record):
    own = agenda(record)
    work(own, own.next_task(), stop_after=3)
    finish(own)
    assert seeds_run(record) == {0: list(range(12)), 1: list(range(USUAL_SEEDS))}


@pytest.mark.parametrize("ran", [0, 1, 2, 3, 7, 12])
def test_a_killed_driver_s_seeds_are_neither_lost_nor_run_twice(tmp_path, ran):
    first = Record(tmp_path / "killed", write=True)
    before = agenda(first)
    for _ in range(ran):
        work(before, before.next_task())
    # Two workers were in the middle of theirs.
    for task in [before.next_task() for _ in range(2) if before.waiting]:
        work(before, task, stop_after=2)
    first.close()
    done = {number: len(seeds) for number, seeds in seeds_run(first).items()}
    second = Record(tmp_path / "killed", write=True)
    again = agenda(second)
    assert again.seeds_left == 12 + USUAL_SEEDS - sum(done.values())
    finish(again)
    assert seeds_run(second) == {0: list(range(12)), 1: list(range(USUAL_SEEDS))}
    assert {trial.state for trial in second.trials()} == {"COMPLETE"}
    second.close()


def test_a_driver_killed_before_a_trial_had_its_parameters(record):
    study = record.study("a")
    for setting in STUDIED.reported.settings().values():
        study.enqueue_trial(dict(setting.params), user_attrs={"seeds": 4})
    # The first was asked for and never suggested; the second still waits.
    study.ask()
    finish(agenda(record))
    assert [trial.params["x"] for trial in record.trials()] == [0.5, 0.8]
    assert seeds_run(record) == {0: list(range(4)), 1: list(range(4))}


def test_a_driver_killed_after_the_last_seed(record):
    before = agenda(record)
    before.close = lambda task: before.live.remove(task)
    while before.waiting:
        work(before, before.next_task())
    assert {trial.state for trial in record.trials()} == {"RUNNING"}
    assert agenda(record).is_finished()
    assert {trial.state for trial in record.trials()} == {"COMPLETE"}


def test_a_failed_seed_fails_its_setting_alone_and_is_said(record):
    finish(agenda(record), fails=lambda task, seed: "NaN" if task.params["x"] == 0.5 and seed == 6 else None)
    assert [trial.state for trial in record.trials()] == ["FAIL", "COMPLETE"]
    found = summarised(record, [STUDIED])
    assert row_of(found, "a")["noise_explains_it"] is None
    assert "a failed: seed 6: NaN" in printed(found)
    assert agenda(record).is_finished()


def test_a_setting_whose_workers_are_always_lost_is_given_up(record):
    own = agenda(record, [UNPUBLISHED])
    for _ in range(MOST_ATTEMPTS):
        work(own, own.next_task(), stop_after=0)
    assert own.is_finished()
    assert own.seeds_left == 0
    assert [trial.state for trial in record.trials()] == ["FAIL"]


def test_the_tables_have_each_approach_once_and_say_what_the_seeds_say(record):
    everything = [STUDIED, UNPUBLISHED, OTHER_NUMBER]
    finish(agenda(record, everything))
    found = summarised(record, everything)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [[(row["approach"], row["variant"]) for row in table["rows"]] for table in found["tables"]] == [
        [("a", None), ("a", "better"), ("b", None)],
        [("c", None)],
    ]
    main, better = row_of(found, "a"), row_of(found, "a", "better")
    p_values = []
    for row, x, seeds, (mean, sd, n) in ((main, 0.5, 12, (76, 4, 12)), (better, 0.8, 50, (60, 4, FEWEST_SEEDS))):
        ours = 100 * np.array([accuracy({"x": x}, seed) for seed in range(seeds)])
        assert row["ours"]["n"] == seeds
        assert row["ours"]["mean"] == pytest.approx(ours.mean() / 100)
        assert row["difference_points"] == pytest.approx(ours.mean() - mean)
        moments = (mean, sd, n, ours.mean(), ours.std(ddof=1), seeds)
        p_values.append(stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue)
    assert [main["p_holm"], better["p_holm"]] == pytest.approx(holm(p_values))
    assert (main["noise_explains_it"], better["noise_explains_it"]) == (True, False)
    for name in ("b", "c"):
        row = row_of(found, name)
        assert (row["difference_points"], row["p"], row["noise_explains_it"]) == (None, None, None)


PRINTED = """\
Accuracy on balanced validation images in per cent, mean +- sd over seeds

The first challenge

approach     reported        ours seeds ours - reported noise explains it     after the sweep
a         76.0 +- 4.0 75.6 +- 4.0    12            -0.4               yes 85.0 (84.0 to 86.0)
a, better 60.0 +- 4.0 84.9 +- 3.8    50           +24.9                no
b                none 75.9 +- 3.8    50               -                 -

Why some of the study's numbers are wrong:
  a: it was measured with a ruler

The second challenge

approach    reported        ours seeds ours - reported noise explains it after the sweep
c        49.9 +- 1.5 77.1 +- 3.6     8               -                 -

"""


def test_the_printed_tables(record):
    finish(agenda(record, [STUDIED, UNPUBLISHED, OTHER_NUMBER]))
    after = {"a": {"mean": 0.85, "low": 0.84, "high": 0.86}}
    text = printed(summarised(record, [STUDIED, UNPUBLISHED, OTHER_NUMBER], after=after))
    assert text.startswith(PRINTED)
    legend = " ".join(text.removeprefix(PRINTED).split())
    for words in ("Welch's t test", "10 are assumed", "at a logit of .5 or more", "after the sweep: ours"):
        assert words in legend


def test_an_unfinished_row_says_how_far_it_is_and_is_not_judged(record):
    own = agenda(record)
    work(own, own.next_task())
    found = summarised(record, [STUDIED])
    assert row_of(found, "a")["p"] is None
    (line,) = [line for line in printed(found).splitlines() if line.startswith("a  ")]
    assert re.search(r" 5 of 12 +- +-$", line)
    (line,) = [line for line in printed(found).splitlines() if line.startswith("a, better")]
    assert re.search(r" 0 of 50 +- +-$", line)


def test_random_weights_are_marked_where_they_are_and_nowhere_else(record):
    class Frozen(SeedTrainable):
        """Learns from features."""

        features = (FeatureSpec(backbone="vgg11", output="full"),)

    frozen = replace(approach("frozen"), trainable=Frozen)
    two = Challenge(name="two", title="The second challenge", approaches=(frozen,))
    record.begin({**SPEC, "weights": {"vgg11": "random"}}, {"options": {}})
    text = printed(summary(record, (ONE, two), [STUDIED, frozen], {}))
    assert "The first challenge\n\napproach     reported" in text
    assert "The second challenge [RANDOM WEIGHTS]\n\napproach weights reported" in text
    assert re.search(r"^frozen +random +none +0 of 50", text, re.MULTILINE)


def a_sweep(folder, **spec):
    """A finished sweep of the first challenge."""
    record = Record(folder, write=True)
    record.begin({**SPEC, **spec}, {"options": {"confirm_seeds": 6}})
    finish(search(record, [STUDIED]))
    finish(ConfirmAgenda(record, [STUDIED], lambda *who: None, seeds=6))
    record.close()
    return str(folder)


def test_a_sweep_s_confirmed_mean_stands_beside(tmp_path):
    folder = a_sweep(tmp_path / "sweep")
    found = confirmed([folder], (ONE, TWO), SPEC)
    assert list(found) == ["a"]
    assert found["a"]["n"] == 6
    best = next(trial for trial in Record(Path(folder), write=False).trials() if trial.stage == "confirm")
    assert found["a"]["mean"] == pytest.approx(best.values("accuracy").mean())


def test_of_several_sweeps_the_first_counts(tmp_path):
    first, second = a_sweep(tmp_path / "first"), tmp_path / "second"
    record = Record(second, write=True)
    record.begin(SPEC, {"options": {"confirm_seeds": 2}})
    finish(search(record, [STUDIED]))
    finish(ConfirmAgenda(record, [STUDIED], lambda *who: None, seeds=2))
    record.close()
    assert confirmed([first, str(second)], (ONE, TWO), SPEC)["a"]["n"] == 6
    assert confirmed([str(second), first], (ONE, TWO), SPEC)["a"]["n"] == 2


@pytest.mark.parametrize(
    ("of_sweep", "here", "says"),
    [
        ({"challenge": "reported"}, {}, "of one or two"),
        ({"dataset_fingerprint": "g"}, {}, "in images (f)"),
        ({"smoke": True}, {}, "in --smoke (False)"),
        ({"numbers_version": 2}, {}, "in version of the training code"),
        (
            {"precision": "bfloat16", "weights": {"vgg11": "random"}},
            {"weights": {"vgg11": "random"}},
            "in --precision",
        ),
        ({"weights_fingerprint": {"vgg11": "u"}}, {"weights_fingerprint": {"vgg11": "v"}}, "in weights of vgg11"),
        ({"others_fingerprint": {"other": "u"}}, {"others_fingerprint": {"other": "v"}}, "in images of other"),
    ],
)
def test_a_sweep_of_something_else_is_refused(tmp_path, of_sweep, here, says):
    record = Record(tmp_path / "sweep", write=True)
    record.begin({**SPEC, **of_sweep}, {"options": {"confirm_seeds": 6}})
    record.close()
    with pytest.raises(BadInput) as caught:
        confirmed([str(tmp_path / "sweep")], (ONE, TWO), {**SPEC, **here})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_both_challenges_are_covered_and_nothing_twice():
    names = [each.name for each in reported.CHALLENGE.approaches]
    assert len(set(names)) == len(names)
    assert set(names) == {each.name for table in reported.TABLES for each in table.approaches}


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
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_sentence_and_starts_nothing(tmp_path, arguments, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("ray.init", None)
    (tmp_path / "notes.txt").write_text("Only words.\n" * 100)
    (tmp_path / "results" / "used").mkdir(parents=True)
    given = ["--dataset", "phantom", "--approaches", "pixel_baseline", *shlex.split(arguments)]
    code = reported.main(given)
    printed, complaint = capfd.readouterr()
    assert (code, printed) == (2, "")
    assert complaint.count("\n") == 1, complaint
    assert complaint.startswith("reported: ")
    assert complaint.endswith(".\n")
    assert list(tmp_path.glob("results/*/*")) == []


def seeds(folder):
    frame = pd.read_csv(folder / "results/mine/seeds.csv")
    return sorted(zip(frame["approach"], frame["trial"], frame["seed"], frame["accuracy"], strict=True))


def done(folder, script, *arguments):
    finished = run(folder, script, *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.slow
def test_from_the_command_through_ctrl_c_to_mlflow_and_to_one_seed_again(tmp_path):
    options = ["--dataset", "phantom", "--approaches", "pixel_baseline", "starter_cnn", "--name", "mine"]
    driver = start(tmp_path, "reported", *options, "--workers", "1")
    wait_for_seeds(tmp_path, 60, "mine")
    driver.send_signal(signal.SIGINT)
    printed, complaint = driver.communicate(timeout=60)
    assert driver.returncode == 130
    way_on = "Go on with:\n    python sweeps/reported.py --workers 1 --resume mine\n"
    assert complaint.endswith(way_on)
    assert "Traceback" not in printed + complaint
    before = seeds(tmp_path)
    printed = done(tmp_path, "reported", "--resume", "mine")
    after = seeds(tmp_path)
    assert set(before) <= set(after)
    assert [(name, seed) for name, _, seed, _ in after] == [
        (name, seed) for name in ("pixel_baseline", "starter_cnn") for seed in range(50)
    ]
    for words in (
        "The study's numbers beside ours, at its settings and on its seeds [PHANTOM IMAGES]",
        "Challenge 1: from scratch, ten training images [PHANTOM IMAGES]",
        "reported.py --resume mine --sweep results/NAME",
    ):
        assert words in printed
    assert "Challenge 2" not in printed
    found = json.loads((tmp_path / "results/mine/summary.json").read_text())
    assert found["marks"] == {"images": "phantom"}
    assert row_of(found, "pixel_baseline")["ours"]["n"] == 50
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("seedsweep reported")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted((each.data.tags["role"], each.info.status) for each in runs) == [
        ("sweep", "FINISHED"),
        *[("trial", "FINISHED")] * 2,
    ]
    assert {each.data.tags["images"] for each in runs} == {"phantom"}
    one_seed = shlex.split(re.search(r"python sweeps/rerun\.py (.*)", printed)[1])
    again = done(tmp_path, "rerun", *one_seed)
    assert again.count(" same\n") == 6
    # A sweep of the same images beside it.
    tiny = "--dataset phantom --approaches pixel_baseline --num-samples 1 --seeds 2 --confirm-seeds 3 --name sweep"
    done(tmp_path, "challenge1", *tiny.split())
    beside = done(tmp_path, "reported", "--resume", "mine", "--sweep", "results/sweep")
    assert re.search(r"pixel_baseline .* \d\d\.\d \(\d\d\.\d to \d+\.\d\)", beside)
    assert seeds(tmp_path) == after

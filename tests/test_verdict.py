from dataclasses import asdict

import numpy as np
import pytest

from sweeps.comparisons import compare_all
from sweeps.verdict import verdict, versus


def summary(means, baseline="plain", **more):
    """A summary of approaches with exactly these means on 40 seeds; differences have an sd of about 2 points."""
    rng = np.random.default_rng(0)
    values = {}
    for name, mean in means.items():
        noise = rng.normal(0, 0.015, 40)
        values[name] = dict(enumerate(mean + noise - noise.mean()))
    rows = [
        {
            "approach": name,
            "is_confirmed": True,
            "confirmed": {"mean": mean, "n": 40, "low": mean - 0.02, "high": mean + 0.02},
            "optimism": 0.012,
            "test": {"balanced_accuracy": {"mean": 0.7, "low": 0.65, "high": 0.75}},
        }
        for name, mean in sorted(means.items(), key=lambda item: -item[1])
    ]
    pairs = [asdict(pair) | {"is_shown": pair.is_shown} for pair in compare_all(values)]
    spec = {"dataset": "real.npz", "weights": {}, "others": {}, "smoke": False}
    return {**spec, "baseline": baseline, "approaches": rows, "comparisons": pairs, **more}


def test_says_which_by_how_much_and_whether_it_held():
    which, apart, held = verdict(summary({"good": 0.9, "plain": 0.8, "poor": 0.7}))
    assert which.startswith(
        "good is best with 90.0 % (95 % interval 88.0 to 92.0) on 40 fresh seeds; it is better than"
    )
    assert "plain baseline plain (+10.0, " in which
    assert apart.startswith(
        "It is shown to be better than every other confirmed approach (at a level of 5%, corrected for all 3 pairs"
    )
    assert held.startswith("On fresh seeds its mean is 1.2 points lower than in the search; on the official test")
    assert "balanced accuracy is 70.0 % (95 % interval 65.0 to 75.0)" in held


def test_names_those_that_are_not_told_apart():
    which, apart, _ = verdict(summary({"good": 0.9, "rival": 0.899, "plain": 0.8}))
    assert "better than the plain baseline" in which
    assert "better than 1 of the 2 others" in apart
    assert "not told apart from it, in points: rival (-0.1, " in apart


def test_a_winner_that_the_seeds_do_not_show_to_beat_the_baseline():
    which, apart, _ = verdict(summary({"good": 0.8005, "plain": 0.8}))
    assert "not shown to differ from the plain baseline" in which
    assert "better than none of the others" in apart


def test_nothing_beats_the_baseline():
    assert verdict(summary({"poor": 0.7, "plain": 0.8}))[0].endswith(
        "nothing confirmed has a greater mean than the plain baseline."
    )


def test_alone():
    which, apart, _ = verdict(summary({"only": 0.8}, baseline=None))
    assert which.endswith("on 40 fresh seeds.")
    assert apart.startswith("There is no other confirmed approach to compare it with")


def test_random_weights_and_phantoms_are_said_in_the_first_sentence():
    found = summary({"good": 0.9, "plain": 0.8}, dataset="phantom", weights={"vgg11": "random"})
    assert "[PHANTOM IMAGES, RANDOM WEIGHTS]" in verdict(found)[0]


def test_nothing_confirmed():
    found = summary({"good": 0.9})
    found["approaches"][0]["is_confirmed"] = False
    assert verdict(found) == ["No approach is confirmed yet, so there is no answer."]


@pytest.mark.parametrize("name", ["good", "plain", "poor"])
def test_versus_is_seen_from_the_other_side(name):
    means = {"good": 0.9, "plain": 0.8, "poor": 0.7}
    found = versus(summary(means), name)
    assert list(found) == [other for other in means if other != name]
    for other, pair in found.items():
        assert pair["mean"] == pytest.approx(means[other] - means[name])
        assert pair["low"] < pair["mean"] < pair["high"]
        assert pair["verdict"] == ("better" if means[other] > means[name] else "worse")


def test_versus_of_none_is_empty():
    assert versus(summary({"good": 0.9, "plain": 0.8}), None) == {}


def test_approaches_without_confirmation_are_not_passed_over():
    found = summary({"good": 0.9, "plain": 0.8, "lost": 0.7})
    found["approaches"][2]["is_confirmed"] = False
    found["comparisons"] = [pair for pair in found["comparisons"] if "lost" not in (pair["better"], pair["worse"])]
    assert "better than every other confirmed approach, 1 not being confirmed" in verdict(found)[1]
    found["comparisons"] = []
    which, apart, _ = verdict(found)
    assert which.endswith("on 40 fresh seeds.")
    assert apart.startswith("There is no other confirmed approach")


def test_a_baseline_without_rivals_is_not_said_to_be_unbeaten():
    assert verdict(summary({"plain": 0.8}))[0].endswith("on 40 fresh seeds.")


def test_an_interval_without_zero_that_the_correction_does_not_accept_is_explained():
    found = summary({"good": 0.9, "plain": 0.8, "poor": 0.7})
    for pair in found["comparisons"]:
        pair["is_shown"] = False
    which, apart, _ = verdict(found)
    assert which.endswith("points: by itself it would, corrected for 3 pairs it does not).")
    assert ": plain, poor (-20.0, " in apart

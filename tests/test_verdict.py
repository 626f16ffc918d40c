from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_up import START, changed, found, source, trial
from sweeps.analysis.approach_summary import Configurations
from sweeps.analysis.checks import checks
from sweeps.analysis.comparisons import compare_all
from sweeps.analysis.intervals import Estimate
from sweeps.analysis.optimism import Optimism
from sweeps.analysis.verdict import verdict, versus
from sweeps.views.console import sweep_text


def estimate(mean, half):
    return Estimate(n=40, mean=mean, iqm=mean, sd=0.02, low=mean - half, high=mean + half, images_error=0.0)


def summary(means, baseline="plain", spec=None):
    """A summary of approaches with exactly these means on 40 seeds; differences have an sd of about 2 points."""
    rng = np.random.default_rng(0)
    values = {}
    for name, mean in means.items():
        noise = rng.normal(0, 0.015, 40)
        values[name] = dict(enumerate(mean + noise - noise.mean()))
    empty = found([], names=tuple(means), spec=spec)
    rows = [
        changed(
            row,
            {
                "is_confirmed": True,
                "confirmed": estimate(means[row.approach], 0.02),
                "search": estimate(means[row.approach] - 0.01, 0.02),
                "optimism": Optimism(mean=0.012, low=0.004, high=0.02, regret=0.003),
                "test": {"balanced_accuracy": estimate(0.7, 0.05)},
            },
        )
        for row in empty.approaches
    ]
    rows.sort(key=lambda row: -means[row.approach])
    pairs = tuple(compare_all(values))
    return changed(empty, {"baseline": baseline, "approaches": tuple(rows), "comparisons": pairs})


def without_confirmation(summary, name):
    """The summary with one approach that is not confirmed, and so not compared."""
    missing = {"is_confirmed": False, "confirmed": None}
    rows = [changed(row, missing) if row.approach == name else row for row in summary.approaches]
    pairs = [pair for pair in summary.comparisons if name not in (pair.better, pair.worse)]
    return changed(summary, {"approaches": tuple(rows), "comparisons": tuple(pairs)})


def without_optimism(summary, tried):
    """The verdict where so many configurations were tried and nothing is known of choosing."""
    counts = Configurations(complete=1, raced_out=tried - 1, failed=0, unfinished=0)
    rows = [changed(row, {"optimism": None, "configurations": counts}) for row in summary.approaches]
    return verdict(changed(summary, {"approaches": tuple(rows)}))


def test_says_which_by_how_much_and_whether_it_held():
    which, apart, held = verdict(summary({"good": 0.9, "plain": 0.8, "poor": 0.7}))
    assert which.startswith(
        "good is best with 90.0 % (95 % interval 88.0 to 92.0) on 40 fresh seeds; it is better than"
    )
    assert "plain baseline plain (+10.0, " in which
    assert apart.startswith(
        "It is shown to be better than every other confirmed approach (at a level of 5 %, corrected for all 3 pairs"
    )
    assert held.startswith(
        "Choosing flattered it in the search by about 1.2 points (95 % interval 0.4 to 2.0). Its mean was 89.0 % on "
        "the search's 40 seeds and is 90.0 % on the fresh ones, which may be easier or harder; on the test split"
    )
    assert "balanced accuracy is 70.0 % (95 % interval 65.0 to 75.0)" in held


def test_a_winner_that_was_not_chosen_among_others():
    made = summary({"good": 0.9, "plain": 0.8})
    assert without_optimism(made, tried=1)[2].startswith("It was not chosen among others. Its mean")


def test_how_much_choosing_flattered_may_not_be_known():
    """As with --seeds 2, or where all others were raced out."""
    assert without_optimism(summary({"good": 0.9, "plain": 0.8}), tried=2)[2].startswith(
        "How much choosing flattered it is not known (too few complete configurations or seeds). Its mean"
    )


def test_scores_that_are_all_alike_do_not_say_how_much_choosing_flattered():
    names = ("plain", "good")
    made = [trial(number, 1.0, approach=name, spread=0.0) for name in names for number in range(3)]
    made += [trial(0, 1.0, approach=name, stage="confirm", seeds=12, of_trial=0, spread=0.0) for name in names]
    text = verdict(found(made, names))[2]
    assert text.startswith("How much choosing flattered it is not known (its search seeds all have one score)")


def test_names_those_that_cannot_be_distinguished():
    which, apart, _ = verdict(summary({"good": 0.9, "rival": 0.899, "plain": 0.8}))
    assert "better than the plain baseline" in which
    assert "better than 1 of the 2 others" in apart
    assert "cannot be distinguished from these (their differences from it in points): rival (-0.1, " in apart


def test_a_winner_that_the_seeds_do_not_show_to_beat_the_baseline():
    which, apart, _ = verdict(summary({"good": 0.8005, "plain": 0.8}))
    assert "not shown to differ from the plain baseline" in which
    assert "not shown to be better than any other confirmed approach" in apart


def test_nothing_beats_the_baseline():
    assert verdict(summary({"poor": 0.7, "plain": 0.8}))[0].endswith(
        "no other confirmed approach has a greater mean than the plain baseline."
    )


def test_alone():
    which, apart, _ = verdict(summary({"only": 0.8}, baseline=None))
    assert which.endswith("on 40 fresh seeds.")
    assert apart.startswith("There is no other confirmed approach to compare it with")


def test_random_weights_and_phantoms_are_said_in_the_first_sentence():
    spec = {"dataset": source("phantom"), "weights": {"vgg11": source("random")}}
    found = summary({"good": 0.9, "plain": 0.8}, spec=spec)
    assert "[PHANTOM IMAGES, RANDOM WEIGHTS]" in verdict(found)[0]


def test_nothing_confirmed():
    found = without_confirmation(summary({"good": 0.9}), "good")
    assert verdict(found) == ["No approach has all its fresh seeds yet, so there is no answer."]


@pytest.mark.parametrize("name", ["good", "plain", "poor"])
def test_versus_is_seen_from_the_other_side(name):
    means = {"good": 0.9, "plain": 0.8, "poor": 0.7}
    found = versus(summary(means), name)
    assert list(found) == [other for other in means if other != name]
    for other, pair in found.items():
        assert pair.mean == pytest.approx(means[other] - means[name])
        assert pair.low < pair.mean < pair.high
        assert pair.verdict == ("better" if means[other] > means[name] else "worse")


def test_versus_of_none_is_empty():
    assert versus(summary({"good": 0.9, "plain": 0.8}), None) == {}


def test_approaches_without_confirmation_are_not_passed_over():
    found = without_confirmation(summary({"good": 0.9, "plain": 0.8, "lost": 0.7}), "lost")
    assert verdict(found)[1].startswith("It is shown to be better than every other confirmed approach (at a level of")
    assert verdict(found)[1].endswith(". Not confirmed, so not compared: 1 more.")
    which, apart, _ = verdict(changed(found, {"comparisons": ()}))
    assert which.endswith("on 40 fresh seeds.")
    assert apart.startswith("There is no other confirmed approach")


def test_a_winner_beside_a_baseline_that_is_not_confirmed_is_not_called_the_baseline():
    found = without_confirmation(summary({"good": 0.9, "plain": 0.8, "poor": 0.7}), "plain")
    which, compared, _ = verdict(found)
    assert which.endswith("on 40 fresh seeds; the plain baseline plain is not confirmed.")
    assert "poor" in compared or "every other" in compared
    assert verdict(changed(found, {"baseline": None}))[0].endswith("on 40 fresh seeds.")


def test_what_is_confirmed_on_some_of_the_seeds_is_not_said_to_be_not_confirmed():
    """As after an interruption: of the baseline 12 of 20 fresh seeds are there, of `lost` none."""
    made = [trial(0, 0.8, approach=name) for name in ("plain", "good", "rival", "lost")]
    for name, mean, seeds in (("plain", 0.8, 12), ("good", 0.9, 20), ("rival", 0.85, 20)):
        made.append(trial(0, mean, approach=name, stage="confirm", seeds=seeds, of_trial=0))
    start = changed(START, {"options": {"confirm_seeds": 20}})
    found_there = found(made, ("plain", "good", "rival", "lost"), starts=(start,))
    which, compared, _ = verdict(found_there)
    assert which.endswith("the plain baseline plain is confirmed on 12 of 20 fresh seeds, so not compared yet.")
    assert (
        "Confirmed on some of the fresh seeds, so not ranked yet: plain on 12 of 20. "
        "Not confirmed, so not compared: 1 more."
    ) in compared
    text = sweep_text(found_there, Path("results/made-up"))
    assert " (12 of 20 seeds) " in text
    (finding,) = [each for each in checks(found_there, made) if each.title == "Confirmation"]
    assert finding.text.endswith("or failed: plain (12 of 20), lost (0 of 20).")
    more = changed(START, {"options": {"confirm_seeds": 50}})
    assert verdict(found(made, ("plain", "good", "rival", "lost"), starts=(more,))) == [
        "No approach has all its fresh seeds yet, so there is no answer. Confirmed on some of the fresh seeds, so not "
        "ranked yet: good on 20 of 50, rival on 20 of 50, plain on 12 of 50."
    ]


def test_a_baseline_without_rivals_is_not_said_to_be_unbeaten():
    assert verdict(summary({"plain": 0.8}))[0].endswith("on 40 fresh seeds.")


def test_an_interval_without_zero_that_the_correction_does_not_accept_is_explained():
    found = summary({"good": 0.9, "plain": 0.8, "poor": 0.7})
    pairs = [replace(pair, p_holm=0.06) for pair in found.comparisons]
    which, apart, _ = verdict(changed(found, {"comparisons": tuple(pairs)}))
    assert which.endswith("points; without the correction for 3 pairs it would be).")
    assert ": plain, poor (-20.0, " in apart


def confirmed(means, *, seeds, spreads):
    """A summary with these means on so many fresh seeds, which lie so far around them."""
    made = [trial(0, 0.8, approach=name) for name in means]
    for (name, mean), spread in zip(means.items(), spreads, strict=True):
        made.append(trial(0, mean, approach=name, stage="confirm", seeds=seeds, of_trial=0, spread=spread))
    return found(made, tuple(means), starts=(changed(START, {"options": {"confirm_seeds": seeds}}),))


def test_few_seeds_that_show_which_is_best_are_not_said_to_be_too_few_to_tell():
    which, compared, *_ = verdict(confirmed({"plain": 0.6, "good": 0.9}, seeds=5, spreads=(0.01, 0.02)))
    assert "cannot tell" not in which
    assert "; with so few, an interval's width is itself luck; --confirm-seeds 50 gives better ones" in which
    assert "It is shown to be better than every other" in compared


def test_few_seeds_that_do_not_show_it_promise_no_more_of_more_seeds_than_they_know():
    which, *_ = verdict(confirmed({"plain": 0.8, "good": 0.801}, seeds=5, spreads=(0.03, 0.01)))
    assert ", but so few cannot tell which is best: with so few" in which
    assert "points to either side if they spread as these do; it is not shown" in which
    # Scores that are all alike say nothing of others.
    alike, *_ = verdict(confirmed({"plain": 0.8, "good": 0.9}, seeds=3, spreads=(0.0, 0.0)))
    assert "gives better ones; " in alike


def test_means_that_are_level_are_not_called_the_best():
    which, compared, *_ = verdict(confirmed({"good": 1.0, "other": 1.0}, seeds=12, spreads=(0.0, 0.0)))
    assert which.startswith("good has the greatest mean, 100.0 % ")
    assert "on 12 fresh seeds, the same as other" in which
    assert which.startswith("good has the greatest mean")
    assert "It cannot be distinguished from these (their differences from it in points): other (+0.0, -" in compared


def test_differences_are_announced_only_where_there_are_some():
    _, compared, _ = verdict(summary({"good": 0.801, "plain": 0.8}))
    assert compared.startswith(
        "It is not shown to be better than any other confirmed approach (at a level of 5 %). "
        "It cannot be distinguished from these: plain."
    )

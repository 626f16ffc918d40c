"""Each check speaks up on a journal made for it, and not on a clean one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_up import SPEC, START, MadeUp, approaches, changed, found, source, trial
from sweeps.analysis.check import FINE, KNOW, LOOK
from sweeps.analysis.checks import checks
from sweeps.analysis.comparisons import Comparison, compare
from sweeps.analysis.confirmation_checks import seeds_needed
from sweeps.analysis.image_error import ImagesError
from sweeps.analysis.optimism import Optimism
from sweeps.analysis.summary import summarise

# At the published setting of `pretended`, which no winner of a clean journal has.
PUBLISHED = {"x": 0.5, "kind": "plain"}


def confirmed(approach, mean, of_trial=1, **more):
    return trial(0, mean, approach=approach, stage="confirm", seeds=10, of_trial=of_trial, **more)


def clean():
    """Two approaches, twelve configurations each, `b` clearly better than the plain baseline `a`."""
    made = []
    for approach, mean in (("a", 0.8), ("b", 0.9)):
        made += [trial(0, mean - 0.05, approach=approach, params=PUBLISHED, distributions={})]
        made += [trial(1, mean, approach=approach)]
        made += [trial(number, mean - 0.02, approach=approach) for number in range(2, 12)]
        made += [confirmed(approach, mean)]
    return made


def replaced(trials, new):
    """The trials with one in the place of that of the same approach, stage and number."""
    where = (new.approach, new.stage, new.number)
    return [new if (each.approach, each.stage, each.number) == where else each for each in trials]


def check(trials, title, **more):
    (finding,) = [each for each in checks(found(trials, **more), trials) if each.title == title]
    return finding


def test_a_clean_journal_has_nothing_to_look_at():
    trials = clean()
    made = checks(found(trials), trials)
    assert [each.title for each in made if each.mark == LOOK] == []
    assert [each.title for each in made if each.mark == KNOW] == ["Test split", "What the intervals cover"]
    assert all(each.text.endswith(".") for each in made)


@pytest.mark.parametrize(
    ("title", "spec", "words"),
    [
        ("Images", {"dataset": source("phantom")}, "PHANTOM IMAGES"),
        ("Images", {"other_datasets": {"breastmnist": source("phantom")}}, "PHANTOM BREASTMNIST"),
        ("Weights", {"weights": {"vgg11": source("random")}}, "random"),
        ("Kind of run", {"smoke": True}, "smoke run"),
    ],
)
def test_what_the_spec_warns_of(title, spec, words):
    finding = check(clean(), title, spec=spec)
    assert finding.mark == LOOK
    assert words in finding.text


@pytest.mark.parametrize(
    ("revisions", "words"),
    [(["abc", "def"], "2 versions"), (["abc-dirty"], "not committed"), (["unknown"], "not known")],
)
def test_code_that_cannot_be_brought_back(revisions, words):
    finding = check(clean(), "Code", starts=[changed(START, {"git_revision": revision}) for revision in revisions])
    assert finding.mark == LOOK
    assert words in finding.text


def test_another_processor_in_the_middle():
    finding = check(clean(), "Code", starts=[START, changed(START, {"processor": "an abacus"})])
    assert finding.mark == LOOK
    assert "2 kinds of processor (Intel Xeon avx2; an abacus)" in finding.text


def test_another_processor_of_a_worker():
    finding = check(clean(), "Code", processors=[START.processor, "an abacus"])
    assert finding.mark == LOOK
    assert "ran on 2 kinds of processor (Intel Xeon avx2; an abacus)" in finding.text
    assert check(clean(), "Code", processors=[START.processor]).mark != LOOK


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"rate": 1e-2, "width": 0.5}, "rate=0.01 at the upper end"),
        # In log units this is 4 % of the range from its lower end, and in plain ones less.
        ({"rate": 1.2e-4, "width": 0.5}, "rate=0.00012 at the lower end"),
        ({"rate": 1e-3, "width": 0.04}, "width=0.04 at the lower end"),
    ],
)
def test_winners_at_an_edge(params, words):
    trials = replaced(clean(), trial(1, 0.9, approach="b", params={**params, "kind": "odd"}))
    finding = check(trials, "Edges of the search space")
    # One of four may well be chance.
    assert finding.mark == KNOW
    assert finding.items == (f"b: {words}",)
    assert finding.text.startswith("1 of the 4 numeric values")


def test_more_winners_at_edges_than_chance_puts_there():
    trials = replaced(clean(), trial(1, 0.9, approach="b", params={"rate": 1e-2, "width": 1.0, "kind": "odd"}))
    trials = replaced(trials, trial(1, 0.8, approach="a", params={"rate": 1e-4, "width": 0.5, "kind": "odd"}))
    assert check(trials, "Edges of the search space").mark == LOOK


def test_a_log_range_is_measured_in_log_units():
    # In plain units 3 % of the range from its lower end.
    params = {"rate": 4e-4, "width": 0.5, "kind": "plain"}
    assert (
        check(replaced(clean(), trial(1, 0.9, approach="b", params=params)), "Edges of the search space").mark == FINE
    )


def test_failures_are_counted_with_their_most_frequent_reason():
    trials = clean()
    for number, reason in ((2, "seed 1000: diverged"), (3, "seed 1004: diverged"), (4, "seed 1000: out of memory")):
        trials = replaced(trials, trial(number, state="FAIL", seeds=0, reason=reason))
    finding = check(trials, "Failures")
    assert finding.mark == LOOK
    assert finding.text == "3 configurations failed (a 3). Most frequent reason, 2 times: diverged"


def test_what_is_not_finished():
    trials = [*clean(), trial(12, state="RUNNING", seeds=3)]
    assert "1 configuration" in check(trials, "Unfinished").text
    assert check(trials, "Unfinished").mark == LOOK


def test_changed_images_that_are_switched_off_are_not_to_be_finished():
    trials = [*clean(), trial(0, state="RUNNING", stage="robustness", seeds=0, of_trial=1)]
    on, off = (changed(START, {"options": {"robustness": word}}) for word in ("on", "off"))
    assert check(trials, "Unfinished", starts=(on,)).mark == LOOK
    assert check(trials, "Unfinished", starts=(off,)).mark == FINE


def test_an_approach_without_confirmation():
    trials = [each for each in clean() if (each.approach, each.stage) != ("a", "confirm")]
    assert check(trials, "Confirmation").mark == LOOK
    assert check(trials, "Plain baseline").mark == LOOK
    failed = [*trials, confirmed("a", 0.8, state="FAIL", reason="seed 2000: broken")]
    assert "a (seed 2000: broken)" in check(failed, "Confirmation").text


def noisy(trials, approach, by):
    """The trials with an approach's confirmed seeds moved back and forth."""

    def moved(each):
        if (each.approach, each.stage) != (approach, "confirm"):
            return each
        signs = np.resize([1, -1], len(each.results))
        return replace(
            each,
            results=tuple(
                replace(result, accuracy=result.accuracy + by * sign)
                for result, sign in zip(each.results, np.repeat(signs, 2), strict=False)
            ),
        )

    return [moved(each) for each in trials]


def test_too_few_seeds_and_how_many_it_would_take():
    trials = noisy(clean(), "b", 0.2)
    finding = check(trials, "Enough seeds")
    (pair,) = found(trials).comparisons
    assert not pair.is_shown
    assert finding.mark == LOOK
    # Of one pair, which either block of seeds may show.
    assert f"about {seeds_needed(pair, 2)} seeds would show it" in finding.text
    assert check(trials, "Plain baseline").mark == LOOK


def test_no_difference_takes_no_number_of_seeds():
    same = [replace(each, results=clean()[12].results) if each.stage == "confirm" else each for each in clean()]
    finding = check(same, "Enough seeds")
    assert finding.mark == LOOK
    assert "No number of seeds" in finding.text


def test_few_seeds_do_not_say_how_many_it_would_take():
    few = [
        replace(each, results=each.results[:6]) if each.stage == "confirm" else each
        for each in noisy(clean(), "b", 0.2)
    ]
    finding = check(few, "Enough seeds", starts=[changed(START, {"options": {"confirm_seeds": 3}})])
    assert finding.mark == LOOK
    assert finding.text.startswith("3 seeds do not show the difference of ")
    assert finding.text.endswith(", and are too few to say how many would. Take --confirm-seeds 50.")


def test_one_common_seed_tells_nothing():
    one = [replace(each, results=each.results[:2]) if each.stage == "confirm" else each for each in clean()]
    starts = [changed(START, {"options": {"confirm_seeds": 1}})]
    finding = check(one, "Enough seeds", starts=starts)
    assert (finding.mark, "One common seed" in finding.text) == (LOOK, True)
    assert "all fresh seeds of both, and two at least" in check(one, "Plain baseline", starts=starts).text


def test_so_many_seeds_have_the_power_that_is_said():
    """Simulated: one of three comparisons, a true difference of two points, on pools that move it."""
    rng = np.random.default_rng(0)
    images = ImagesError(error=0.004, degrees=1000)
    errors = {"sd": 0.05, "images_error": images.error, "low": -0.02, "high": 0.06}
    pair = Comparison(
        better="a", worse="b", n=10, mean=0.02, **errors, p=0.5, p_holm=0.5, probability=0.75, wins=0.5
    )  # fmt: skip
    needed = seeds_needed(pair, 3)
    shown = []
    for _ in range(1000):
        differences = rng.normal(0.02 + rng.normal(0, images.error), 0.05, needed)
        shown.append(compare("a", "b", differences, np.zeros(needed), images).p < 0.05 / 3)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.05)


def with_optimism(**more):
    """The summary of a clean journal, with this optimism of `b`."""
    made = found(clean())
    known = Optimism(**{"mean": 0.001, "low": 0.0, "high": 0.002, "regret": 0.001, **more})
    none = Optimism(mean=0.0, low=0.0, high=0.0, regret=0.0)
    rows = [changed(row, {"optimism": known if row.approach == "b" else none}) for row in made.approaches]
    return {each.title: each for each in checks(changed(made, {"approaches": tuple(rows)}), clean())}


def test_optimism_that_matters_even_at_its_lower_end():
    finding = with_optimism(mean=0.014, low=0.006, high=0.022)["Optimism of the search"]
    assert finding.mark == LOOK
    assert "b (1.4 points, 0.6 to 2.2)" in finding.text
    assert with_optimism(mean=0.014, low=0.0, high=0.028)["Optimism of the search"].mark == FINE


def test_a_choice_that_probably_passed_a_better_configuration_over():
    finding = with_optimism(regret=0.012)["Choosing the best"]
    assert finding.mark == LOOK
    assert "With 500 validation images a class and 10 seeds" in finding.text
    assert "b 1.2" in finding.text
    assert with_optimism()["Choosing the best"].mark == FINE


def test_what_choosing_did_is_not_fine_where_it_cannot_be_estimated():
    two_seeds = [trial(n, 0.8 + 0.01 * n, seeds=2, approach=name, params={"x": n}) for name in "ab" for n in (0, 1)]
    for title in ("Choosing the best", "Optimism of the search"):
        finding = check(two_seeds, title)
        assert finding.mark == KNOW
        assert finding.text == "Not known of a, b: too few complete configurations or seeds."


def test_a_runner_up_that_the_second_block_has_ahead_is_said_to_be():
    made = [trial(0, 0.8, approach=name) for name in "ab"]
    for stage, means in (("confirm", (0.8, 0.799)), ("decide", (0.79, 0.795))):
        for name, mean, spread in zip("ab", means, (0.05, 0.01), strict=True):
            made += [trial(0, mean, approach=name, stage=stage, seeds=10, of_trial=0, spread=spread)]
    finding = check(made, "Enough seeds")
    assert finding.text.startswith(
        "10 seeds do not show the difference of 0.50 points by which a is behind its runner-up b."
    )


def test_a_search_that_still_improves():
    trials = [each for each in clean() if not (each.approach == "b" and each.stage == "confirm")]
    trials = [*replaced(trials, trial(10, 0.91, approach="b")), confirmed("b", 0.91, of_trial=10)]
    finding = check(trials, "End of the search")
    assert finding.mark == LOOK
    assert "b (+1.0 points)" in finding.text
    earlier = [*replaced(clean()[:-1], trial(5, 0.91, approach="b")), confirmed("b", 0.91, of_trial=5)]
    assert check(earlier, "End of the search").mark == FINE


def test_a_winner_that_is_the_published_setting():
    trials = replaced(clean()[:-1], trial(0, 0.95, approach="b", params=PUBLISHED, distributions={}))
    assert "b." in check([*trials, confirmed("b", 0.9, of_trial=0)], "Gain of the search").text
    assert check([*trials, confirmed("b", 0.9, of_trial=0)], "Gain of the search").mark == LOOK


def test_few_configurations():
    trials = [each for each in clean() if each.approach == "a" or each.number < 9]
    finding = check(trials, "Size of the search")
    assert finding.mark == LOOK
    assert "b 9" in finding.text


def test_a_test_split_that_was_opened_again():
    trials = [*clean(), trial(1, 0.8, approach="b", stage="confirm", seeds=10, of_trial=2)]
    finding = check(trials, "Test split")
    assert finding.mark == LOOK
    assert finding.items == ("b: for 2 configurations, as more search found a new best one",)


def test_one_approach_alone():
    trials = [each for each in clean() if each.approach == "b"]
    marks = {each.title: each.mark for each in checks(found(trials, names=("b",)), trials)}
    assert marks["Enough seeds"] == KNOW
    assert marks["Plain baseline"] == LOOK


def test_a_journal_that_has_only_begun():
    empty = found([], names=("a", "b"))
    assert {each.mark for each in checks(empty, [])} <= {LOOK, KNOW, FINE}


def test_what_a_smoke_run_is():
    text = check(clean(), "Kind of run", spec={"smoke": True}).text
    for words in ("few configurations and seeds", "backbones always see smaller images"):
        assert words in text
    assert "training" not in text


def unpublished(trials):
    """The checks by title, where nothing is published of `b`."""
    first, second = approaches("a", "b")
    summary = summarise(MadeUp(trials, spec=SPEC), [first, replace(second, published=None)])
    return {each.title: each for each in checks(summary, trials)}


def test_an_approach_of_which_nothing_is_published_is_checked_like_any_other():
    found = unpublished(clean())
    assert len(found) == 18
    assert [each.title for each in found.values() if each.mark == LOOK] == []
    # Its first configuration may well be its best: it was drawn, so it has an edge as any other.
    at_edge = {"rate": 1e-2, "width": 0.5, "kind": "odd"}
    first = replaced(clean()[:-1], trial(0, 0.95, approach="b", params=at_edge))
    found = unpublished([*first, confirmed("b", 0.94, of_trial=0)])
    assert found["Gain of the search"].mark == FINE
    assert found["Edges of the search space"].items == ("b: rate=0.01 at the upper end",)

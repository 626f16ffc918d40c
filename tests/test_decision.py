"""Who meets a second block of fresh seeds, what is quoted then, and that the stage of it can be killed and extended."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_up import SPEC, START, approaches, changed, finished, found, trial
from pretended import approach, finish, outcome, search
from sweeps.analysis.comparisons import compare_all
from sweeps.analysis.decision import candidates, members, overtaker, quoted
from sweeps.analysis.first_shares import first_shares
from sweeps.analysis.hits import hits_of
from sweeps.analysis.summary import summarise, undecided
from sweeps.analysis.verdict import verdict
from sweeps.stages.decision import DecisionStage
from sweeps.stages.ranking import best_complete, confirmed_results
from sweeps.store.trials import DECIDE
from sweeps.views.console import against_baseline, sweep_text
from trainables.parts.protocol import TEST, VALIDATION


def decide(journal, seeds=8, members=("a", "b")):
    approaches = [approach("a"), approach("b"), approach("c")]
    return DecisionStage(journal, approaches, lambda *who: None, seeds=seeds, members=members)


def searched(journal):
    finish(search(journal, [approach("a"), approach("b"), approach("c")], num_samples=3))
    return journal


def of_stage(journal):
    return [each for each in journal.trials() if each.stage == DECIDE]


def test_members_meet_the_second_block_and_the_test_split_and_no_others_do(journal):
    finish(decide(searched(journal)))
    best = best_complete(journal.trials(), "a")
    results = confirmed_results(journal.trials(), "a", best.number, DECIDE)
    assert {(r.seed, r.split) for r in results} == {(s, p) for s in range(6000, 6008) for p in (VALIDATION, TEST)}
    assert {each.approach for each in of_stage(journal)} == {"a", "b"}
    assert not confirmed_results(journal.trials(), "a", best.number)


def test_it_goes_on_where_the_driver_died_and_more_seeds_and_members_add_up(journal):
    stage = decide(searched(journal))
    task = stage.next_task()
    for split in (VALIDATION, TEST):
        stage.take(task, outcome(task, 6000, split))
    stage.take(task, outcome(task, 6001, VALIDATION))
    again = decide(journal)
    assert {seed for task in again.waiting for block in task.blocks for seed in block} == {6000, *range(6001, 6008)}
    assert again.seeds_left == 15
    finish(again)
    assert decide(journal).is_finished()
    finish(decide(journal, seeds=10, members=("a", "b", "c")))
    assert {name: sum(len(each.scores) for each in of_stage(journal) if each.approach == name) for name in "abc"} == {
        "a": 10,
        "b": 10,
        "c": 10,
    }


def test_what_was_left_of_one_that_is_now_told_apart_is_ended_and_its_seeds_are_used_when_it_comes_back(journal):
    stage = decide(searched(journal))
    task = next(task for task in iter(stage.next_task, None) if task.approach == "b")
    for split in (VALIDATION, TEST):
        stage.take(task, outcome(task, 6000, split))
    finish(decide(journal, members=()))
    assert {each.state for each in of_stage(journal)} == {"FAIL"}
    back = decide(journal)
    seeds = [seed for task in back.waiting if task.approach == "b" for block in task.blocks for seed in block]
    assert seeds == list(range(6001, 6008))


def values(**means):
    """Forty seeds with exactly these means; differences have an sd of about two points."""
    rng = np.random.default_rng(0)
    noise = {name: rng.normal(0, 0.015, 40) for name in means}
    return {name: dict(enumerate(mean + noise[name] - noise[name].mean())) for name, mean in means.items()}


def test_candidates_are_those_that_the_first_block_does_not_tell_from_the_best():
    first = compare_all(values(good=0.9, rival=0.899, poor=0.8))
    assert candidates(["good", "rival", "poor"], first) == ("good", "rival")
    assert members(("good", "rival"), ["good", "rival", "poor"], "poor") == ("good", "rival", "poor")
    assert members(("good", "rival"), ["good", "rival"], "poor") == ("good", "rival")
    # Two chances to be shown: at half of the error.
    barely = [replace(pair, p_holm=0.03) for pair in first]
    assert candidates(["good", "rival", "poor"], barely) == ("good", "rival", "poor")


@pytest.mark.parametrize("means", [{"good": 0.9, "poor": 0.8}, {"only": 0.9}, {}])
def test_nobody_meets_it_where_one_is_clearly_best(means):
    ranked = list(means)
    assert members(candidates(ranked, compare_all(values(**means))), ranked, "poor") == ()


def test_pairs_are_quoted_from_the_second_block_where_both_are_in_it_and_corrected_together():
    first = compare_all(values(good=0.9, rival=0.899, poor=0.8))
    second = compare_all(values(rival=0.9, good=0.897))
    pairs = {frozenset((pair.better, pair.worse)): pair for pair in quoted(first, second)}
    assert {names: pair.block for names, pair in pairs.items()} == {
        frozenset(("good", "rival")): "decision",
        frozenset(("good", "poor")): "confirmation",
        frozenset(("rival", "poor")): "confirmation",
    }
    of_second = pairs[frozenset(("good", "rival"))]
    assert (of_second.better, of_second.p) == ("rival", second[0].p)
    # The last of three in Holm's order, and two blocks.
    assert of_second.p_holm == pytest.approx(2 * of_second.p)


def test_what_the_first_block_told_apart_stays_apart_whatever_the_second_one_says_of_others():
    """`d` does not meet the second block, on which the baseline is no longer told from the best."""
    (made,) = compare_all(values(best=0.9, d=0.8))
    first = [
        replace(made, worse=worse, p=p, p_holm=p_holm)
        for worse, p, p_holm in (("plain", 0.001, 0.003), ("d", 0.012, 0.024), ("rival", 0.5, 0.5))
    ]
    assert candidates(["best", "rival", "d", "plain"], first) == ("best", "rival")
    second = [replace(pair, p=0.5, p_holm=1.0) for pair in first if pair.worse != "d"]
    found = {pair.worse: pair for pair in quoted(first, second)}
    assert [name for name, pair in found.items() if pair.is_shown] == ["d"]
    assert found["d"].p_holm == pytest.approx(2 * 0.024)


def test_another_is_named_only_if_the_second_block_shows_it():
    ahead = quoted([], compare_all(values(good=0.9, rival=0.902)))
    assert overtaker("good", ahead, {"good": 0.9, "rival": 0.902}) is None
    clear = quoted([], compare_all(values(good=0.9, rival=0.95)))
    assert overtaker("good", clear, {"good": 0.9, "rival": 0.95}) == "rival"


def sweep(first, second, made=(), seeds=10, spec=None, **more):
    """Of approaches with these means on so many seeds of either block; the first is the plain baseline.

    All have the same luck with a seed but `rival` and `third`, which have five times as much, so that small differences
    from them are not shown.
    """
    made = [*made, *(trial(0, 0.8, approach=name) for name in first)]
    for stage, means in (("confirm", first), ("decide", second)):
        for name, mean in means.items():
            own = {"seeds": seeds, "spread": 0.05 if name in ("rival", "third") and mean < 0.84 else 0.01}
            own |= more if stage == "decide" else {}
            made.append(trial(0, mean, approach=name, stage=stage, of_trial=0, **own))
    return found(made, names=tuple(first), spec=spec, starts=(changed(START, {"options": {"confirm_seeds": seeds}}),))


def first_sentence(summary):
    """Without the advice on the number of seeds, and without the intervals' ends."""
    return re.sub(
        r": with so few, .* to either side if they spread as these do|[-+]?\d+\.\d to [-+]?\d+\.\d",
        "",
        verdict(summary)[0],
    )


FIRST = {"plain": 0.7, "good": 0.81, "rival": 0.809}


def test_the_whole_answer_of_a_decision():
    """The last sentence quotes the block that the first one quotes."""
    summary = sweep(FIRST, {"plain": 0.71, "good": 0.8, "rival": 0.8005}, seeds=12)
    which, apart, held = verdict(summary)
    assert which.startswith("good comes first with 80.0 % (95 % interval ")
    assert "on 12 more fresh seeds, which had no part in naming it; it is better than the plain baseline plain" in which
    assert "(at a level of 5 %, corrected for all 3 pairs and both blocks of seeds)" in apart
    assert held.startswith(
        "It was not chosen among others. Its mean was 80.0 % on the search's 10 seeds and is 80.0 % on the fresh ones"
    )


def test_the_whole_answer_where_the_second_block_names_another():
    summary = sweep(FIRST, {"plain": 0.7, "good": 0.78, "rival": 0.85}, seeds=12)
    which, _, held = verdict(summary)
    assert "which had no part" not in which
    assert "rival is best with 85.0 %" in which
    assert "more fresh seeds, which show it to be better than good, the best of the first block; it is better" in which
    assert "and is 85.0 % on the fresh ones" in held


def lost():
    """The first block's best fails on the second."""
    return trial(0, 0.8, "FAIL", approach="good", stage="decide", seeds=3, of_trial=0, reason="seed 6003: diverged")


def test_who_comes_after_one_that_failed_is_not_said_to_have_beaten_it():
    summary = sweep(FIRST, {"plain": 0.7, "rival": 0.8}, [lost()], seeds=12)
    assert summary.decision.named == "rival"
    which, apart, _ = verdict(summary)
    assert which.startswith("rival is best with 80.0 %")
    assert "on 12 more fresh seeds, which had no part in naming it; it is better than the plain baseline" in which
    assert "better than good" not in which
    assert apart.startswith(
        "It is shown to be better than every other confirmed approach (at a level of 5 %, corrected for both blocks of "
        "seeds). Not confirmed, so not compared: 1 more."
    )
    text = " ".join(sweep_text(summary, Path("results/made-up")).split())
    assert "81.0 +- 0.7 (failed)" in text
    assert "(12 seeds)" not in text


def test_after_a_failure_another_may_be_shown_to_be_better_than_the_one_that_is_left():
    first = {**FIRST, "third": 0.808}
    summary = sweep(first, {"plain": 0.7, "rival": 0.8, "third": 0.85}, [lost()], seeds=12)
    assert verdict(summary)[0].startswith("third is best with 85.0 %")
    assert "which show it to be better than rival, the best of the first block;" in verdict(summary)[0]


def test_few_seeds_with_a_decision_do_not_speak_of_the_greatest_mean():
    made = sweep({"plain": 0.7, "good": 0.81, "rival": 0.809}, {"plain": 0.7, "good": 0.78, "rival": 0.79}, seeds=3)
    assert first_sentence(made).startswith(
        "good comes first by the first block; it has 78.0 % (95 % interval ) on 3 more fresh seeds, which had no part "
        "in naming it, but so few cannot tell which is best;"
    )


def test_equals_of_the_first_block_are_named_and_none_of_them_is_called_the_best():
    made = sweep({"plain": 0.7, "good": 0.81, "rival": 0.81}, {"plain": 0.7, "good": 0.78, "rival": 0.79}, seeds=12)
    assert verdict(made)[0].startswith("good comes first by the first block, as rival does; it has 78.0 %")


def test_equals_of_the_second_block_do_not_have_the_greatest_mean_where_a_third_is_ahead():
    first = {"plain": 0.7, "good": 0.81, "rival": 0.809, "third": 0.808}
    made = sweep(first, {"plain": 0.7, "good": 0.78, "rival": 0.78, "third": 0.7803}, seeds=12)
    assert verdict(made)[0].startswith("good comes first with 78.0 %")
    assert "on 12 more fresh seeds, which had no part in naming it, the same as rival; it is" in verdict(made)[0]
    made = sweep(first, {"plain": 0.7, "good": 0.78, "rival": 0.78, "third": 0.7}, seeds=12)
    assert verdict(made)[0].startswith("good has the greatest mean, 78.0 %")


def test_two_approaches_with_a_decision_are_corrected_for_its_blocks():
    made = sweep({"good": 0.81, "rival": 0.809}, {"good": 0.8, "rival": 0.79})
    assert against_baseline(made)[1] == (
        "the verdicts are those of paired t tests at a level of 5 %, corrected for both blocks of seeds:"
    )
    (pair,) = made.comparisons
    unsure = [replace(pair, better="rival", worse="good", low=0.001, p_holm=0.06)]
    rows = made.approaches[::-1]
    unsure = changed(made, {"approaches": rows, "comparisons": tuple(unsure)})
    assert verdict(unsure)[0].endswith("points; without the correction for both blocks of seeds it would be).")


def test_where_auroc_ranks_no_images_are_resampled_and_none_are_named():
    assert (
        "of the resamples of the fresh seeds it comes first"
        in verdict(sweep({"plain": 0.7, "good": 0.81}, {}, spec={"metric": "auroc"}))[1]
    )


def test_the_first_block_names_the_best_and_the_second_measures_it():
    summary = sweep(
        {"plain": 0.7, "good": 0.81, "rival": 0.809, "poor": 0.6}, {"plain": 0.71, "good": 0.8, "rival": 0.8005}
    )
    rows = {row.approach: row for row in summary.approaches}
    assert list(rows) == ["good", "rival", "plain", "poor"]
    assert summary.decision.candidates == ("good", "rival")
    assert summary.decision.is_complete
    assert rows["good"].quoted.mean == pytest.approx(0.8)
    assert rows["good"].confirmed.mean == pytest.approx(0.81)
    assert rows["good"].test_accuracy.mean == pytest.approx(0.8)
    assert rows["poor"].quoted.mean == pytest.approx(0.6)
    assert rows["good"].first_share + rows["rival"].first_share + rows["plain"].first_share == pytest.approx(1)
    assert rows["poor"].first_share is None
    which, apart, _ = verdict(summary)
    assert "on 10 more fresh seeds, which had no part in naming it" in which
    assert "both blocks of seeds" in apart
    assert "of the resamples of the fresh seeds and of the images it comes first (rival in " in apart


def test_one_that_the_second_block_shows_to_be_better_is_named():
    summary = sweep({"plain": 0.7, "good": 0.81, "rival": 0.809}, {"plain": 0.7, "good": 0.78, "rival": 0.85})
    assert summary.approaches[0].approach == "rival"
    assert "which show it to be better than good, the best of the first block" in verdict(summary)[0]


def test_until_the_second_block_is_complete_the_first_is_quoted_and_the_answer_says_so():
    summary = sweep({"plain": 0.7, "good": 0.81, "rival": 0.809}, {"plain": 0.7, "good": 0.78}, seeds=5)
    assert not summary.decision.is_complete
    assert summary.approaches[0].quoted.mean == pytest.approx(0.81)
    assert {pair.block for pair in summary.comparisons} == {"confirmation"}
    assert "good and rival are to meet more fresh seeds" in verdict(summary)[1]
    assert verdict(summary)[1].endswith("so go on with --resume.")
    # The chance that the second block gives counts before it is taken.
    assert "corrected for all 3 pairs and both blocks of seeds" in verdict(summary)[1]
    (pair,) = (each for each in summary.comparisons if {each.better, each.worse} == {"good", "rival"})
    assert pair.p_holm == pytest.approx(min(2 * pair.p, 1.0))


def test_where_the_last_start_was_of_others_the_way_on_names_those_that_are_to_be_decided():
    summary = sweep({"plain": 0.7, "good": 0.81, "rival": 0.809}, {})
    start = changed(START, {"options": {"approaches": ["plain", "other"]}})
    assert verdict(changed(summary, {"starts": (start,)}))[1].endswith(
        "so go on with --resume --approaches good rival plain."
    )


def test_a_candidate_that_fails_on_the_second_block_is_not_ranked():
    first = {"plain": 0.7, "good": 0.81, "rival": 0.809}
    lost = trial(0, 0.8, "FAIL", approach="good", stage="decide", seeds=3, of_trial=0, reason="seed 6003: diverged")
    summary = sweep(first, {"plain": 0.7, "rival": 0.8}, [lost])
    assert [row.approach for row in summary.approaches] == ["rival", "plain", "good"]
    assert summary.approaches[-1].confirmed_failure == "seed 6003: diverged"
    assert summary.decision.is_complete
    assert not [pair for pair in summary.comparisons if "good" in (pair.better, pair.worse)]


def test_rows_keep_the_order_of_the_first_block_whoever_meets_the_second():
    first = {"plain": 0.7, "good": 0.81, "steady": 0.803, "rival": 0.8}
    summary = sweep(first, {"plain": 0.7, "good": 0.81, "rival": 0.8})
    assert summary.decision.candidates == ("good", "rival")
    assert [row.approach for row in summary.approaches] == ["good", "steady", "rival", "plain"]


def test_where_a_candidate_fails_the_best_of_the_others_meets_the_second_block_too():
    """It was told from the one that failed alone."""
    first = {"plain": 0.7, "good": 0.81, "steady": 0.803, "rival": 0.8}
    summary = sweep(first, {"plain": 0.7, "rival": 0.8}, [lost()])
    assert set(summary.decision.members) == {"good", "steady", "rival", "plain"}
    assert not summary.decision.is_complete
    assert "steady and rival are to meet more fresh seeds" in verdict(summary)[1]
    whole = sweep(first, {"plain": 0.7, "steady": 0.803, "rival": 0.8}, [lost()])
    assert whole.decision.is_complete
    assert [row.approach for row in whole.approaches] == ["steady", "rival", "plain", "good"]


def test_a_candidate_that_was_given_up_on_the_second_block_and_completed_later_is_quoted():
    given_up = trial(0, 0.8, "FAIL", approach="good", stage="decide", seeds=0, of_trial=0, reason="lost 3 times")
    summary = sweep({"plain": 0.7, "good": 0.81, "rival": 0.809}, {"plain": 0.7, "good": 0.8, "rival": 0.8}, [given_up])
    assert (summary.decision.named, summary.decision.is_complete) == ("good", True)


def test_one_block_is_enough_for_one_that_is_clearly_best():
    summary = sweep({"plain": 0.7, "good": 0.81}, {})
    assert summary.decision is None
    assert "by one block of fresh seeds alone" in verdict(summary)[1]
    assert "In all resamples of the fresh seeds and of the images it comes first." in verdict(summary)[1]


def test_so_few_seeds_cannot_tell_and_the_answer_says_what_more_would_give():
    made = [trial(0, 0.8, approach=name) for name in "ab"]
    made += [trial(0, mean, approach=n, stage="confirm", seeds=3, of_trial=0) for n, mean in (("a", 0.7), ("b", 0.9))]
    few = found(made, starts=(changed(START, {"options": {"confirm_seeds": 3}}),))
    which = verdict(few)[0]
    assert which.startswith("b has the greatest mean, 90.0 %")
    assert "on 3 fresh seeds, but so few cannot tell which is best" in which
    assert "--confirm-seeds 50 gives better ones, of about " in which
    assert "is best" not in which.replace("which is best", "")


def test_shares_are_those_of_a_loop_over_resamples():
    rng = np.random.default_rng(1)
    scores = {name: dict(enumerate(0.8 + at * 0.003 + rng.normal(0, 0.02, 30))) for at, name in enumerate("abc")}
    table = np.array([list(own.values()) for own in scores.values()])
    loop = np.bincount([(table @ rng.exponential(size=30)).argmax() for _ in range(4000)], minlength=3) / 4000
    assert list(first_shares(scores).values()) == pytest.approx(loop, abs=0.03)
    assert first_shares(scores) == first_shares(scores)
    assert first_shares({"a": scores["a"], "again": dict(scores["a"])}) == {"a": 0.5, "again": 0.5}
    assert first_shares({"a": scores["a"]}) == {}


def test_images_are_resampled_too():
    """One is right about some images more on every seed: no seed can change its rank, other images could."""
    first, other = (trial(0, mean, stage="confirm", seeds=8, spread=0.0).results for mean in (0.8, 0.802))
    results = {"a": first, "b": other}
    scores = {name: {r.seed: r.accuracy for r in own if r.split == VALIDATION} for name, own in results.items()}
    hits = {name: hits_of(own, VALIDATION, "confirm", SPEC) for name, own in results.items()}
    assert first_shares(scores)["b"] == 1
    assert 0.5 < first_shares(scores, hits)["b"] <= 1
    mirrored = {"a": hits["a"], "b": replace(hits["a"], hits=(1 - hits["a"].hits) * hits["a"].scored)}
    assert first_shares(scores, mirrored)["a"] == 1


def test_a_whole_sweep_whose_decision_was_killed_is_decided_when_it_goes_on(journal):
    """Both start from the same configuration and try no other, so that nothing tells them apart."""
    made = finished(journal, num_samples=1)
    assert undecided(journal, made) == ("a", "b")
    stage = DecisionStage(journal, made, lambda *who: None, seeds=8, members=("a", "b"))
    task = stage.next_task()
    for split in (VALIDATION, TEST):
        stage.take(task, outcome(task, 6000, split))
    killed = summarise(journal, made)
    assert (killed.decision.is_complete, killed.approaches[0].decided) == (False, None)
    members = undecided(journal, approaches("a", "b"))
    finish(DecisionStage(journal, made, lambda *who: None, seeds=8, members=members))
    whole = summarise(journal, made)
    assert whole.decision.is_complete
    assert [row.decided.n for row in whole.approaches] == [8, 8]
    assert {pair.block for pair in whole.comparisons} == {"decision"}
    assert whole == type(whole).model_validate_json(whole.model_dump_json())
    assert sum(row.first_share for row in whole.approaches) == pytest.approx(1)

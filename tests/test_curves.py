"""The search as curves, against loops that anyone can follow."""

from __future__ import annotations

import numpy as np
import pytest

from made_up import trial
from sweeps.analysis.curves import budgets, cost, history, incumbent_at, spending, thinned


@pytest.fixture
def trials():
    rng = np.random.default_rng(0)
    states = rng.choice(["COMPLETE", "PRUNED", "FAIL"], size=30, p=[0.5, 0.4, 0.1])
    made = [
        trial(
            number,
            float(rng.uniform(0.5, 0.9)),
            str(state),
            seeds={"COMPLETE": 10, "PRUNED": 5, "FAIL": 0}[str(state)],
            seconds=float(rng.uniform(1, 3)),
            ended_ms=int(rng.integers(1, 1000)),
        )
        for number, state in enumerate(states)
    ]
    return [*made, trial(0, approach="other"), trial(0, stage="confirm", seeds=3)]


def test_the_incumbent_is_the_best_complete_one_so_far(trials):
    own = [each for each in trials if each.approach == "a" and each.stage == "search"]
    for points, order in ((history(trials, "a"), "number"), (spending(trials, "a"), "ended_ms")):
        ordered = sorted(own, key=lambda each: (getattr(each, order), each.number))
        assert [point.number for point in points] == [each.number for each in ordered]
        for at, point in enumerate(points):
            complete = [each.values("accuracy").mean() for each in ordered[: at + 1] if each.state == "COMPLETE"]
            assert point.incumbent == (max(complete) if complete else None)
            assert point.seconds == pytest.approx(sum(each.seconds for each in ordered[: at + 1]))


def test_a_failure_without_seeds_has_no_mean(trials):
    assert {point.mean is None for point in history(trials, "a") if point.state == "FAIL"} == {True}


def test_what_runs_has_spent_nothing_yet():
    running = trial(1, state="RUNNING")
    assert [point.number for point in history([trial(0), running], "a")] == [0, 1]
    assert [point.number for point in spending([trial(0), running], "a")] == [0]


def test_incumbent_at_a_cost():
    points = spending([trial(0, 0.6), trial(1, 0.9, "PRUNED", seeds=5), trial(2, 0.7)], "a")
    assert [incumbent_at(points, seconds) for seconds in (9, 10, 24, 25, 1000)] == pytest.approx(
        [None, 0.6, 0.6, 0.7, 0.7]
    )


def test_budgets_grow_tenfold_while_two_can_be_compared():
    def spent(seconds):
        return spending([trial(0, seconds=seconds / 10)], "a")

    assert budgets({"a": spent(1), "b": spent(250), "c": spent(90)}) == pytest.approx([1, 10])
    assert budgets({"a": spent(1), "b": spent(250), "c": spent(100)}) == pytest.approx([1, 10, 100])
    assert budgets({"a": spent(5)}) == pytest.approx([5])
    assert budgets({"a": []}) == []


def test_cost_by_stage_and_what_racing_spared():
    made = [
        trial(0),
        trial(1, state="PRUNED", seeds=5),
        trial(2, state="FAIL", seeds=1),
        trial(0, stage="confirm", seeds=4),
    ]
    own = cost(made, "a", seeds=10)
    assert (own.complete_seconds, own.other_seconds, own.confirm_seconds, own.seconds) == (10, 6, 8, 24)
    assert (own.planned, own.spared) == (20, 5)


def test_of_a_long_search_few_points_are_drawn_and_every_new_best():
    made = [trial(number, 0.5 + (number in (7, 503)) * number / 10_000, seeds=2) for number in range(1000)]
    points = history(made, "a")
    few = thinned(points, 50)
    assert 50 <= len(few) < 60
    assert {0, 7, 503, 999} <= {point.number for point in few}
    assert thinned(points, 1000) == points

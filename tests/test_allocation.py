"""Which approaches fall behind, by themselves and in a search that dies and goes on."""

from __future__ import annotations

import random
import types
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from made_up import SPEC, START, changed
from pretended import approach, finish, outcome, search, work
from sweeps.analysis.summary import summarise
from sweeps.run import plan
from sweeps.run.options import SweepOptions
from sweeps.stages.allocation import Allocation, standing
from sweeps.store.journal import Journal
from trainables.parts.protocol import VALIDATION

RULE = Allocation()


def scores(mean, seeds=10, spread=0.02, source=0):
    return dict(enumerate(mean + np.random.default_rng(source).normal(0, spread, seeds)))


@pytest.mark.parametrize(("num_samples", "rounds"), [(2, []), (8, []), (9, [8]), (50, [8, 16, 32]), (64, [8, 16, 32])])
def test_approaches_are_compared_after_twice_as_many_each_time(num_samples, rounds):
    assert RULE.rounds(num_samples) == rounds


@pytest.mark.parametrize("gap", [0.0, 0.01, 0.02, 0.03, 0.05])
def test_behind_is_what_a_paired_t_test_says(gap):
    own, rival = scores(0.8 - gap), scores(0.8, source=1)
    p = stats.ttest_rel(list(own.values()), list(rival.values()), alternative="less").pvalue
    assert RULE.is_behind(own, rival) == (p < 0.02)
    assert not RULE.is_behind(rival, own)


def test_nothing_is_said_on_two_common_seeds_and_little_by_the_same_difference_everywhere():
    """Equal differences, which a few scored images often give, are no certainty: `compare` takes them so, too."""
    assert not RULE.is_behind({1: 0.1, 2: 0.11, 3: 0.1}, {1: 0.9, 2: 0.9, 4: 0.9})
    assert not RULE.is_behind({1: 0.5, 2: 0.5, 3: 0.5}, {1: 1.0, 2: 1.0, 3: 1.0})
    assert RULE.is_behind(dict.fromkeys(range(5), 0.5), dict.fromkeys(range(5), 1.0))
    assert not RULE.is_behind({1: 0.5, 2: 0.5, 3: 0.5}, {1: 0.5, 2: 0.5, 3: 0.5})


def test_the_worse_one_gets_no_more_and_the_kept_one_all():
    bests = {"good": scores(0.9), "bad": scores(0.8, source=1), "baseline": scores(0.7, source=2), "none": None}
    found = standing(RULE, 9, {name: {8: best} for name, best in bests.items()}, kept=["baseline"])
    assert (found.behind, found.undecided) == ({"bad": 8}, None)


def test_it_does_not_depend_on_who_ends_first():
    rng = np.random.default_rng(0)
    whole = {
        name: {after: scores(mean + 0.01 * rng.normal(), source=[of, after]) for after in (8, 16, 32)}
        for of, (name, mean) in enumerate({"a": 0.9, "b": 0.89, "c": 0.86, "d": 0.88}.items())
    }
    end = standing(RULE, 50, whole)
    assert len(end.behind) > 1
    ends = [(name, after) for name in "abd" for after in (8, 16)]
    for source in range(20):
        order = random.Random(source).sample(ends, len(ends))
        so_far: dict = {"a": {}, "b": {}, "c": whole["c"], "d": {}}
        for name, after in order:
            so_far[name][after] = whole[name][after]
            now = standing(RULE, 50, so_far)
            assert now.behind.items() <= end.behind.items()
            assert now.undecided is not None


def ranged(name, low, high, **more):
    """An approach whose configurations are good from .7 to .9 and bad far below."""

    def suggest_within(trial):
        trial.suggest_float("x", low, high)

    made = approach(name, published=low)
    setting = replace(made.published, params={"x": low})
    return replace(made, published=setting, space=types.SimpleNamespace(suggest=suggest_within), **more)


GOOD, BAD, POOR = ranged("good", 0.7, 0.9), ranged("bad", 0.0, 0.2), ranged("poor", 0.1, 0.3)
BASELINE = ranged("baseline", 0.2, 0.3, is_baseline=True)
ALL = [BAD, POOR, BASELINE, GOOD]


def adaptive(journal, approaches=ALL, num_samples=20, **more):
    return search(journal, approaches, num_samples=num_samples, allocation=RULE, **more)


def begun(journal):
    return {name: len(journal.study(name).trials) for name in journal.approaches()}


def test_who_is_behind_gets_no_more_and_the_baseline_all(journal):
    stage = adaptive(journal)
    assert stage.seeds_left == 4 * 20 * 10
    finish(stage)
    assert begun(journal) == {"bad": 8, "poor": 8, "baseline": 20, "good": 20}
    assert {name: journal.behind(name) for name in begun(journal)} == {
        "bad": 8,
        "poor": 8,
        "baseline": None,
        "good": None,
    }
    assert stage.seeds_left == 0


def test_without_a_rival_it_gets_all(journal):
    finish(adaptive(journal, [BAD], num_samples=17))
    assert begun(journal) == {"bad": 17}


def test_as_many_for_each_once_that_is_asked_for_and_behind_again_after_that(journal):
    finish(adaptive(journal, [BAD, GOOD]))
    finish(search(journal, [BAD, GOOD], num_samples=12))
    assert begun(journal) == {"bad": 12, "good": 20}
    assert journal.behind("bad") is None
    finish(adaptive(journal, [BAD, GOOD], num_samples=30))
    assert begun(journal) == {"bad": 12, "good": 30}
    assert journal.behind("bad") == 8


def short(journal):
    """A search of few seeds, so that it is quick."""
    return adaptive(journal, [POOR, BAD, GOOD], num_samples=10, seeds=5, racing=None)


def found_in(journal):
    return {
        name: (journal.behind(name), [(each.params, each.state, each.value) for each in journal.study(name).trials])
        for name in journal.approaches()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    journal = Journal(tmp_path_factory.mktemp("undisturbed"), write=True)
    finish(short(journal))
    found = found_in(journal)
    journal.close()
    return found


# In the first eight of each, between their last seeds, and after the comparison.
@pytest.mark.parametrize("seeds_before_death", [50, 116, 119, 120, 124])
def test_a_dead_driver_s_decisions_are_the_same(journal, undisturbed, seeds_before_death):
    stage, left = short(journal), seeds_before_death
    while left > 0:
        task = stage.next_task()
        for seed in task.blocks[0][:left]:
            stage.take(task, outcome(task, seed, VALIDATION))
        if left >= task.seeds:
            stage.close(task)
        left -= task.seeds
    # Dead: nothing is told any more.
    finish(short(journal))
    assert found_in(journal) == undisturbed
    assert undisturbed["bad"][0] == undisturbed["poor"][0] == 8


def test_workers_go_on_while_a_comparison_waits_for_the_last(journal):
    stage = adaptive(journal, [BASELINE, GOOD, POOR], num_samples=20)
    tasks = [stage.next_task() for _ in range(24)]
    for task in tasks[:-1]:
        work(stage, task)
    further = [stage.next_task().approach for _ in range(12 + 8 + 8)]
    # First those that are sure to go on, then by what is known; and none passes two comparisons.
    assert further == ["baseline"] * 12 + ["good"] * 8 + ["poor"] * 8
    assert stage.next_task() is None
    assert not stage.is_finished()


def test_an_approach_that_only_fails_keeps_nobody_waiting(journal):
    finish(adaptive(journal, [BAD, GOOD]), fails=lambda task, seed: "NaN" if task.approach == "bad" else None)
    assert begun(journal) == {"bad": 5, "good": 20}
    assert journal.behind("bad") is None
    assert journal.stopped("bad")


@pytest.mark.parametrize(
    ("had", "to_come"),
    [
        (plan.Begun(), (8, 50)),
        (plan.Begun(distinct=5), (3, 45)),
        (plan.Begun(distinct=20), (12, 30)),
        (plan.Begun(distinct=40), (10, 10)),
        (plan.Begun(distinct=9, behind_after=8), (0, 0)),
    ],
)
def test_the_plan_says_the_least_and_the_most(had, to_come):
    options = SweepOptions(num_samples=50, allocation="adaptive")
    assert plan._to_come(options, BAD, had) == to_come
    assert plan._to_come(options, BASELINE, plan.Begun()) == (50, 50)
    assert plan._to_come(replace(options, num_samples=8), BAD, plan.Begun()) == (8, 8)
    assert plan._to_come(replace(options, allocation="even"), BAD, had) == (50 - had.distinct,) * 2


def test_the_plan_says_which_allocation_and_what_became_of_whom():
    (line,) = plan._allocation(SweepOptions(num_samples=20, allocation="adaptive"), 60.0, 3600.0)
    assert line.startswith("Given     adaptive: whose best is behind after 8, 16 configurations gets no more")
    assert line.endswith("takes 60 s to 60 min on one CPU")
    assert plan._allocation(SweepOptions(), 60.0, 60.0) == []
    assert plan._more(plan.Begun(distinct=9, behind_after=8), 50) == " more (9 of 50: behind after 8)"


def test_a_summary_says_after_how_many_it_fell_behind(journal):
    journal.begin(changed(SPEC, {"seeds": 5}), START)
    finish(adaptive(journal, [BAD, GOOD], num_samples=12, seeds=5))
    rows = {row.approach: row.configurations for row in summarise(journal, [BAD, GOOD]).approaches}
    assert (rows["bad"].begun, rows["bad"].behind_after) == (8, 8)
    assert (rows["good"].begun, rows["good"].behind_after) == (12, None)

"""The search's best few on further seeds: real Optuna, a real journal, a pretended worker, no Ray."""

from __future__ import annotations

import numpy as np
import pytest

from made_up import SPEC, START
from pretended import approach, confirm, finish, intensify, outcome, search, work
from sweeps.analysis.summary import summarise
from sweeps.core.seeds import MOST_SEEDS, further_search_seeds, search_seeds
from sweeps.run.plan import Begun
from sweeps.stages.outcomes import MOST_ATTEMPTS
from sweeps.stages.ranking import best_complete, finalists, further_results
from sweeps.store.trials import INTENSIFY, searched
from sweeps.views.files import seeds_frame, trials_frame
from trainables.parts.protocol import VALIDATION

FURTHER = list(range(1_000_010, 1_000_020))


def intensified(journal):
    return [trial for trial in journal.trials() if trial.stage == INTENSIFY]


def of_search(journal):
    """The numbers of the complete configurations, best first by the search's seeds."""
    complete = [trial for trial in searched(journal.trials(), "a") if trial.state == "COMPLETE"]
    return [trial.number for trial in sorted(complete, key=lambda trial: -trial.scores.mean())]


def unless_of(numbers):
    """Fails all seeds of other configurations."""
    return lambda task, seed: None if task.trial.user_attrs["of_trial"] in numbers else "diverged"


def test_the_best_few_meet_the_next_seeds_of_the_searchs_block(journal):
    finish(search(journal, racing=None))
    finish(intensify(journal))
    assert [trial.of_trial for trial in intensified(journal)] == of_search(journal)[:3]
    for trial in intensified(journal):
        assert trial.state == "COMPLETE"
        assert sorted((result.seed, result.split) for result in trial.results) == [(s, VALIDATION) for s in FURTHER]
    assert intensify(journal).is_finished()


def test_the_greatest_mean_over_all_search_seeds_is_handed_on_and_confirmed(journal):
    finish(search(journal, racing=None))
    first, second, third = of_search(journal)[:3]
    stage = intensify(journal)
    while not stage.is_finished():
        task = stage.next_task()
        for seed in (seed for block in task.blocks for seed in block):
            result = outcome(task, seed, VALIDATION)
            # The first does worse than it seemed to, and the third better.
            moved = {first: -0.2, second: 0.0, third: 0.2}[task.trial.user_attrs["of_trial"]]
            object.__setattr__(result, "accuracy", result.accuracy + moved)
            stage.take(task, result)
        stage.close(task)
    best = best_complete(journal.trials(), "a")
    assert best.number == third
    # The search's own trial is as it was.
    assert len(best.scores) == 10
    finish(confirm(journal))
    assert {trial.of_trial for trial in journal.trials() if trial.stage == "confirm"} == {third}


def test_what_is_quoted_is_of_all_search_seeds(journal):
    made = [approach()]
    journal.begin(SPEC, START)
    finish(search(journal, made, racing=None))
    finish(intensify(journal, made))
    trials = journal.trials()
    best = best_complete(trials, "a")
    further = [result.accuracy for result in further_results(trials, "a")[best.number]]
    both = np.concatenate([best.scores, further])
    frame = trials_frame(trials, SPEC)
    row = frame[frame["trial"] == best.number].iloc[0]
    assert (row["seeds"], row["further_seeds"]) == (10, 10)
    assert row["accuracy_mean"] == pytest.approx(best.scores.mean())
    assert row["accuracy_further_mean"] == pytest.approx(np.mean(further))
    assert row["accuracy_pooled_mean"] == pytest.approx(both.mean())
    assert set(frame["further_seeds"]) == {0, 10}
    seeds = seeds_frame(trials, ("normal", "pneumonia"))
    assert seeds[(seeds["stage"] == INTENSIFY) & (seeds["trial"] == best.number)]["seed"].tolist() == FURTHER
    (summary,) = summarise(journal, made).approaches
    assert (summary.search.n, summary.intensified.n) == (20, 10)
    assert summary.search.mean == pytest.approx(both.mean())
    assert summary.search.sd == pytest.approx(both.std(ddof=1))
    assert summary.intensified.mean == pytest.approx(np.mean(further))


def test_one_configuration_alone_meets_no_further_seeds(journal):
    finish(search(journal, num_samples=1))
    assert intensify(journal).is_finished()
    assert best_complete(journal.trials(), "a").number == 0


def test_one_finalist_is_none(journal):
    finish(search(journal))
    assert intensify(journal, number=1).is_finished()
    assert best_complete(journal.trials(), "a").number == of_search(journal)[0]


def test_an_extended_search_adds_its_finalists_and_keeps_the_seeds_of_the_others(journal):
    finish(search(journal, [approach(published=0.1)], num_samples=2, racing=None))
    finish(intensify(journal))
    before = {trial.of_trial: trial for trial in intensified(journal)}
    finish(search(journal, [approach(published=0.1)], num_samples=12, racing=None))
    found = [trial.number for trial in finalists(journal.trials(), "a", 3)]
    assert found == sorted({*of_search(journal)[:3], *before}, key=of_search(journal).index)
    finish(intensify(journal))
    after = {trial.of_trial: trial for trial in intensified(journal)}
    assert list(after) == [*before, *(number for number in found if number not in before)]
    assert {number: after[number] for number in before} == before
    assert best_complete(journal.trials(), "a").number not in before


def test_a_new_best_one_alone_is_compared_with_earlier_finalists(journal):
    """As where a sweep goes on with `--finalists 1`."""
    finish(search(journal, [approach(published=0.1)], num_samples=2, racing=None))
    finish(intensify(journal))
    finish(search(journal, [approach(published=0.1)], num_samples=12, racing=None))
    finish(intensify(journal, number=1))
    assert len(intensified(journal)) == 3
    assert best_complete(journal.trials(), "a").number == of_search(journal)[0]


def test_a_finalist_that_fails_is_not_handed_on(journal):
    finish(search(journal, racing=None))
    first, second, third, *_ = of_search(journal)
    stage = intensify(journal)
    finish(stage, fails=unless_of({second, third}))
    states = {trial.of_trial: (trial.state, trial.reason) for trial in intensified(journal)}
    assert states[first] == ("FAIL", f"seed {FURTHER[0]}: diverged")
    assert states[second] == states[third] == ("COMPLETE", None)
    assert best_complete(journal.trials(), "a").number == second
    assert stage.seeds_left == 0
    # It would fail again, and no other takes its place.
    assert intensify(journal).is_finished()


def test_where_all_finalists_fail_the_next_one_of_the_search_is_handed_on(journal):
    finish(search(journal, racing=None))
    finish(intensify(journal), fails=lambda task, seed: "diverged")
    assert best_complete(journal.trials(), "a").number == of_search(journal)[3]


def test_a_finalist_whose_worker_is_always_lost_is_tried_again_when_resumed(journal):
    finish(search(journal, racing=None))
    first, second, *_ = of_search(journal)
    stage = intensify(journal)
    while not stage.is_finished():
        task = stage.next_task()
        work(stage, task, stop_after=0 if task.trial.user_attrs["of_trial"] == first else None)
    reasons = {trial.of_trial: trial.reason for trial in intensified(journal)}
    assert reasons[first] == f"its worker was lost {MOST_ATTEMPTS} times"
    # Means over other seeds are not compared.
    assert best_complete(journal.trials(), "a").number == second
    finish(intensify(journal))
    assert len(further_results(journal.trials(), "a")[first]) == len(FURTHER)
    assert best_complete(journal.trials(), "a").number == first


def test_it_goes_on_where_the_driver_died(journal):
    finish(search(journal, racing=None))
    stage = intensify(journal)
    task = stage.next_task()
    stage.take(task, outcome(task, FURTHER[0], VALIDATION))
    # What is begun alone ranks nothing.
    assert best_complete(journal.trials(), "a").number == of_search(journal)[0]
    again = intensify(journal)
    assert again.seeds_left == 3 * len(FURTHER) - 1
    finish(again)
    assert [trial.state for trial in intensified(journal)] == ["COMPLETE"] * 3


def test_a_finalist_that_an_extended_search_drove_out_is_ended(journal):
    finish(search(journal, [approach(published=0.1)], num_samples=2, racing=None))
    intensify(journal).next_task()
    finish(search(journal, [approach(published=0.1)], num_samples=12, racing=None))
    finish(intensify(journal))
    states = {trial.of_trial: trial.state for trial in intensified(journal)}
    assert states == {number: "COMPLETE" if number in of_search(journal)[:3] else "FAIL" for number in states}
    assert set(of_search(journal)[:3]) < set(states)


def test_an_earlier_versions_confirmation_stands_if_its_winner_does(journal):
    finish(search(journal, racing=None))
    finish(confirm(journal))
    finish(intensify(journal))
    assert best_complete(journal.trials(), "a").number == of_search(journal)[0]
    assert confirm(journal).is_finished()


@pytest.mark.parametrize(("seeds", "further"), [(1, 1), (10, 10), (500, 500), (600, 400), (1000, 0)])
def test_further_seeds_follow_the_searchs_and_stay_in_its_block(seeds, further):
    found = further_search_seeds(7, seeds)
    assert len(found) == further
    assert [*search_seeds(7, seeds), *found] == [*search_seeds(7, seeds + further)]
    assert all(search_seeds(7, 0).start <= seed < search_seeds(8, 0).start for seed in found)
    assert seeds + further <= MOST_SEEDS


def test_the_plan_counts_the_finalists_that_are_to_come(journal):
    finish(search(journal, racing=None))
    before = Begun.of(journal.trials(), approach())
    assert (before.finalists(3, 6), before.finalists(1, 6), before.finalists(9, 6)) == (3, 0, 6)
    finish(intensify(journal))
    after = Begun.of(journal.trials(), approach())
    # An extended search may have others.
    assert (after.finalists(3, 6), after.finalists(5, 6), after.finalists(3, 12)) == (0, 2, 3)

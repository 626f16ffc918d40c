"""What is run of a shot curve: real Optuna, a real journal, a pretended worker, no Ray."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from optuna.trial import TrialState

from pretended import approach, confirm, finish, outcome, search, work
from refusals import refused
from sweeps.run import shot_curve
from sweeps.stages.outcomes import NOT_ASKED, SUPERSEDED
from sweeps.stages.ranking import best_complete, confirmed_results, curve_trials, results_at
from sweeps.stages.shot_curve import ShotCurveStage
from sweeps.store.journal import Journal
from sweeps.store.trials import OF_TRIAL, SHOTS
from trainables.parts.protocol import VALIDATION, Protocol, study_protocol


def curve(journal, approaches=None, seeds=8, shots=(1, 20)):
    return ShotCurveStage(journal, approaches or [approach()], lambda *who: None, seeds=seeds, shots=shots)


@pytest.fixture
def confirmed(journal):
    finish(search(journal, num_samples=2, seeds=3))
    finish(confirm(journal))
    return journal


def trials_of(journal):
    return [trial for trial in journal.trials() if trial.stage == "curve"]


def test_each_number_of_shots_is_run_on_the_confirmation_s_seeds_and_validation_images_only(confirmed):
    stage = curve(confirmed)
    assert {(task.shots, task.splits) for task in stage.waiting} == {(1, (VALIDATION,)), (20, (VALIDATION,))}
    finish(stage)
    best = best_complete(confirmed.trials(), "a")
    found = trials_of(confirmed)
    assert [(trial.shots, trial.of_trial, trial.state) for trial in found] == [
        (1, best.number, "COMPLETE"),
        (20, best.number, "COMPLETE"),
    ]
    assert all(trial.params == best.params for trial in found)
    for shots in (1, 20):
        results = results_at(confirmed.trials(), "a", best.number, shots)
        assert sorted((r.seed, r.split) for r in results) == [(seed, VALIDATION) for seed in range(2000, 2008)]
    # The confirmation's own are what they were.
    assert len(confirmed_results(confirmed.trials(), "a", best.number)) == 16
    assert confirmed.approaches() == ["a"]


def test_running_it_again_does_nothing_and_more_seeds_and_numbers_add_up(confirmed):
    finish(curve(confirmed))
    assert curve(confirmed).is_finished()
    stage = curve(confirmed, seeds=10, shots=(1, 2, 20))
    assert {task.shots: task.seeds for task in stage.waiting if task.shots != 2} == {1: 2, 20: 2}
    finish(stage)
    best = best_complete(confirmed.trials(), "a")
    for shots in (1, 2, 20):
        seeds = [r.seed for r in results_at(confirmed.trials(), "a", best.number, shots)]
        assert sorted(seeds) == list(range(2000, 2010))


def test_it_goes_on_where_the_driver_died(confirmed):
    stage = curve(confirmed)
    task = stage.next_task()
    stage.take(task, outcome(task, 2000, VALIDATION))
    folder = confirmed.folder
    confirmed.close()
    journal = Journal(folder, write=True)
    again = curve(journal)
    queued = [(task.shots, seed) for task in again.waiting for block in task.blocks for seed in block]
    assert sorted(queued) == [(1, seed) for seed in range(2001, 2008)] + [(20, seed) for seed in range(2000, 2008)]
    finish(again)
    assert [(trial.shots, trial.state) for trial in trials_of(journal)] == [(1, "COMPLETE"), (20, "COMPLETE")]
    journal.close()


def test_it_goes_on_where_the_driver_died_while_it_made_a_trial(confirmed):
    best = best_complete(confirmed.trials(), "a")
    study = confirmed.study("a", "curve")
    # One is queued, and one has begun without its parameters.
    study.enqueue_trial(best.params, user_attrs={OF_TRIAL: best.number, SHOTS: 1})
    study.ask()
    study.enqueue_trial(best.params, user_attrs={OF_TRIAL: best.number, SHOTS: 20})
    finish(curve(confirmed))
    assert [(trial.shots, trial.state, trial.params) for trial in trials_of(confirmed)] == [
        (1, "COMPLETE", best.params),
        (20, "COMPLETE", best.params),
    ]


def test_a_driver_that_died_before_it_ended_a_trial_runs_nothing_of_it_again(confirmed):
    stage = curve(confirmed, shots=(1,))
    while stage.waiting:
        task = stage.next_task()
        for seed in task.blocks[0]:
            stage.take(task, outcome(task, seed, VALIDATION))
    assert curve(confirmed, shots=(1,)).is_finished()
    assert [trial.state for trial in trials_of(confirmed)] == ["COMPLETE"]


def test_a_number_at_which_the_configuration_cannot_learn_fails_alone(confirmed):
    stage = curve(confirmed, shots=(1, 2, 20))
    finish(stage, fails=lambda task, seed: "two images are needed" if task.shots == 1 else None)
    assert [(trial.shots, trial.state, trial.reason) for trial in trials_of(confirmed)] == [
        (1, "FAIL", "seed 2000: two images are needed"),
        (2, "COMPLETE", None),
        (20, "COMPLETE", None),
    ]
    assert stage.seeds_left == 0
    # It is left at that.
    assert curve(confirmed, shots=(1, 2, 20)).is_finished()


def test_a_lost_worker_costs_nothing_but_its_seed(confirmed):
    stage = curve(confirmed, shots=(1,))
    work(stage, stage.next_task(), stop_after=2)
    finish(stage)
    (trial,) = trials_of(confirmed)
    assert (trial.state, len(trial.results)) == ("COMPLETE", 8)


def test_a_new_best_configuration_gets_a_new_curve(journal):
    poor = [approach(published=0.1)]
    finish(search(journal, poor, num_samples=1))
    finish(curve(journal, poor, shots=(1,)))
    curve(journal, poor, shots=(1, 20)).next_task()
    finish(search(journal, poor, num_samples=12))
    best = best_complete(journal.trials(), "a")
    assert best.number != 0
    finish(curve(journal, shots=(1, 20)))
    assert [(t.of_trial, t.shots, t.state, t.reason) for t in trials_of(journal)] == [
        (0, 1, "COMPLETE", None),
        (0, 20, "FAIL", SUPERSEDED.reason),
        (best.number, 1, "COMPLETE", None),
        (best.number, 20, "COMPLETE", None),
    ]


def test_an_interrupted_number_that_is_asked_for_no_more_is_ended_and_may_come_back(confirmed):
    stage = curve(confirmed, shots=(20,))
    task = stage.next_task()
    stage.take(task, outcome(task, 2000, VALIDATION))
    assert curve(confirmed, shots=()).is_finished()
    assert [(trial.state, trial.reason) for trial in trials_of(confirmed)] == [("FAIL", NOT_ASKED.reason)]
    finish(curve(confirmed, shots=(20,)))
    best = best_complete(confirmed.trials(), "a")
    first, second = curve_trials(confirmed.trials(), "a", best.number, 20)
    assert (second.state, len(first.results), len(second.results)) == ("COMPLETE", 1, 7)


def test_an_approach_without_a_complete_trial_has_no_curve(journal):
    finish(search(journal, num_samples=2), fails=lambda task, seed: "NaN")
    assert curve(journal).is_finished()
    assert journal.study("a", "curve").get_trials(states=(TrialState.RUNNING,)) == []


# Which numbers.


def test_the_confirmation_s_own_number_is_not_run_again():
    assert shot_curve.to_run((20, 5, 1), study_protocol()) == [1, 20]
    uneven = replace(study_protocol(), shots=(2, 8))
    assert shot_curve.to_run((2, 5, 8), uneven) == [2, 5, 8]


def own(**more):
    found = {"classes": ("cat", "dog"), "shots": (5, 5), "validation": 20, "confirmation": 20, "pool": (60, 25)}
    return Protocol(**{**found, **more})


def test_a_number_that_leaves_nothing_to_validate_on_is_refused():
    shot_curve.check((1, 24), own(), 8)
    assert refused(shot_curve.check, (1, 25), own(), 8) == (
        "Expected --shot-curve with numbers up to 24, since there are 25 images of class dog and one of them must "
        "validate; got 25."
    )
    # The protocol's own number has been looked at with the other options.
    shot_curve.check((25,), own(shots=(25, 25)), 8)


def test_groups_that_leave_nothing_to_validate_on_are_refused():
    groups = (*range(60), *(100 + at // 5 for at in range(25)))
    grouped = own(groups=groups, shots=(1, 1))
    shot_curve.check((4,), grouped, 8)
    assert refused(shot_curve.check, (5,), grouped, 8) == (
        "Expected --shot-curve with numbers up to 4, since with 5 all groups of dog have an image among those that "
        "seed 2000 learns from; got 5."
    )


@pytest.mark.parametrize("asked", [(2, 40), (2, 8, 9, 20), (1, 9)])
def test_the_greatest_number_is_named_at_once(asked):
    """Persons have images of both classes, so that how many shots are possible depends on the seed."""
    grouped = own(groups=(*range(60), *(at // 3 for at in range(25))), shots=(1, 1))
    text = refused(shot_curve.check, asked, grouped, 8)
    most = int(text.split("numbers up to ")[1].split(",")[0])
    assert text.endswith(f"; got {asked[-1]}.")

    def is_possible(count):
        try:
            return all(len(grouped.with_shots(count).split(seed)[1]) for seed in range(2000, 2008))
        except ValueError:
            return False

    assert [count for count in range(1, 25) if is_possible(count)] == list(range(1, most + 1))
    shot_curve.check((1, most), grouped, 8)


@pytest.mark.parametrize("seed", [2000, 2049])
def test_a_smaller_set_of_a_seed_is_a_part_of_its_larger_one(seed):
    sets = [set(study_protocol().with_shots(count).split(seed)[0]) for count in (1, 2, 5, 10, 20)]
    assert [len(rows) for rows in sets] == [2, 4, 10, 20, 40]
    assert all(smaller < larger for smaller, larger in pairwise(sets))


def test_the_plan_says_what_is_run_and_where_fewer_validate():
    assert shot_curve.plan_line((1, 5, 20), study_protocol()) == (
        "Shots     the best also learn from 1, 20 images a class"
    )
    assert shot_curve.plan_line((1, 20), own()) == (
        "Shots     the best also learn from 1, 20 images a class; 5 of a class validate after 20"
    )

"""How a trial ends: every row of the table, what decides between them, and a trial with several tasks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.trial import TrialState

from pretended import approach, finish, outcome, search, work
from sweeps.stages import outcomes
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.lost_workers import LEAST_TASKS_TO_BLAME, MOST_LOSSES_PER_TASK, LostWorkers
from sweeps.stages.outcomes import MOST_ATTEMPTS, RACED_OUT, Back, outcome_of
from trainables.parts.protocol import VALIDATION


def trial(journal, seeds=3, fails=False, reason=None):
    """A running trial with finished seeds, the last of which may have failed, and with a reason if one was noted."""
    stage = search(journal, num_samples=1)
    task = stage.next_task()
    for at in range(seeds):
        error = "no luck" if fails and at == seeds - 1 else None
        stage.take(task, outcome(task, 1000 + at, VALIDATION, error))
    if reason:
        task.trial.set_user_attr("reason", reason)
    return task.trial


@pytest.mark.parametrize(
    ("how", "more", "row", "reason"),
    [
        (Back.ENDED, {"seeds_left": 0}, outcomes.COMPLETE, None),
        (Back.LOST, {"seeds_left": 0, "attempts": MOST_ATTEMPTS}, outcomes.COMPLETE, None),
        (Back.TAKEN_UP, {"seeds_left": 0}, outcomes.COMPLETE, None),
        (Back.ENDED, {"seeds_left": 7, "raced_out": RACED_OUT}, outcomes.RACED_OUT, RACED_OUT.reason),
        (Back.TAKEN_UP, {"seeds_left": 7, "raced_out": RACED_OUT}, outcomes.RACED_OUT, RACED_OUT.reason),
        (Back.EXPIRED, {"seeds_left": 7, "why": "too long"}, outcomes.FAILED, "too long"),
        (Back.ENDED, {"seeds_left": 7, "attempts": 1}, outcomes.LOST, None),
        (Back.LOST, {"seeds_left": 7, "attempts": MOST_ATTEMPTS - 1}, outcomes.LOST, None),
        (Back.LOST, {"seeds_left": 7, "attempts": MOST_ATTEMPTS}, outcomes.GIVEN_UP, "its worker was lost 3 times"),
        (
            Back.LOST,
            {"seeds_left": 7, "attempts": 4, "why": "fire"},
            outcomes.GIVEN_UP,
            "its worker was lost 4 times (fire)",
        ),
        (Back.TAKEN_UP, {"seeds_left": 7}, outcomes.TAKEN_UP, None),
    ],
)
def test_what_becomes_of_a_trial_without_a_failure(journal, how, more, row, reason):
    assert outcome_of(trial(journal), how, **more) == replace(row, reason=reason)


@pytest.mark.parametrize("how", Back)
@pytest.mark.parametrize("more", [{"seeds_left": 0}, {"seeds_left": 7, "attempts": MOST_ATTEMPTS, "why": "fire"}])
def test_a_failed_seed_outweighs_all_else(journal, how, more):
    found = outcome_of(trial(journal, fails=True, reason="an earlier one"), how, raced_out=RACED_OUT, **more)
    assert found == outcomes.FAILED.because("seed 1002: no luck")


@pytest.mark.parametrize("how", [Back.ENDED, Back.LOST, Back.TAKEN_UP])
def test_a_noted_reason_ends_the_trial(journal, how):
    found = outcome_of(trial(journal, reason="its worker was lost 3 times"), how, seeds_left=7, attempts=1)
    assert found == outcomes.FAILED.because("its worker was lost 3 times")


@pytest.mark.parametrize("how", [Back.ENDED, Back.LOST, Back.TAKEN_UP])
def test_a_trial_that_a_dead_driver_was_about_to_race_out_is_judged_anew(journal, how):
    assert outcome_of(trial(journal, reason=RACED_OUT.reason), how, seeds_left=7, attempts=1).goes_on


def test_every_row_has_one_state_of_optuna_and_only_failures_count_as_such():
    rows = {name: each for name, each in vars(outcomes).items() if isinstance(each, outcomes.Outcome)}
    assert {name: row.state for name, row in rows.items()} == {
        "COMPLETE": TrialState.COMPLETE,
        "RACED_OUT": TrialState.PRUNED,
        "NOTHING_NEW": TrialState.FAIL,
        "FAILED": TrialState.FAIL,
        "GIVEN_UP": TrialState.FAIL,
        "SUPERSEDED": TrialState.FAIL,
        "NOT_ASKED": TrialState.FAIL,
        "NOT_CONFIRMED": TrialState.FAIL,
        "NOT_UNDECIDED": TrialState.FAIL,
        "LOST": TrialState.RUNNING,
        "TAKEN_UP": TrialState.RUNNING,
    }
    assert {name for name, row in rows.items() if row.is_failure} == {"FAILED", "GIVEN_UP"}
    assert {name for name, row in rows.items() if row.is_loss} == {"GIVEN_UP", "LOST"}


def test_losses_of_one_approach_alone_blame_no_machine():
    losses = LostWorkers()
    for _ in range(100):
        losses.count("a", live=1, why="")


def test_losses_of_two_approaches_in_a_row_do_and_a_finished_seed_begins_anew():
    losses, most = LostWorkers(), MOST_LOSSES_PER_TASK * LEAST_TASKS_TO_BLAME
    for _ in range(2):
        losses.forget()
        for count in range(most - 1):
            losses.count("ab"[count % 2], live=1, why="")
    with pytest.raises(RuntimeError, match=rf"{most} workers were lost in a row without a finished seed \(fire\)"):
        losses.count("a", live=1, why="fire")


def confirmation(journal):
    """A confirmation of one configuration in six blocks, of which three run."""
    finish(search(journal, num_samples=3))
    stage = ConfirmationStage(journal, [approach()], lambda *who: None, seeds=30)
    return stage, [stage.next_task() for _ in range(3)]


def confirmed(journal):
    (found,) = [each for each in journal.trials() if each.stage == "confirm"]
    return found.state, found.reason


def test_a_trial_that_expires_ends_when_its_last_running_task_does_and_the_waiting_ones_are_dropped(journal):
    stage, (first, second, third) = confirmation(journal)
    stage.expired(first, "too long")
    assert not stage.waiting
    assert stage.seeds_left == 10
    work(stage, second)
    assert confirmed(journal) == ("RUNNING", "too long")
    work(stage, third)
    assert confirmed(journal) == ("FAIL", "too long")
    assert stage.is_finished()
    assert stage.seeds_left == 0


def test_a_task_of_a_trial_that_has_failed_is_not_run_again(journal):
    stage, (first, second, third) = confirmation(journal)
    work(stage, first, fails=lambda task, seed: "no luck")
    stage.lost(second)
    assert not stage.waiting
    stage.lost(third)
    assert confirmed(journal) == ("FAIL", "seed 2000: no luck")
    assert stage.seeds_left == 0


def test_a_task_that_ends_early_for_no_reason_of_ours_is_run_again_in_a_confirmation_too(journal):
    stage, tasks = confirmation(journal)
    for task in tasks:
        stage.close(task)
    finish(stage)
    assert confirmed(journal) == ("COMPLETE", None)
    assert stage.seeds_left == 0


def test_a_driver_that_died_after_a_reason_was_noted_leaves_nothing_to_run(journal):
    stage, (first, *_) = confirmation(journal)
    stage.expired(first, "too long")
    again = ConfirmationStage(journal, [approach()], lambda *who: None, seeds=30)
    assert again.is_finished()
    assert confirmed(journal) == ("FAIL", "too long")


def test_a_worker_that_dies_after_its_last_seed_costs_nothing(journal):
    stage = search(journal, num_samples=1, racing=None)
    task = stage.next_task()
    for seed in range(1_000_000, 1_000_010):
        stage.take(task, outcome(task, seed, VALIDATION))
    stage.lost(task)
    assert [each.state for each in journal.trials()] == ["COMPLETE"]
    assert stage.is_finished()

"""What is run of the winners: real Optuna, a real journal, a pretended worker, no Ray."""

from __future__ import annotations

import pytest

from made_up import SPEC
from pretended import approach, confirm, finish, outcome, search, work
from sweeps.analysis.approach_summary import summarise_approach
from sweeps.stages.outcomes import MOST_ATTEMPTS
from sweeps.stages.ranking import best_complete, confirmed_results, failure
from trainables.parts.protocol import TEST, VALIDATION


def test_the_winner_is_confirmed_on_fresh_seeds_and_the_test_split(journal):
    finish(search(journal))
    best = best_complete(journal.trials(), "a")
    finish(confirm(journal))
    results = confirmed_results(journal.trials(), "a", best.number)
    assert {(r.seed, r.split) for r in results} == {(s, p) for s in range(2000, 2008) for p in (VALIDATION, TEST)}
    (trial,) = [trial for trial in journal.trials() if trial.stage == "confirm"]
    assert (trial.state, trial.params, trial.of_trial) == ("COMPLETE", best.params, best.number)


def test_confirming_again_does_nothing_and_more_seeds_add_up(journal):
    finish(search(journal))
    finish(confirm(journal, seeds=8))
    assert confirm(journal, seeds=8).is_finished()
    finish(confirm(journal, seeds=11))
    best = best_complete(journal.trials(), "a")
    seeds = [r.seed for r in confirmed_results(journal.trials(), "a", best.number) if r.split == TEST]
    assert sorted(seeds) == list(range(2000, 2011))


def test_confirmation_goes_on_where_the_driver_died(journal):
    finish(search(journal))
    stage = confirm(journal)
    task = stage.next_task()
    for split in (VALIDATION, TEST):
        stage.take(task, outcome(task, 2000, split))
    stage.take(task, outcome(task, 2001, VALIDATION))
    again = confirm(journal)
    queued = [seed for task in again.waiting for block in task.blocks for seed in block]
    assert queued == list(range(2001, 2008))
    finish(again)
    assert [trial.state for trial in journal.trials() if trial.stage == "confirm"] == ["COMPLETE"]


def test_many_workers_lost_at_once_do_not_fail_a_confirmation(journal):
    finish(search(journal))
    stage = confirm(journal, seeds=30)
    tasks = [stage.next_task() for _ in range(6)]
    for task in tasks:
        stage.lost(task)
    finish(stage)
    (trial,) = [trial for trial in journal.trials() if trial.stage == "confirm"]
    assert (trial.state, len(trial.values("accuracy"))) == ("COMPLETE", 30)
    assert stage.seeds_left == 0


def test_a_confirmation_that_always_loses_its_worker_is_given_up_at_once(journal):
    finish(search(journal))
    stage = confirm(journal, seeds=30)
    for _ in range(MOST_ATTEMPTS):
        work(stage, stage.next_task(), stop_after=0)
    assert stage.is_finished()
    (trial,) = [trial for trial in journal.trials() if trial.stage == "confirm"]
    assert (trial.state, trial.reason) == ("FAIL", "its worker was lost 3 times")


TOO_LONG = "a seed took longer than 10 min (--seed-timeout)"


@pytest.mark.parametrize("reason", ["its worker was lost 3 times", TOO_LONG])
def test_what_was_given_up_and_is_completed_later_has_not_failed(journal, reason):
    finish(search(journal))
    stage = confirm(journal)
    if reason == TOO_LONG:
        stage.expired(stage.next_task(), reason)
    else:
        for _ in range(MOST_ATTEMPTS):
            work(stage, stage.next_task(), stop_after=0)
    best = best_complete(journal.trials(), "a")
    assert failure(journal.trials(), "a", best.number) == reason
    assert not summarised(journal).is_confirmed
    finish(confirm(journal))
    assert [trial.state for trial in journal.trials() if trial.stage == "confirm"] == ["FAIL", "COMPLETE"]
    assert failure(journal.trials(), "a", best.number) is None
    row = summarised(journal)
    assert (row.is_confirmed, row.confirmed_failure, row.confirmed.n) == (True, None, 8)


def summarised(journal):
    return summarise_approach(journal.trials(), approach(), 8, SPEC)


def test_a_new_best_configuration_is_confirmed_anew(journal):
    finish(search(journal, [approach(published=0.1)], num_samples=1))
    confirm(journal, [approach(published=0.1)]).next_task()
    finish(search(journal, [approach(published=0.1)], num_samples=12))
    best = best_complete(journal.trials(), "a")
    assert best.number != 0
    finish(confirm(journal))
    states = {trial.of_trial: trial.state for trial in journal.trials() if trial.stage == "confirm"}
    assert states == {0: "FAIL", best.number: "COMPLETE"}


def test_a_winner_that_fails_when_confirmed_is_said_to(journal):
    finish(search(journal))
    stage = confirm(journal)
    finish(stage, fails=lambda task, seed: "diverged" if seed == 2003 else None)
    (trial,) = [trial for trial in journal.trials() if trial.stage == "confirm"]
    assert (trial.state, trial.reason) == ("FAIL", "seed 2003: diverged")
    assert stage.seeds_left == 0


def test_an_approach_without_a_complete_trial_is_not_confirmed(journal):
    finish(search(journal, num_samples=2), fails=lambda task, seed: "NaN")
    assert confirm(journal).is_finished()

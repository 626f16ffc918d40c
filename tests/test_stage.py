"""What becomes of tasks and results in any stage: real Optuna, a real journal, a pretended worker, no Ray."""

from __future__ import annotations

import pytest

from pretended import approach, finish, search, work
from sweeps.stages.outcomes import MOST_ATTEMPTS
from sweeps.stages.search import MOST_FAILURES_IN_A_ROW


def test_a_lost_worker_costs_only_the_seeds_that_were_not_reported(journal):
    stage = search(journal, num_samples=1)
    work(stage, stage.next_task(), stop_after=3)
    again = stage.next_task()
    assert [seed for block in again.blocks for seed in block] == list(range(1_000_003, 1_000_010))
    assert again.trial.number == 0
    work(stage, again)
    (trial,) = journal.trials()
    assert (trial.state, len(trial.results)) == ("COMPLETE", 10)
    assert stage.seeds_left == 0


def test_a_worker_lost_again_and_again_fails_the_trial(journal):
    stage = search(journal, num_samples=1)
    for _ in range(MOST_ATTEMPTS):
        work(stage, stage.next_task(), stop_after=0)
    assert stage.is_finished()
    (trial,) = journal.trials()
    assert (trial.state, trial.reason) == ("FAIL", "its worker was lost 3 times")
    assert stage.seeds_left == 0


def test_a_worker_lost_now_and_then_does_not_fail_a_trial_that_moves_on(journal):
    stage = search(journal, num_samples=1)
    for _ in range(2 * MOST_ATTEMPTS):
        work(stage, stage.next_task(), stop_after=1)
    work(stage, stage.next_task())
    (trial,) = journal.trials()
    assert (trial.state, len(trial.results)) == ("COMPLETE", 10)


def test_a_seed_that_took_too_long_fails_its_trial_at_once(journal):
    stage = search(journal, num_samples=1)
    stage.expired(stage.next_task(), "a seed took longer than 10 min")
    (trial,) = journal.trials()
    assert (trial.state, trial.reason) == ("FAIL", "a seed took longer than 10 min")
    assert stage.is_finished()
    assert stage.seeds_left == 0


def test_when_every_worker_dies_the_sweep_stops_instead_of_failing_everything(journal):
    stage = search(journal, [approach("a"), approach("b")], num_samples=50)
    for _ in range(4):
        stage.next_task()
    for _ in range(7):
        stage.lost(stage.live[0], "no memory")
        stage.next_task()
    with pytest.raises(RuntimeError, match=r"8 workers were lost in a row without a finished seed \(no memory\)"):
        stage.lost(stage.live[0], "no memory")
    assert [trial.state for trial in journal.trials()] == ["RUNNING"] * 4


def test_a_node_that_takes_many_workers_with_it_fails_nothing(journal):
    stage = search(journal, [approach("a"), approach("b")], num_samples=50)
    tasks = [stage.next_task() for _ in range(64)]
    for task in tasks:
        stage.lost(task)
    assert len(stage.waiting) == 64
    finish(stage)
    assert {trial.state for trial in journal.trials()} <= {"COMPLETE", "PRUNED"}


def test_an_approach_that_fails_again_and_again_is_stopped_and_the_others_go_on(journal, capsys):
    stage = search(journal, [approach("a"), approach("b")], num_samples=20)
    finish(stage, fails=lambda task, seed: "RuntimeError: no luck" if task.approach == "b" else None)
    states = {name: [t.state for t in journal.trials([name])] for name in "ab"}
    assert len(states["a"]) == 20
    assert states["b"] == ["FAIL"] * MOST_FAILURES_IN_A_ROW
    assert stage.seeds_left == 0
    assert journal.stopped("a") is None
    assert journal.stopped("b").endswith("failed, the last one with: seed 1000000: RuntimeError: no luck")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("b is stopped after 5 configurations in a row failed")
    # The next start tries it again.
    again = search(journal, [approach("a"), approach("b")], num_samples=20)
    assert journal.stopped("b") is None
    finish(again)
    assert len(journal.trials(["b"])) == 20


@pytest.mark.parametrize("killed_after", range(1, 5))
def test_failures_in_a_row_are_counted_across_a_killed_driver(journal, killed_after):
    def no_luck(task, seed):
        return "no luck"

    stage = search(journal, num_samples=20)
    for _ in range(killed_after):
        work(stage, stage.next_task(), fails=no_luck)
    finish(search(journal, num_samples=20), fails=no_luck)
    assert len(journal.trials()) == MOST_FAILURES_IN_A_ROW


def test_a_lost_worker_fails_nothing_in_a_stopped_approach_either(journal):
    stage = search(journal, num_samples=20)
    healthy = stage.next_task()
    for _ in range(MOST_FAILURES_IN_A_ROW):
        work(stage, stage.next_task(), fails=lambda task, seed: "no luck")
    assert journal.stopped("a")
    work(stage, healthy, stop_after=0)
    finish(stage)
    assert journal.trials()[0].state == "COMPLETE"


def test_an_approach_whose_workers_always_die_is_stopped_and_not_the_sweep(journal):
    """Though in the end no other approach's seeds come between its losses."""
    stage = search(journal, [approach("a"), approach("b")], num_samples=20)
    while not stage.is_finished():
        task = stage.next_task()
        work(stage, task, stop_after=0 if task.approach == "b" else None)
    assert len(journal.trials(["a"])) == 20
    assert [trial.reason for trial in journal.trials(["b"])] == ["its worker was lost 3 times"] * MOST_FAILURES_IN_A_ROW


def test_failures_that_do_not_come_in_a_row_stop_nothing(journal):
    stage = search(journal, num_samples=20)
    finish(stage, fails=lambda task, seed: "no luck" if task.trial.number % 5 else None)
    assert len(journal.trials()) == 20


def test_the_time_left_expects_that_as_many_seeds_are_raced_out_as_so_far(journal):
    """A seed takes a second; the first configuration is never stopped."""
    stage = search(journal, num_samples=20)
    work(stage, stage.next_task())
    assert (stage.seeds_left, stage.seconds_left) == (190, 190.0)
    for _ in range(9):
        work(stage, stage.next_task())
    ran = sum(len(trial.results) for trial in journal.trials())
    assert ran < 80
    assert (stage.seeds_done, stage.seeds_left) == (ran, 100)
    assert stage.seconds_left == pytest.approx(100 * ran / 100)
    # The next start expects the same.
    again = search(journal, num_samples=20)
    assert (again.seeds_done, again.seeds_left, again.seconds_left) == (ran, 100, stage.seconds_left)


def test_progress_counts_down_to_nothing(journal):
    stage = search(journal, num_samples=3, racing=None)
    assert (stage.seeds_done, stage.seeds_left) == (0, 30)
    assert stage.seconds_left == 30.0
    finish(stage)
    assert (stage.seeds_done, stage.seeds_left) == (30, 0)
    assert stage.best_so_far().startswith("best so far a ")

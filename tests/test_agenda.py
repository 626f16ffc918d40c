"""What becomes of tasks and results in any stage: real Optuna, a real journal, a pretended worker, no Ray."""

from __future__ import annotations

import pytest

from pretended import finish, search, work
from sweeps.agenda import MOST_ATTEMPTS


def test_a_lost_worker_costs_only_the_seeds_that_were_not_reported(record):
    agenda = search(record, num_samples=1)
    work(agenda, agenda.next_task(), stop_after=3)
    again = agenda.next_task()
    assert [seed for block in again.blocks for seed in block] == list(range(1003, 1010))
    assert again.trial.number == 0
    work(agenda, again)
    (trial,) = record.trials()
    assert (trial.state, len(trial.results)) == ("COMPLETE", 10)
    assert agenda.seeds_left == 0


def test_a_worker_lost_again_and_again_fails_the_trial(record):
    agenda = search(record, num_samples=1)
    for _ in range(MOST_ATTEMPTS):
        work(agenda, agenda.next_task(), stop_after=0)
    assert agenda.is_finished()
    (trial,) = record.trials()
    assert (trial.state, trial.reason) == ("FAIL", "its worker was lost 3 times")
    assert agenda.seeds_left == 0


def test_when_every_worker_dies_the_sweep_stops_instead_of_failing_everything(record):
    agenda = search(record, num_samples=50)
    with pytest.raises(RuntimeError, match="12 workers were lost in a row"):
        finish(agenda, stop_after=0)
    assert len(record.trials()) == 4
    assert record.trials()[-1].state == "RUNNING"


def test_progress_counts_down_to_nothing(record):
    agenda = search(record, num_samples=3, racing=None)
    assert (agenda.seeds_done, agenda.seeds_left) == (0, 30)
    assert agenda.seconds_left == 30.0
    finish(agenda)
    assert (agenda.seeds_done, agenda.seeds_left) == (30, 0)
    assert agenda.best_so_far().startswith("best so far a ")

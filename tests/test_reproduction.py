"""The study's own settings on its own seeds: real Optuna, a real journal, a pretended worker."""

from __future__ import annotations

import pytest

from pretended import finish, work
from studied import STUDIED, UNPUBLISHED, WITHOUT_NUMBER, stage
from sweeps.analysis.study import find
from sweeps.stages.outcomes import MOST_ATTEMPTS
from sweeps.stages.reproduction import SMOKE_SEEDS, USUAL_SEEDS
from sweeps.store.journal import Journal
from sweeps.store.trials import SEEDS_WANTED
from trainables.parts.protocol import VALIDATION


def seeds_run(journal, name="a"):
    """The seeds of each trial, doubled ones twice."""
    return {trial.number: sorted(r.seed for r in trial.results) for trial in journal.trials([name])}


def test_every_setting_runs_on_the_study_s_seeds_and_on_validation_images_only(journal):
    finish(stage(journal, [STUDIED, WITHOUT_NUMBER]))
    trials = journal.trials()
    assert [(t.approach, t.number, t.state, t.params["x"]) for t in trials] == [
        ("a", 0, "COMPLETE", 0.5),
        ("a", 1, "COMPLETE", 0.8),
        ("b", 0, "COMPLETE", 0.5),
    ]
    assert seeds_run(journal) == {0: list(range(12)), 1: list(range(USUAL_SEEDS))}
    assert {result.split for trial in trials for result in trial.results} == {VALIDATION}


def test_a_smoke_run_is_tiny(journal):
    finish(stage(journal, smoke=True))
    assert seeds_run(journal) == {0: list(range(SMOKE_SEEDS)), 1: list(range(SMOKE_SEEDS))}


def test_running_again_does_nothing(journal):
    finish(stage(journal))
    again = stage(journal)
    assert again.is_finished()
    assert again.seeds_left == 0
    assert len(journal.trials()) == 2


def test_a_lost_worker_costs_only_the_seeds_that_were_not_reported(journal):
    own = stage(journal)
    work(own, own.next_task(), stop_after=3)
    finish(own)
    assert seeds_run(journal) == {0: list(range(12)), 1: list(range(USUAL_SEEDS))}


@pytest.mark.parametrize("ran", [0, 1, 2, 3, 7, 12])
def test_a_killed_driver_s_seeds_are_neither_lost_nor_run_twice(tmp_path, ran):
    first = Journal(tmp_path / "killed", write=True)
    before = stage(first)
    for _ in range(ran):
        work(before, before.next_task())
    # Two workers were in the middle of theirs.
    for task in [before.next_task() for _ in range(2) if before.waiting]:
        work(before, task, stop_after=2)
    first.close()
    done = {number: len(seeds) for number, seeds in seeds_run(first).items()}
    second = Journal(tmp_path / "killed", write=True)
    again = stage(second)
    assert again.seeds_left == 12 + USUAL_SEEDS - sum(done.values())
    finish(again)
    assert seeds_run(second) == {0: list(range(12)), 1: list(range(USUAL_SEEDS))}
    assert {trial.state for trial in second.trials()} == {"COMPLETE"}
    second.close()


def test_a_driver_killed_before_a_trial_had_its_parameters(journal):
    study = journal.study("a")
    for setting in STUDIED.published.settings().values():
        study.enqueue_trial(dict(setting.params), user_attrs={SEEDS_WANTED: 4})
    # The first was asked for and never suggested; the second still waits.
    study.ask()
    finish(stage(journal))
    assert [trial.params["x"] for trial in journal.trials()] == [0.5, 0.8]
    assert seeds_run(journal) == {0: list(range(4)), 1: list(range(4))}


def test_a_driver_killed_after_the_last_seed(journal):
    before = stage(journal)
    before.close = lambda task: before.live.remove(task)
    while before.waiting:
        work(before, before.next_task())
    assert {trial.state for trial in journal.trials()} == {"RUNNING"}
    assert stage(journal).is_finished()
    assert {trial.state for trial in journal.trials()} == {"COMPLETE"}


def test_a_setting_whose_workers_are_always_lost_is_given_up(journal):
    own = stage(journal, [WITHOUT_NUMBER])
    for _ in range(MOST_ATTEMPTS):
        work(own, own.next_task(), stop_after=0)
    assert own.is_finished()
    assert own.seeds_left == 0
    assert [trial.state for trial in journal.trials()] == ["FAIL"]


@pytest.mark.parametrize("end", ["lost", "expired"])
def test_what_was_given_up_is_taken_up_by_the_next_start_where_it_ended(journal, end):
    own = stage(journal, [WITHOUT_NUMBER])
    for _ in range(2):
        work(own, own.next_task())
    if end == "lost":
        for _ in range(MOST_ATTEMPTS):
            work(own, own.next_task(), stop_after=0)
    else:
        own.expired(own.next_task(), "a seed took longer than 10 min (--seed-timeout)")
    assert own.is_finished()
    (given_up,) = journal.trials()
    assert given_up.state == "FAIL"
    assert 0 < len(given_up.results) < USUAL_SEEDS
    again = stage(journal, [WITHOUT_NUMBER])
    assert again.seeds_left == USUAL_SEEDS - len(given_up.results)
    # A driver that dies now has queued it already.
    assert stage(journal, [WITHOUT_NUMBER]).seeds_left == again.seeds_left
    finish(stage(journal, [WITHOUT_NUMBER]))
    assert [trial.state for trial in journal.trials()] == ["FAIL", "COMPLETE"]
    assert seeds_run(journal, "b")[1] == list(range(USUAL_SEEDS))
    assert journal.trials()[1].results[: len(given_up.results)] == given_up.results
    assert stage(journal, [WITHOUT_NUMBER]).is_finished()
    assert len(find(journal.trials(), WITHOUT_NUMBER, WITHOUT_NUMBER.published).results) == USUAL_SEEDS


def test_a_failed_seed_is_not_tried_again(journal):
    finish(stage(journal, [WITHOUT_NUMBER]), fails=lambda task, seed: "diverged" if seed == 3 else None)
    assert stage(journal, [WITHOUT_NUMBER]).is_finished()
    assert [trial.state for trial in journal.trials()] == ["FAIL"]


def test_of_an_approach_without_published_settings_nothing_runs(journal):
    finish(stage(journal, [UNPUBLISHED, WITHOUT_NUMBER]))
    assert [trial.approach for trial in journal.trials()] == ["b"]

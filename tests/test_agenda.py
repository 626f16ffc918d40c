"""What is run next, and what becomes of the results: real Optuna, a real journal, a pretended worker, no Ray."""

from __future__ import annotations

import contextlib
import dataclasses
import types

import numpy as np
import pytest
from optuna.trial import TrialState

from search_spaces.reported import Reported
from sweeps import agenda as agendas
from sweeps.agenda import BLOCK, ConfirmAgenda, SearchAgenda
from sweeps.challenge import Approach
from sweeps.record import Record, best_complete, confirmed_results
from trainables.protocol import TEST, VALIDATION, SeedResult, SeedTrainable


class Nothing(SeedTrainable):
    """Trained by nobody."""


def suggest(trial):
    trial.suggest_float("x", 0.0, 1.0)
    if trial.suggest_categorical("kind", ["plain", "odd"]) == "odd":
        trial.suggest_int("only_odd", 1, 3)


def approach(name="a", published=0.5):
    reported = Reported(params={"x": published, "kind": "plain"}, mean=None, sd=None, seeds=None, note="made up")
    space = types.SimpleNamespace(suggest=suggest, REPORTED=reported)
    return Approach(name=name, trainable=Nothing, space=space, seconds_a_seed=1.0)


def accuracy(params, seed):
    """Best at x = .8; noise that all configurations share, as the draw of ten images is."""
    noise = np.random.default_rng(seed).normal(0, 0.04) + np.random.default_rng([seed, 1]).normal(0, 0.005)
    return float(np.clip(0.85 - (params["x"] - 0.8) ** 2 + noise, 0, 1))


@pytest.fixture
def record(tmp_path):
    record = Record(tmp_path / "sweep", write=True)
    yield record
    record.close()


def search(record, approaches=None, num_samples=6, seeds=10, closed=None, **more):
    told = [] if closed is None else closed
    return SearchAgenda(
        record,
        approaches or [approach()],
        lambda *who: told.append(who),
        num_samples=num_samples,
        seeds=seeds,
        search_seed=0,
        **more,
    )


def outcome(task, seed, split, error=None):
    value = None if error else accuracy(task.params, seed)
    return SeedResult(seed=seed, split=split, seconds=1.0, timestamp_ms=seed, accuracy=value, error=error)


def work(agenda, task, fails=lambda task, seed: None, stop_after=None):
    """Run a task as the engine does; `stop_after` seeds the worker is lost."""
    ran = 0
    for block in task.blocks:
        for seed in block:
            if ran == stop_after:
                agenda.lost(task)
                return
            error = fails(task, seed)
            for split in task.splits if not error else task.splits[:1]:
                agenda.take(task, outcome(task, seed, split, error))
            ran += 1
            if error:
                agenda.close(task)
                return
        if agenda.is_losing(task):
            break
    agenda.close(task)


def finish(agenda, **how):
    while not agenda.is_finished():
        work(agenda, agenda.next_task(), **how)


def test_the_published_setting_comes_first(record):
    task = search(record).next_task()
    assert task.params == {"x": 0.5, "kind": "plain"}
    assert [seed for block in task.blocks for seed in block] == list(range(1000, 1010))
    assert task.splits == (VALIDATION,)


def test_every_approach_gets_its_configurations_in_turn(record):
    agenda = search(record, [approach("a"), approach("b")], num_samples=3, seeds=2)
    order = []
    while not agenda.is_finished():
        task = agenda.next_task()
        order.append(task.approach)
        work(agenda, task)
    assert order == ["a", "b"] * 3
    assert [len(record.study(name).trials) for name in "ab"] == [3, 3]


def test_complete_trials_have_the_mean_over_all_seeds(record):
    finish(search(record, racing=False))
    for trial in record.trials():
        assert trial.state == "COMPLETE"
        expected = np.mean([accuracy(trial.params, seed) for seed in range(1000, 1010)])
        assert record.study("a").trials[trial.number].value == pytest.approx(expected)


def test_losers_are_raced_out_and_never_ranked(record):
    agenda = search(record, num_samples=25)
    finish(agenda)
    raced = [trial for trial in record.trials() if trial.state == "PRUNED"]
    best = best_complete(record.trials(), "a")
    assert raced
    assert all(len(trial.results) == BLOCK and "raced out" in trial.reason for trial in raced)
    full = {trial.number: np.mean([accuracy(trial.params, s) for s in range(1000, 1010)]) for trial in record.trials()}
    assert best.number == max(full, key=full.get)
    assert agenda.seeds_left == 0


def test_the_published_setting_is_never_stopped(record):
    agenda = search(record, [approach(published=0.0)], num_samples=2)
    published, other = agenda.next_task(), agenda.next_task()
    work(agenda, other)
    work(agenda, published)
    assert record.trials()[0].state == "COMPLETE"


def test_without_racing_everything_runs(record):
    finish(search(record, num_samples=25, racing=False))
    assert {trial.state for trial in record.trials()} == {"COMPLETE"}


def test_repeated_looks_share_the_chance_of_error():
    assert agendas.racing_pruner([5])._p_threshold == agendas.RACING_ERROR
    assert agendas.racing_pruner([10, 15])._p_threshold == agendas.RACING_ERROR / 2


@pytest.mark.parametrize(("seeds", "looks"), [(1, []), (5, []), (6, [5]), (10, [5]), (20, [10, 15]), (11, [10])])
def test_looks_are_where_the_test_can_tell(seeds, looks):
    assert agendas.racing_looks(seeds) == looks


def test_racing_seldom_stops_a_configuration_as_good_as_the_best(record):
    """Against a rival that was not chosen on these seeds, the error is at most the nominal one."""
    study = record.study("race")
    study.pruner = agendas.racing_pruner([10, 15])
    rng = np.random.default_rng(0)
    best = study.ask()
    for seed in range(20):
        best.report(rng.normal(), seed)
    study.tell(best, 0.0)
    stopped = 0
    for _ in range(200):
        trial = study.ask()
        for seed in range(20):
            trial.report(study.best_trial.intermediate_values[seed] + rng.normal(), seed)
            if seed + 1 in (10, 15) and trial.should_prune():
                stopped += 1
                break
        study.tell(trial, state=TrialState.FAIL)
    assert stopped / 200 <= agendas.RACING_ERROR * 1.3


def test_a_failed_seed_fails_the_trial_with_its_reason_and_the_sweep_goes_on(record):
    finish(search(record), fails=lambda task, seed: "NaN" if task.trial.number == 1 and seed == 1002 else None)
    failed = record.trials()[1]
    assert (failed.state, failed.reason) == ("FAIL", "seed 1002: NaN")
    assert [trial.state for trial in record.trials()].count("FAIL") == 1
    assert len(record.trials()) == 6


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
    for _ in range(agendas.MOST_ATTEMPTS):
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


def test_a_task_that_ends_for_no_reason_of_ours_is_run_again(record):
    agenda = search(record, num_samples=1)
    task = agenda.next_task()
    agenda.take(task, outcome(task, 1000, VALIDATION))
    agenda.close(task)
    finish(agenda)
    assert [(trial.state, len(trial.results)) for trial in record.trials()] == [("COMPLETE", 10)]


def undisturbed(tmp_path, num_samples):
    record = Record(tmp_path / "undisturbed", write=True)
    finish(search(record, num_samples=num_samples))
    found = [(t.number, t.state, t.params, t.results, t.reason) for t in record.trials()]
    record.close()
    return found


@pytest.mark.parametrize("seeds_before_death", [0, 3, 5, 9, 10, 15, 20, 25, 27, 30, 35, 40])
def test_a_dead_driver_s_sweep_goes_on_to_the_same_end(tmp_path, record, seeds_before_death):
    agenda = search(record, num_samples=15)
    left = seeds_before_death
    while left > 0:
        task = agenda.next_task()
        for seed in [seed for block in task.blocks for seed in block][:left]:
            agenda.take(task, outcome(task, seed, VALIDATION))
            left -= 1
            if len(task.trial.user_attrs) == BLOCK and left and agenda.is_losing(task):
                break
        if left > 0:
            agenda.close(task)
    if not agenda.live:
        agenda.next_task()
    # Dead: nothing was told of the live task. Its record is opened anew.
    finish(search(record, num_samples=15))
    found = [(t.number, t.state, t.params, t.results, t.reason) for t in record.trials()]
    assert found == undisturbed(tmp_path, 15)


def test_resuming_a_finished_sweep_does_nothing_and_a_larger_number_extends_it(record):
    finish(search(record, num_samples=4))
    assert search(record, num_samples=4).is_finished()
    finish(search(record, num_samples=7))
    assert [trial.number for trial in record.trials()] == list(range(7))


def test_a_driver_that_died_while_choosing_parameters(record):
    record.study("a").enqueue_trial({"x": 0.5, "kind": "plain"})
    half = record.study("a").ask()
    half.suggest_float("x", 0.0, 1.0)
    finish(search(record, num_samples=2, racing=False))
    assert [trial.state for trial in record.trials()] == ["COMPLETE", "COMPLETE"]
    assert record.trials()[0].params == {"x": 0.5, "kind": "plain"}


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_a_driver_that_died_while_choosing_parameters_goes_on_to_the_same_ones(tmp_path, record, chosen):
    class KilledError(BaseException):
        pass

    def killed_while_suggesting(trial):
        left = [chosen]

        def next_one(suggest):
            def suggest_or_die(*arguments):
                if trial.number == 3 and left[0] == 0:
                    raise KilledError
                left[0] -= 1
                return suggest(*arguments)

            return suggest_or_die

        names = ("suggest_float", "suggest_categorical", "suggest_int")
        suggest(types.SimpleNamespace(**{name: next_one(getattr(trial, name)) for name in names}))

    dying = approach()
    dying.space.suggest = killed_while_suggesting
    with contextlib.suppress(KilledError):
        finish(search(record, [dying], num_samples=8))
    assert [trial.state for trial in record.trials()][-1] == "RUNNING"
    finish(search(record, num_samples=8))
    found = [(t.number, t.state, t.params, t.results, t.reason) for t in record.trials()]
    assert found == undisturbed(tmp_path, 8)


def test_after_the_time_budget_no_configuration_is_started_and_running_ones_finish(record, monkeypatch):
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(agendas.time, "monotonic", lambda: clock.now)
    agenda = search(record, num_samples=100, time_budget=60)
    first = agenda.next_task()
    clock.now = 61
    assert agenda.next_task() is None
    assert not agenda.is_finished()
    work(agenda, first)
    assert agenda.is_finished()
    assert record.trials()[0].state == "COMPLETE"


def test_suggestions_depend_on_search_seed_approach_and_number_alone(tmp_path):
    def suggestions(name, search_seed):
        record = Record(tmp_path / f"{name}{search_seed}{np.random.randint(10**9)}", write=True)
        agenda = SearchAgenda(
            record, [approach(name)], lambda *who: None, num_samples=5, seeds=2, search_seed=search_seed
        )
        finish(agenda)
        record.close()
        return [trial.params for trial in record.trials()]

    assert suggestions("a", 0) == suggestions("a", 0)
    assert suggestions("a", 0)[1:] != suggestions("a", 1)[1:]
    assert suggestions("a", 0)[1:] != suggestions("b", 0)[1:]


def confirm(record, approaches=None, seeds=8):
    return ConfirmAgenda(record, approaches or [approach()], lambda *who: None, seeds=seeds)


def test_the_winner_is_confirmed_on_fresh_seeds_and_the_test_split(record):
    finish(search(record))
    best = best_complete(record.trials(), "a")
    finish(confirm(record))
    results = confirmed_results(record.trials(), "a", best.number)
    assert {(r.seed, r.split) for r in results} == {(s, p) for s in range(2000, 2008) for p in (VALIDATION, TEST)}
    (trial,) = [trial for trial in record.trials() if trial.stage == "confirm"]
    assert (trial.state, trial.params, trial.of_trial) == ("COMPLETE", best.params, best.number)


def test_confirming_again_does_nothing_and_more_seeds_add_up(record):
    finish(search(record))
    finish(confirm(record, seeds=8))
    assert confirm(record, seeds=8).is_finished()
    finish(confirm(record, seeds=11))
    best = best_complete(record.trials(), "a")
    seeds = [r.seed for r in confirmed_results(record.trials(), "a", best.number) if r.split == TEST]
    assert sorted(seeds) == list(range(2000, 2011))


def test_confirmation_goes_on_where_the_driver_died(record):
    finish(search(record))
    agenda = confirm(record)
    task = agenda.next_task()
    for split in (VALIDATION, TEST):
        agenda.take(task, outcome(task, 2000, split))
    agenda.take(task, outcome(task, 2001, VALIDATION))
    again = confirm(record)
    queued = [seed for task in again.waiting for block in task.blocks for seed in block]
    assert queued == list(range(2001, 2008))
    finish(again)
    assert [trial.state for trial in record.trials() if trial.stage == "confirm"] == ["COMPLETE"]


def test_many_workers_lost_at_once_do_not_fail_a_confirmation(record):
    finish(search(record))
    agenda = confirm(record, seeds=30)
    tasks = [agenda.next_task() for _ in range(6)]
    for task in tasks:
        agenda.lost(task)
    finish(agenda)
    (trial,) = [trial for trial in record.trials() if trial.stage == "confirm"]
    assert (trial.state, len(trial.values("accuracy"))) == ("COMPLETE", 30)
    assert agenda.seeds_left == 0


def test_a_confirmation_that_always_loses_its_worker_is_given_up_at_once(record):
    finish(search(record))
    agenda = confirm(record, seeds=30)
    for _ in range(agendas.MOST_ATTEMPTS):
        work(agenda, agenda.next_task(), stop_after=0)
    assert agenda.is_finished()
    (trial,) = [trial for trial in record.trials() if trial.stage == "confirm"]
    assert (trial.state, trial.reason) == ("FAIL", "its worker was lost 3 times")


def test_a_driver_that_died_between_a_seed_and_its_report_to_the_pruner(record):
    agenda = search(record, num_samples=1)
    task = agenda.next_task()
    agenda.take(task, outcome(task, 1000, VALIDATION))
    task.trial.set_user_attr("seed:1001:validation", dataclasses.asdict(outcome(task, 1001, VALIDATION)))
    finish(search(record, num_samples=1))
    assert sorted(record.study("a").trials[0].intermediate_values) == list(range(1000, 1010))


def test_a_new_best_configuration_is_confirmed_anew(record):
    finish(search(record, [approach(published=0.1)], num_samples=1))
    confirm(record, [approach(published=0.1)]).next_task()
    finish(search(record, [approach(published=0.1)], num_samples=12))
    best = best_complete(record.trials(), "a")
    assert best.number != 0
    finish(confirm(record))
    states = {trial.of_trial: trial.state for trial in record.trials() if trial.stage == "confirm"}
    assert states == {0: "FAIL", best.number: "COMPLETE"}


def test_a_winner_that_fails_when_confirmed_is_said_to(record):
    finish(search(record))
    agenda = confirm(record)
    finish(agenda, fails=lambda task, seed: "diverged" if seed == 2003 else None)
    (trial,) = [trial for trial in record.trials() if trial.stage == "confirm"]
    assert (trial.state, trial.reason) == ("FAIL", "seed 2003: diverged")
    assert agenda.seeds_left == 0


def test_an_approach_without_a_complete_trial_is_not_confirmed(record):
    finish(search(record, num_samples=2), fails=lambda task, seed: "NaN")
    assert confirm(record).is_finished()


def test_progress_counts_down_to_nothing(record):
    agenda = search(record, num_samples=3, racing=False)
    assert (agenda.seeds_done, agenda.seeds_left) == (0, 30)
    assert agenda.seconds_left == 30.0
    finish(agenda)
    assert (agenda.seeds_done, agenda.seeds_left) == (30, 0)
    assert agenda.best_so_far().startswith("best so far a ")

"""Which configurations are searched, and which are stopped: real Optuna, a real journal, a pretended worker, no Ray."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import types

import numpy as np
import pytest

from pretended import accuracy, approach, finish, outcome, search, suggest, work
from sweeps.core.kinds import AT_RANDOM, TPE
from sweeps.stages.racing import Racing
from sweeps.stages.ranking import best_complete
from sweeps.stages.sampling import SAMPLERS
from sweeps.stages.search import SearchStage
from sweeps.store.journal import Journal
from trainables.parts.protocol import VALIDATION


def test_the_published_setting_comes_first(journal):
    task = search(journal).next_task()
    assert task.params == {"x": 0.5, "kind": "plain"}
    assert [seed for block in task.blocks for seed in block] == list(range(1_000_000, 1_000_010))
    assert task.splits == (VALIDATION,)


def with_portfolio(*x):
    plain = approach()
    settings = tuple({"x": each, "kind": "plain"} for each in x)
    return dataclasses.replace(plain, published=dataclasses.replace(plain.published, portfolio=settings))


def test_the_portfolio_comes_next_and_no_more_of_it_than_is_asked_for(journal):
    several = with_portfolio(0.1, 0.2, 0.3)
    finish(search(journal, [several], num_samples=2))
    assert [trial.params["x"] for trial in journal.trials()] == [0.5, 0.1]
    assert all(trial.state.is_finished() for trial in journal.study("a").trials)
    finish(search(journal, [several], num_samples=6))
    found = [trial.params["x"] for trial in journal.trials()]
    assert found[:4] == [0.5, 0.1, 0.2, 0.3]
    assert len(set(found)) == 6


@pytest.mark.parametrize("queued", [1, 2, 3])
def test_a_driver_that_died_while_queueing_the_portfolio(journal, queued):
    for x in (0.5, 0.1, 0.2)[:queued]:
        journal.study("a").enqueue_trial({"x": x, "kind": "plain"})
    finish(search(journal, [with_portfolio(0.1, 0.2)], num_samples=4))
    assert [trial.params["x"] for trial in journal.trials()][:3] == [0.5, 0.1, 0.2]


def test_every_approach_gets_its_configurations_in_turn(journal):
    stage = search(journal, [approach("a"), approach("b")], num_samples=3, seeds=2)
    order = []
    while not stage.is_finished():
        task = stage.next_task()
        order.append(task.approach)
        work(stage, task)
    assert order == ["a", "b"] * 3
    assert [len(journal.study(name).trials) for name in "ab"] == [3, 3]


def test_complete_trials_have_the_mean_over_all_seeds(journal):
    finish(search(journal, racing=None))
    for trial in journal.trials():
        assert trial.state == "COMPLETE"
        expected = np.mean([accuracy(trial.params, seed) for seed in range(1_000_000, 1_000_010)])
        assert journal.study("a").trials[trial.number].value == pytest.approx(expected)


def test_losers_are_raced_out_and_never_ranked(journal):
    stage = search(journal, num_samples=25)
    finish(stage)
    raced = [trial for trial in journal.trials() if trial.state == "PRUNED"]
    best = best_complete(journal.trials(), "a")
    assert raced
    assert all(len(trial.results) in (1, 2, 3, 4, 5, 7, 9) and "raced out" in trial.reason for trial in raced)
    assert len({len(trial.results) for trial in raced}) > 1
    full = {
        trial.number: np.mean([accuracy(trial.params, s) for s in range(1_000_000, 1_000_010)])
        for trial in journal.trials()
    }
    assert best.number == max(full, key=full.get)
    assert stage.seeds_left == 0


def test_the_published_setting_is_never_stopped(journal):
    stage = search(journal, [approach(published=0.0)], num_samples=2)
    published, other = stage.next_task(), stage.next_task()
    work(stage, other)
    work(stage, published)
    assert journal.trials()[0].state == "COMPLETE"


def test_without_racing_everything_runs(journal):
    finish(search(journal, num_samples=25, racing=None))
    assert {trial.state for trial in journal.trials()} == {"COMPLETE"}


@pytest.mark.parametrize(
    ("seeds", "looks"),
    [
        (1, []),
        (3, []),
        (4, [1, 2, 3]),
        (10, [1, 2, 3, 4, 5, 7, 9]),
        (50, [1, 2, 3, 4, 5, 7, 9, 12, 15, 19, 24, 30, 38, 48]),
    ],
)
def test_looks_come_seldomer_the_more_seeds_there_are(seeds, looks):
    assert Racing().looks(seeds) == looks


@pytest.mark.parametrize(
    ("rivals", "points_better", "share"),
    [(3, -1, 0.9), (3, 0, 0.6), (3, 1, 0.28), (3, 2, 0.11), (1, -1, 0.59), (1, 0, 0.27), (1, 1, 0.09)],
)
def test_all_looks_together_stop_as_many_as_is_said(rivals, points_better, share):
    """Against rivals that were not chosen on these seeds; scores have an sd of 3, half of the variance in common."""
    racing, rng = Racing(), np.random.default_rng(0)
    stopped = 0
    for _ in range(1000):
        scores = (rng.normal(size=10) + rng.normal(size=(1 + rivals, 10))) * 0.5**0.5
        own = scores[0] + points_better / 3
        complete = [dict(enumerate(each)) for each in sorted(scores[1:], key=np.mean, reverse=True)]
        stopped += any(racing.is_worse(dict(enumerate(own[:look])), complete) for look in racing.looks(10))
    assert stopped / 1000 == pytest.approx(share, abs=3 * (share * (1 - share) / 1000) ** 0.5)


def test_a_failed_seed_fails_the_trial_with_its_reason_and_the_sweep_goes_on(journal):
    finish(search(journal), fails=lambda task, seed: "NaN" if task.trial.number == 1 and seed == 1_000_002 else None)
    failed = journal.trials()[1]
    assert (failed.state, failed.reason) == ("FAIL", "seed 1000002: NaN")
    assert [trial.state for trial in journal.trials()].count("FAIL") == 1
    assert len(journal.trials()) == 6


def test_a_task_that_ends_for_no_reason_of_ours_is_run_again(journal):
    stage = search(journal, num_samples=1)
    task = stage.next_task()
    stage.take(task, outcome(task, 1_000_000, VALIDATION))
    stage.close(task)
    finish(stage)
    assert [(trial.state, len(trial.results)) for trial in journal.trials()] == [("COMPLETE", 10)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a search of so many configurations finds, to which nothing happens."""

    @functools.cache
    def found(num_samples, sampler=AT_RANDOM):
        journal = Journal(tmp_path_factory.mktemp("undisturbed"), write=True)
        finish(search(journal, num_samples=num_samples, sampler=SAMPLERS[sampler]))
        trials = [(t.number, t.state, t.params, t.results, t.reason) for t in journal.trials()]
        journal.close()
        return trials

    return found


# With TPE the last three depend on what the others got.
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("seeds_before_death", [0, 3, 5, 9, 10, 15, 27, 40])
def test_a_dead_driver_s_sweep_goes_on_to_the_same_end(journal, undisturbed, seeds_before_death, sampler):
    stage = search(journal, num_samples=13, sampler=SAMPLERS[sampler])
    left = seeds_before_death
    while left > 0:
        task = stage.next_task()
        for seed in [seed for block in task.blocks for seed in block][:left]:
            stage.take(task, outcome(task, seed, VALIDATION))
            left -= 1
            if len(task.trial.user_attrs) in stage.looks and left and stage.is_losing(task):
                break
        if left > 0:
            stage.close(task)
    if not stage.live:
        stage.next_task()
    # Dead: nothing was told of the live task. Its journal is opened anew.
    finish(search(journal, num_samples=13, sampler=SAMPLERS[sampler]))
    found = [(t.number, t.state, t.params, t.results, t.reason) for t in journal.trials()]
    assert found == undisturbed(13, sampler)


def test_resuming_a_finished_sweep_does_nothing_and_a_larger_number_extends_it(journal):
    finish(search(journal, num_samples=4))
    assert search(journal, num_samples=4).is_finished()
    finish(search(journal, num_samples=7))
    assert [trial.number for trial in journal.trials()] == list(range(7))


def test_a_driver_that_died_while_choosing_parameters(journal):
    journal.study("a").enqueue_trial({"x": 0.5, "kind": "plain"})
    half = journal.study("a").ask()
    half.suggest_float("x", 0.0, 1.0)
    finish(search(journal, num_samples=2, racing=None))
    assert [trial.state for trial in journal.trials()] == ["COMPLETE", "COMPLETE"]
    assert journal.trials()[0].params == {"x": 0.5, "kind": "plain"}


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_a_driver_that_died_while_choosing_parameters_goes_on_to_the_same_ones(journal, undisturbed, chosen):
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
        finish(search(journal, [dying], num_samples=8))
    assert [trial.state for trial in journal.trials()][-1] == "RUNNING"
    finish(search(journal, num_samples=8))
    found = [(t.number, t.state, t.params, t.results, t.reason) for t in journal.trials()]
    assert found == undisturbed(8)


def test_after_the_time_budget_no_configuration_is_started_and_running_ones_finish(journal, monkeypatch):
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr("sweeps.stages.search.time.monotonic", lambda: clock.now)
    stage = search(journal, num_samples=100, time_budget=60)
    first = stage.next_task()
    clock.now = 61
    assert stage.next_task() is None
    assert not stage.is_finished()
    work(stage, first)
    assert stage.is_finished()
    assert journal.trials()[0].state == "COMPLETE"


def test_suggestions_depend_on_search_seed_approach_and_number_alone(tmp_path):
    def suggestions(name, search_seed):
        journal = Journal(tmp_path / f"{name}{search_seed}{np.random.randint(10**9)}", write=True)
        stage = SearchStage(
            journal, [approach(name)], lambda *who: None, num_samples=5, seeds=2, search_seed=search_seed
        )
        finish(stage)
        journal.close()
        return [trial.params for trial in journal.trials()]

    assert suggestions("a", 0) == suggestions("a", 0)
    assert suggestions("a", 0)[1:] != suggestions("a", 1)[1:]
    assert suggestions("a", 0)[1:] != suggestions("b", 0)[1:]


def test_random_suggestions_do_not_depend_on_how_many_workers_there_are_and_those_of_tpe_do(journal, undisturbed):
    def params_with(workers, sampler):
        each = Journal(journal.folder / f"{workers}{sampler}", write=True)
        stage = search(each, num_samples=13, sampler=SAMPLERS[sampler])
        while not stage.is_finished():
            tasks = [stage.next_task() for _ in range(workers)]
            for task in reversed([task for task in tasks if task]):
                work(stage, task)
        found = [trial.params for trial in each.trials()]
        each.close()
        return found

    assert params_with(1, AT_RANDOM) == params_with(3, AT_RANDOM) == [each[2] for each in undisturbed(13)]
    assert params_with(1, TPE)[:10] == params_with(3, TPE)[:10]
    assert params_with(1, TPE) != params_with(3, TPE)


def test_a_driver_that_died_between_giving_a_trial_up_and_ending_it(journal):
    stage = search(journal, num_samples=1)
    work(stage, stage.next_task(), stop_after=4)
    stage.waiting[0].trial.set_user_attr("reason", "its worker was lost 3 times")
    assert search(journal, num_samples=1).is_finished()
    (trial,) = journal.trials()
    assert (trial.state, trial.reason) == ("FAIL", "its worker was lost 3 times")


def test_a_driver_that_died_between_a_seed_and_its_report_to_the_pruner(journal):
    stage = search(journal, num_samples=1)
    task = stage.next_task()
    stage.take(task, outcome(task, 1_000_000, VALIDATION))
    task.trial.set_user_attr("seed:1000001:validation", dataclasses.asdict(outcome(task, 1_000_001, VALIDATION)))
    finish(search(journal, num_samples=1))
    assert sorted(journal.study("a").trials[0].intermediate_values) == list(range(1_000_000, 1_000_010))

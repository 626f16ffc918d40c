"""Configurations that come again: they are not trained again, and nothing counts them. Real Optuna, no Ray."""

from __future__ import annotations

import json
import types
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from made_up import SPEC, START, changed
from pretended import Nothing, finish, outcome, search, work
from sweeps.analysis.checks import checks
from sweeps.analysis.curves import history
from sweeps.analysis.summary import summarise
from sweeps.core.challenge import Approach
from sweeps.run import plan
from sweeps.run.sweep import begun_in
from sweeps.stages import repeats, taking_up
from sweeps.stages.racing import Racing
from sweeps.stages.sampling import tpe
from sweeps.store.journal import JOURNAL, Journal
from sweeps.views import console, files, text_table
from trainables.parts.protocol import VALIDATION

# Of a space with ten configurations.
SPACE = 10


def small(trial):
    trial.suggest_categorical("kind", ["plain", "odd"])
    trial.suggest_int("x", 1, 5)


def small_space(name="a"):
    return Approach(
        name=name, learner=Nothing, space=types.SimpleNamespace(suggest=small), published=None, seconds_per_seed=1.0
    )


def of_states(journal, state):
    return [trial for trial in journal.trials() if trial.state == state]


def test_a_search_gets_as_many_distinct_configurations_as_were_asked_for(journal):
    closed = []
    stage = search(journal, [small_space()], num_samples=8, closed=closed)
    assert stage.seeds_left == 80
    finish(stage)
    trained = [trial for trial in journal.trials() if trial.state != "REPEAT"]
    assert len(trained) == 8 == len({json.dumps(trial.params, sort_keys=True) for trial in trained})
    again = of_states(journal, "REPEAT")
    assert again
    for trial in again:
        (other,) = [each for each in trained if f"configuration {each.number}," in trial.reason]
        assert (trial.results, trial.params, other.number < trial.number) == ((), other.params, True)
    assert stage.seeds_left == 0
    assert len(closed) == 8


def test_a_space_that_has_no_more_ends_the_search_and_is_not_asked_again(journal):
    stage = search(journal, [small_space(), small_space("b")], num_samples=SPACE + 5)
    finish(stage)
    found = journal.trials()
    for name in "ab":
        own = [trial for trial in found if trial.approach == name]
        assert sum(trial.state != "REPEAT" for trial in own) == SPACE
        assert [trial.state for trial in own[-repeats.MOST_REPEATS_IN_A_ROW :]] == ["REPEAT"] * 20
    assert stage.seeds_left == 0
    again = search(journal, [small_space(), small_space("b")], num_samples=2 * SPACE)
    assert again.is_finished()
    assert again.seeds_left == 0
    assert len(journal.trials()) == len(found)


def test_a_wider_range_is_searched_on(journal):
    finish(search(journal, [small_space()], num_samples=SPACE + 5))
    wider = small_space()
    wider.space.suggest = lambda trial: (
        trial.suggest_categorical("kind", ["plain", "odd"]),
        trial.suggest_int("x", 1, 9),
    )
    assert begun_in(journal, [small_space()])["a"].is_all
    assert begun_in(journal, [wider])["a"].is_short_of(SPACE + 5)
    finish(search(journal, [wider], num_samples=SPACE + 5))
    assert sum(trial.state != "REPEAT" for trial in journal.trials()) == SPACE + 5


def test_the_sampler_sees_no_repeat(journal):
    """Its next suggestion is what it would be without them."""
    finish(search(journal, [small_space()], num_samples=9, racing=None))
    study = journal.study("a")
    ended = [trial for trial in study.get_trials() if not repeats.is_repeat(trial)]
    assert len(ended) < len(study.trials)
    without = optuna.create_study(direction="maximize")
    without.add_trials(ended)
    drawn = []
    for each in (study, without):
        each.sampler = tpe(0, "a", 99)
        asked = each.ask()
        small(asked)
        drawn.append(asked.params)
    assert drawn[0] == drawn[1]


def test_what_failed_fails_again_but_a_lost_worker_proves_nothing(journal):
    def only_two(trial):
        trial.suggest_categorical("kind", ["plain", "odd"])
        trial.suggest_int("x", 1, 1)

    approach = small_space()
    approach.space.suggest = only_two
    stage = search(journal, [approach], num_samples=3)
    first = stage.next_task()
    work(stage, first, fails=lambda task, seed: "no luck")
    second = stage.next_task()
    assert second.params != first.params
    for _ in range(3):
        work(stage, second, stop_after=0)
        second = stage.waiting[0] if stage.waiting else None
        if second is not None:
            stage.next_task()
    third = stage.next_task()
    lost = journal.trials()[[trial.state for trial in journal.trials()].index("FAIL", 1)]
    assert "its worker was lost" in lost.reason
    assert third.params == lost.params
    work(stage, third)
    assert [trial.state for trial in journal.trials() if trial.state != "REPEAT"] == ["FAIL", "FAIL", "COMPLETE"]


def told(trials):
    return [(t.number, t.state, t.params, t.results, t.reason) for t in trials]


def test_a_driver_that_died_anywhere_goes_on_to_the_same_end(tmp_path):
    """At every line that the first repeat has in the journal, and at some others."""
    journal = Journal(tmp_path / "whole", write=True)
    finish(search(journal, [small_space()], num_samples=8, seeds=4))
    expected, lines = told(journal.trials()), journal.path.read_bytes().splitlines(keepends=True)
    journal.close()
    assert any(state == "REPEAT" for _, state, *_ in expected)
    first = next(at for at, line in enumerate(lines) if b"repeat_of" in line)
    for cut in {*range(first - 3, first + 3), *range(20, len(lines), 50)}:
        folder = tmp_path / f"cut {cut}"
        folder.mkdir()
        (folder / JOURNAL).write_bytes(b"".join(lines[:cut]))
        journal = Journal(folder, write=True)
        finish(search(journal, [small_space()], num_samples=8, seeds=4))
        assert told(journal.trials()) == expected, cut
        journal.close()


def idle(trial):
    trial.suggest_float("x", 0.0, 1.0)
    trial.suggest_float("idle", 0.0, 1.0)


def constant(task, seed):
    """A result that no parameter changes."""
    return replace(outcome(task, seed, VALIDATION), accuracy=0.7 + seed % 7 / 100, hits="/" * 40)


@pytest.mark.parametrize(("seeds", "ran"), [(10, 5), (5, 5)])
def test_what_gives_the_same_results_is_stopped_at_a_look(journal, seeds, ran):
    """No test sees a difference; with five seeds the last look is before enough of them are alike."""
    approach = small_space()
    approach.space.suggest = idle
    stage = search(journal, [approach], num_samples=4, seeds=seeds)
    while not stage.is_finished():
        task = stage.next_task()
        for block in task.blocks:
            for seed in block:
                stage.take(task, constant(task, seed))
            if stage.is_losing(task):
                break
        stage.close(task)
    first, *others = journal.trials()
    assert (first.state, len(first.results)) == ("COMPLETE", seeds)
    assert {len(trial.results) for trial in others} == {ran}
    if ran < seeds:
        assert {(trial.state, trial.reason) for trial in others} == {
            ("PRUNED", "raced out: the same results as 0 on 5 seeds")
        }
        # To the sampler it is no loser.
        assert {trial.state for trial in journal.study("a").trials[1:]} == {TrialState.FAIL}
        assert taking_up.failures_at_the_end(journal.study("a").trials) == 0
    assert stage.seeds_left == 0


def test_the_same_results_on_few_images_say_nothing(journal):
    approach = small_space()
    approach.space.suggest = idle
    stage = search(journal, [approach], num_samples=2)
    while not stage.is_finished():
        task = stage.next_task()
        for seed in [seed for block in task.blocks for seed in block]:
            stage.take(task, replace(constant(task, seed), hits="////"))
            if stage.is_losing(task):
                break
        stage.close(task)
    assert [trial.state for trial in journal.trials()] == ["COMPLETE", "COMPLETE"]


def test_the_same_score_on_other_images_is_not_the_same_result(journal):
    approach = small_space()
    approach.space.suggest = idle
    stage = search(journal, [approach], num_samples=2, racing=Racing(p=0.0))
    while not stage.is_finished():
        task = stage.next_task()
        for seed in [seed for block in task.blocks for seed in block]:
            stage.take(task, replace(constant(task, seed), hits=40 * ("AAAA" if task.trial.number else "////")))
            if stage.is_losing(task):
                break
        stage.close(task)
    assert [trial.state for trial in journal.trials()] == ["COMPLETE", "COMPLETE"]


@pytest.fixture(scope="module")
def exhausted(tmp_path_factory):
    """A finished search of fifteen configurations in a space that has ten."""
    journal = Journal(tmp_path_factory.mktemp("exhausted"), write=True)
    journal.begin(SPEC, changed(START, {"options": {"num_samples": 15}}))
    approaches = [replace(small_space(), is_baseline=True)]
    finish(search(journal, approaches, num_samples=15))
    yield journal, summarise(journal, approaches)
    journal.close()


def test_tables_and_sentences_say_how_many_were_distinct(exhausted, tmp_path):
    journal, summary = exhausted
    count = summary.approaches[0].configurations
    again = len(of_states(journal, "REPEAT"))
    assert (count.begun, count.repeats, count.is_all) == (SPACE, again, True)
    assert f"{count.complete}/{count.raced_out}/0 ({again} repeated)" in text_table.printed(summary)
    assert "a has 10 distinct configurations of 15: its space seems to have no more." in console.sweep_text(
        summary, tmp_path
    )
    frame = files.trials_frame(journal.trials(), SPEC)
    assert (frame.state == "REPEAT").sum() == again
    assert frame[frame.state == "REPEAT"].seeds.eq(0).all()


def test_nothing_counts_a_repeat(exhausted):
    journal, summary = exhausted
    trials = journal.trials()
    assert len(history(trials, "a")) == SPACE
    found = {check.title: check for check in checks(summary, trials)}
    assert found["Failures"].text == "No configuration failed."
    assert "--num-samples" not in found["Size of the search"].text
    assert "--num-samples" not in found["End of the search"].text


def test_the_plan_of_a_sweep_that_goes_on_counts_distinct_configurations(exhausted):
    journal, _ = exhausted
    begun = begun_in(journal, [small_space()])["a"]
    assert (begun.distinct, begun.is_short_of(15)) == (SPACE, False)
    assert plan._more(begun, 15) == " more (10 distinct of 15: there are no others)"
    assert plan._more(plan.Begun(distinct=47, repeats=3), 50) == " more (of 50; 3 repeats were not trained)"
    assert plan._more(plan.Begun(distinct=47), 50) == " more (of 50)"

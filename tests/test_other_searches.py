"""Whether another search seed finds the same approach best: by the summaries that lie beside a sweep's."""

from __future__ import annotations

import json

import pytest

import pretended
from made_up import SPEC, START, approaches, changed
from sweeps.analysis.other_searches import in_words
from sweeps.analysis.summary import summarise
from sweeps.analysis.verdict import verdict
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.store.journal import Journal
from sweeps.views.files import write_files


@pytest.fixture
def sweep(tmp_path):
    """Makes a sweep of two approaches in one results folder; gives its summary."""

    def make(
        name, *, num_samples=2, confirm_seeds=10, finalists=3, sampler="random", done=10, names=("a", "b"), **spec
    ):
        journal, made = Journal(tmp_path / name, write=True), approaches(*names)
        options = {"num_samples": num_samples, "confirm_seeds": confirm_seeds, "finalists": finalists}
        options |= {"sampler": sampler} if sampler else {}
        journal.begin(changed(SPEC, spec), changed(START, {"options": options}))
        pretended.finish(pretended.search(journal, made, num_samples=num_samples))
        pretended.finish(ConfirmationStage(journal, made, lambda *who: None, seeds=min(done, confirm_seeds)))
        summary = summarise(journal, made)
        write_files(journal, made, summary)
        journal.close()
        return summary

    return make


def test_says_what_other_search_seeds_found(sweep):
    first = sweep("first")
    assert first.other_searches == ()
    assert len(verdict(first)) == 3
    second = sweep("second", search_seed=1)
    (found,) = second.other_searches
    assert (found.sweep, found.search_seed, found.best) == ("first", 0, first.approaches[0].approach)
    assert found.quoted == first.approaches[0].quoted
    assert verdict(second)[-1].startswith(
        "Another search of the same sweep, with another search seed: first (search seed"
    )
    third = sweep("third", search_seed=2)
    assert [each.sweep for each in third.other_searches] == ["first", "second"]
    assert verdict(third)[-1].startswith("2 other searches of the same sweep, with other search seeds: ")


def test_a_search_that_was_run_twice_counts_once(sweep):
    sweep("first")
    sweep("again")
    assert [each.sweep for each in sweep("other", search_seed=1).other_searches] == ["again"]


def test_too_few_fresh_seeds_call_no_approach_the_best_here_or_there(sweep):
    sweep("first", confirm_seeds=8)
    second = sweep("second", confirm_seeds=8, search_seed=1)
    assert len(second.other_searches) == 1
    assert len(verdict(second)) == 3


def test_others_that_cannot_be_compared_are_passed_over(sweep):
    sweep("same-seed")
    sweep("more-seeds", search_seed=1, seeds=9)
    sweep("other-metric", search_seed=1, metric="auroc")
    sweep("more-configurations", search_seed=1, num_samples=3)
    sweep("more-finalists", search_seed=1, finalists=5)
    sweep("other-sampler", search_seed=1, sampler="tpe")
    sweep("before-there-was-a-choice", search_seed=1, sampler=None)
    sweep("more-fresh-seeds", search_seed=1, confirm_seeds=11, done=11)
    sweep("one-approach", search_seed=1, names=("a",))
    sweep("unfinished", search_seed=1, done=9)
    assert sweep("this").other_searches == ()


def test_a_sweep_from_before_there_was_a_choice_of_samplers_is_one_by_tpe(sweep):
    sweep("first", sampler=None)
    assert len(sweep("second", search_seed=1, sampler="tpe").other_searches) == 1


def test_others_that_cannot_be_read_are_passed_over(sweep, tmp_path):
    sweep("first", search_seed=1)
    path = tmp_path / "first" / "summary.json"
    whole = json.loads(path.read_text())
    odd = [whole | {"starts": []}, whole | {"approaches": []}, whole | {"spec": {}}, {}, []]
    sweep("this")
    journal = Journal(tmp_path / "this", write=False)
    for content in ["", "{", *map(json.dumps, odd)]:
        path.write_text(content)
        assert summarise(journal, approaches("a", "b")).other_searches == ()
    path.write_text(json.dumps(whole))
    assert len(summarise(journal, approaches("a", "b")).other_searches) == 1


def test_says_whether_the_winner_changes(sweep):
    sweep("first")
    others = sweep("second", search_seed=1).other_searches
    best = others[0].best
    assert in_words(best, others).endswith("So the winner does not change.")
    assert in_words("another", others).endswith("So the winner changes with the search's luck.")
    mixed = [*others, others[0].model_copy(update={"best": "another"})]
    assert in_words(best, mixed).endswith("So the winner is the same in 1 of them.")

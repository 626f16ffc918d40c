"""Whether another search seed finds the same approach best: by the summaries that lie beside a sweep's."""

from __future__ import annotations

import pytest

from made_up import finished
from sweeps.analysis.other_searches import in_words
from sweeps.analysis.summary import summarise
from sweeps.analysis.verdict import verdict
from sweeps.store.journal import Journal
from sweeps.views.files import write_files


@pytest.fixture
def sweep(tmp_path):
    """Makes a finished sweep of two approaches in one results folder; gives its summary and its last sentence."""

    def make(name, **spec):
        journal = Journal(tmp_path / name, write=True)
        made = finished(journal, num_samples=2, spec=spec)
        summary = summarise(journal, made)
        write_files(journal, made, summary)
        journal.close()
        return summary, verdict(summary)[-1]

    return make


def test_says_what_other_search_seeds_found(sweep):
    first, sentence = sweep("first")
    assert first.other_searches == ()
    assert "other search seeds" not in sentence
    best = first.approaches[0].approach
    second, sentence = sweep("second", search_seed=1)
    assert [(each.sweep, each.search_seed, each.best) for each in second.other_searches] == [("first", 0, best)]
    assert second.other_searches[0].quoted == first.approaches[0].quoted
    assert sentence.startswith("Another search of the same sweep")
    assert "first (search seed 0)" in sentence
    third, sentence = sweep("third", search_seed=2)
    assert [each.sweep for each in third.other_searches] == ["first", "second"]
    assert sentence.startswith("2 other searches")


def test_others_that_cannot_be_compared_or_read_are_passed_over(sweep, tmp_path):
    sweep("first")
    for number, content in enumerate(["", "[]", "{", '{"spec": {}}', '{"spec": 1, "approaches": []}']):
        (tmp_path / f"odd{number}").mkdir()
        (tmp_path / f"odd{number}" / "summary.json").write_text(content)
    sweep("more-seeds", search_seed=1, seeds=9)
    sweep("other-metric", search_seed=1, metric="auroc")
    assert sweep("same")[0].other_searches == ()


def test_says_whether_the_winner_changes(sweep):
    sweep("first")
    others = sweep("second", search_seed=1)[0].other_searches
    best = others[0].best
    assert in_words(best, others).endswith("So the winner does not change.")
    assert in_words("another", others).endswith("So the winner changes with the search's luck.")
    mixed = [*others, others[0].model_copy(update={"best": "another"})]
    assert in_words(best, mixed).endswith("So the winner is the same in 1 of them.")

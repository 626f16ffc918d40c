"""Of each test image what the confirmed models say: against models trained again, and files read again."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import small_sweep
from made_up import SPEC, MadeUp, approaches, found, trial
from sweeps.analysis.summary import read_summary, summarise
from sweeps.challenge1 import CHALLENGE
from sweeps.core.errors import BadInput
from sweeps.inputs.image_files import as_bytes, decoded
from sweeps.inputs.images import find_dataset
from sweeps.store.journal import JOURNAL, Journal
from sweeps.views import report, report_page, report_tables
from sweeps.views.files import PROBABILITIES, write_files
from sweeps.views.probabilities import probabilities_frame
from trainables.parts.image_sets import POOL
from trainables.parts.protocol import TEST
from trainables.parts.results import packed, packed_probabilities
from trainables.parts.run_seed import classify, support_of
from trainables.parts.streams import Streams


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """The folder of a small sweep."""
    return small_sweep.sweep(tmp_path_factory.mktemp("home"))


@pytest.fixture
def dataset(sweep):
    return find_dataset(str(sweep.parent.parent / "images"), shots=(3,))[0]


@pytest.fixture
def table(sweep):
    return pd.read_parquet(sweep / PROBABILITIES)


def test_one_row_for_each_test_image_and_confirmed_approach(sweep, dataset, table):
    assert list(table) == [
        "approach", "stage", "trial", "image", "label", "probability_dark", "probability_light one", "right", "seeds",
    ]  # fmt: skip
    assert sorted(table["approach"].unique()) == ["siamese_bce", "starter_cnn"]
    for _, own in table.groupby("approach"):
        assert own["image"].tolist() == list(dataset.test_names)
    assert (table["stage"] == "confirm").all()
    assert (table["seeds"] == 3).all()


def test_an_image_is_the_file_of_its_name(sweep, dataset, table):
    in_order = dataset.test_images[np.argsort(dataset.test_labels, kind="stable")]
    for row, image in zip(table.iloc[: len(in_order)].itertuples(), in_order, strict=True):
        path = sweep.parent.parent / "images" / row.image
        assert path.parent.name == row.label
        assert np.array_equal(as_bytes([decoded(path, image.shape[0])], dataset.white)[0], image)


def test_probabilities_are_the_means_of_models_that_are_trained_again(sweep, dataset, table):
    journal = Journal(sweep, write=False)
    sets = dataset.pixel_sets()
    sets[POOL] = sets[POOL].for_confirmation()
    order = np.argsort(dataset.test_labels, kind="stable")
    for approach in CHALLENGE.named(["starter_cnn", "siamese_bce"]):
        own = table[table["approach"] == approach.name]
        (confirmed,) = [each for each in journal.trials([approach.name]) if each.stage == "confirm"]
        config = approach.learner.Config(**confirmed.params)
        needs, said = approach.learner.needs(config), []
        for seed in (2000, 2001, 2002):
            rows, _ = sets[POOL].protocol.split(seed)
            classifier = approach.learner.fit(config, support_of(needs, rows, sets, {}), Streams(seed))
            views = [sets[TEST].view(name) for name in needs.view_names]
            said.append(classify(classifier, views, order))
        assert own["probability_light one"].to_numpy() == pytest.approx(expit(said).mean(0), abs=1e-3)
        assert own["probability_dark"].to_numpy() == pytest.approx(1 - expit(said).mean(0), abs=1e-3)
        labels = dataset.test_labels[order]
        assert own["right"].to_numpy() == pytest.approx(((np.array(said) >= 0) == labels).mean(0))


def test_the_shares_that_are_right_are_the_accuracy_of_the_seeds(sweep, table):
    seeds = pd.read_parquet(sweep / "seeds.parquet").query("split == 'test'")
    assert table.groupby("approach")["right"].mean().to_dict() == pytest.approx(
        seeds.groupby("approach")["accuracy"].mean().to_dict()
    )


def test_a_journal_of_an_older_version_has_none_and_what_lies_there_goes(sweep, dataset, tmp_path):
    folder = Path(shutil.copytree(sweep, tmp_path / "older"))
    text, count = re.subn(r',"probabilities":(null|"[^"]+")', "", (folder / JOURNAL).read_text())
    assert count > 10
    (folder / JOURNAL).write_text(text)
    journal = Journal(folder, write=False)
    made = [replace(each, published=None) for each in CHALLENGE.named(["starter_cnn", "siamese_bce"])]
    summary = summarise(journal, made)
    assert summary.approaches == read_summary(sweep).approaches
    found = probabilities_frame(journal, summary, dataset.test_names)
    assert found.empty
    write_files(journal, made, summary, found)
    assert not (folder / PROBABILITIES).exists()
    assert (folder / "seeds.parquet").read_bytes() == (sweep / "seeds.parquet").read_bytes()


NAMES = tuple(f"test_images[{row}]" for row in range(sum(SPEC.test_counts)))


def with_probabilities(made, p, count=624):
    """That trial, whose models give each image this probability of class 1, and class 1 if it is one half."""
    said = packed_probabilities(np.repeat([[1 - p, p]], count, axis=0))
    hits = packed((np.arange(len(NAMES)) >= SPEC.test_counts[0]) == (p >= 0.5))
    results = tuple(
        replace(each, probabilities=said, hits=hits) if each.split == TEST else each for each in made.results
    )
    return replace(made, results=results)


def journal_of(*confirmations):
    """A journal of two approaches with one configuration each, and their fresh seeds."""
    return MadeUp([trial(approach="a"), trial(approach="b"), *confirmations])


def fresh(approach, p, stage="confirm", **more):
    return with_probabilities(trial(approach=approach, stage=stage, seeds=8, of_trial=0, mean=0.8, **more), p)


def test_the_second_block_stands_where_it_is_quoted():
    journal = journal_of(fresh("a", 0.25), fresh("b", 0.25), *(fresh(name, 0.75, "decide") for name in "ab"))
    summary = summarise(journal, approaches("a", "b"))
    assert all(row.decided for row in summary.approaches)
    found = probabilities_frame(journal, summary, NAMES)
    assert (found["stage"] == "decide").all()
    assert (found["probability_pneumonia"] == 0.75).all()
    assert found.groupby("label")["right"].mean().to_dict() == {"normal": 0, "pneumonia": 1}


def test_what_is_not_confirmed_or_was_kept_by_some_seeds_only():
    older, newer = trial(approach="a", stage="confirm", seeds=8, of_trial=0), fresh("a", 0.75)
    mixed = replace(newer, results=(*older.results[:6], *newer.results[6:]))
    part = fresh("b", 0.75)
    journal = journal_of(mixed, replace(part, results=part.results[:-2]))
    found = probabilities_frame(journal, summarise(journal, approaches("a", "b")), NAMES)
    assert found["approach"].unique().tolist() == ["a"]
    assert (found["seeds"] == 5).all()
    assert (found["probability_normal"] == 0.25).all()


def test_another_number_of_images_is_refused():
    wrong = fresh("a", 0.75)
    journal = journal_of(with_probabilities(wrong, 0.75, count=3), fresh("b", 0.75))
    summary = summarise(journal, approaches("a", "b"))
    with pytest.raises(BadInput, match=r"those of seed 2000 are not \(Expected the probabilities of 624 images"):
        probabilities_frame(journal, summary, NAMES)


THREE = {
    "protocol": replace(SPEC.protocol, classes=("x", "y <b>", "z"), shots=(5, 5, 5), pool=(600, 600, 600)),
    "test_counts": (2, 1, 1),
}


def of_three(p_NK, hits_N, seeds=8):
    """Fresh seeds whose models say this of four test images, and were right about these."""
    own = {"sensitivity": None, "specificity": None, "recalls": (0.5, 0.5, 1.0), "hits": None}
    said = {"probabilities": packed_probabilities(np.array(p_NK)), "hits": packed(np.array(hits_N, bool))}
    made = trial(approach="a", stage="confirm", seeds=seeds, of_trial=0)
    results = [replace(each, **own | (said if each.split == TEST else {})) for each in made.results]
    before = trial(approach="a")
    return [
        replace(before, results=tuple(replace(each, **own) for each in before.results)),
        replace(made, results=tuple(results)),
    ]


def test_which_class_is_taken_for_which():
    # The second x is taken for z; the y for x, though it is a tie in three digits.
    p = [[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.5, 0.5, 0.0], [0.0, 0.25, 0.75]]
    trials = of_three(p, [1, 0, 0, 1])
    summary = found(trials, names=("a",), spec=THREE)
    table = report_tables.confused(summary, trials)
    assert table.head == ["class", "x", "y <b>", "z"]
    assert table.rows == [["x", "50.0", "0.0", "50.0"], ["y <b>", "100.0", "0.0", "0.0"], ["z", "0.0", "0.0", "100.0"]]
    page = report_page.page(Path("results/made-up"), summary, trials, defaultdict(list))
    in_html, in_markdown = (report._template(name).render(page=page) for name in ("report.html", "report.md"))
    assert 'id="confused-table"' in in_html
    assert "| y &lt;b&gt; | 100.0 | 0.0 | 0.0 |" in in_markdown
    assert "<b> |" not in in_markdown


def test_it_is_not_said_of_two_classes_or_where_it_is_not_known():
    journal = journal_of(fresh("a", 0.75), fresh("b", 0.75))
    assert report_tables.confused(summarise(journal, approaches("a", "b")), journal.trials()) is None
    trials = of_three([[1, 0, 0]] * 4, [1, 1, 0, 0], seeds=3)
    assert report_tables.confused(found(trials, names=("a",), spec=THREE), trials) is None

"""The printed table: what it says of each approach, and of the weights behind a number."""

from __future__ import annotations

from dataclasses import replace

import pytest

import pretended
from made_up import SPEC, START, changed, found, source, trial
from sweeps.analysis.summary import summarise
from sweeps.views.text_table import aligned, legend, printed, printed_rows
from trainables.parts.backbones import FeatureSpec
from trainables.parts.learner import Learner, Needs


def approach_on(*backbones):
    class Frozen(Learner):
        """Learns from features."""

        may_need = Needs(
            views=tuple(FeatureSpec(backbone=name, output=output) for name in backbones for output in ("full", "mean"))
        )

    return replace(pretended.approach("+".join(backbones)), learner=Frozen)


PIXELS_ONLY, VGG11, UNTRAINED, BOTH = (
    pretended.approach("pixels"),
    approach_on("vgg11"),
    approach_on("vgg11_random"),
    approach_on("vgg11", "vgg16"),
)


@pytest.fixture
def summarised(journal):
    def summarise_with(approaches, **weights):
        weights = {backbone: source(name) for backbone, name in weights.items()}
        journal.begin(changed(SPEC, {"weights": weights}), START)
        return summarise(journal, approaches)

    return summarise_with


def weights_column(summary):
    """The printed column, by approach; its names must not hold blanks."""
    head, *lines = printed(summary).splitlines()
    assert head.split()[:2] == ["approach", "weights"]
    begin, end = head.index("weights"), head.index("confirmed")
    return {line.split()[0]: line[begin:end].strip() for line in lines}


def test_no_random_network_passes_for_a_pretrained_one(summarised):
    made = summarised([VGG11, UNTRAINED, PIXELS_ONLY], vgg11="imagenet", vgg11_random="random")
    assert {row.approach: row.weights for row in made.approaches} == {
        "vgg11": ("imagenet",),
        "vgg11_random": ("random",),
        "pixels": (),
    }
    assert weights_column(made) == {"vgg11": "imagenet", "vgg11_random": "random", "pixels": "none"}


def test_two_backbones_from_the_same_source_have_one(summarised):
    (row,) = summarised([BOTH], vgg11="imagenet", vgg16="imagenet").approaches
    assert row.weights == ("imagenet",)


def test_the_weights_of_other_approaches_do_not_count(summarised):
    (row,) = summarised([VGG11], vgg11="imagenet", vgg16="random").approaches
    assert row.weights == ("imagenet",)


def test_a_file_is_printed_by_its_folder_and_name_and_recorded_by_its_path(summarised):
    made = summarised([VGG11], vgg11="/a/long/way/to/vgg11.pth")
    assert made.approaches[0].weights == ("/a/long/way/to/vgg11.pth",)
    assert weights_column(made) == {"vgg11": "to/vgg11.pth"}


def test_of_two_backbones_with_a_file_each_both_are_printed(summarised):
    made = summarised([BOTH], vgg11="/weights/vgg11.pth", vgg16="/weights/vgg16.pth")
    assert made.approaches[0].weights == ("/weights/vgg11.pth", "/weights/vgg16.pth")
    assert weights_column(made) == {"vgg11+vgg16": "weights/vgg11.pth, weights/vgg16.pth"}


def test_a_sweep_without_backbones_has_no_such_column(summarised):
    made = summarised([PIXELS_ONLY])
    assert made.approaches[0].weights == ()
    assert "weights" not in printed(made)


def test_every_column_of_a_row():
    trials = [
        trial(0, 0.8, params={"x": 0.5, "kind": "plain"}),
        trial(1, 0.9, seconds=0.256),
        trial(2, 0.7, "PRUNED", seeds=5),
        trial(3, state="FAIL", seeds=0),
        trial(0, 0.88, stage="confirm", seeds=8, of_trial=1, seconds=0.256),
    ]
    (row,) = printed_rows(found(trials, names=("a",)))
    assert row == {
        "approach": "a",
        "confirmed": "88.0 +- 0.7",
        "95 % interval": "87.0 to 88.9",
        "IQM": "88.0",
        "in search": "90.0 +- 0.7",
        "optimism": "+0.0",
        "test bal. acc.": "88.0 +- 0.7",
        "published": "none",
        "our run of it": "80.0 +- 0.7",
        "complete/raced/failed": "2/1/1",
        "seconds/seed": "0.26",
    }


def test_the_legend_says_what_the_interval_is_for():
    assert "other images to validate on, and" in legend(found([]))[0]
    of_auroc, *others = legend(found([], spec={"metric": "auroc"}))
    assert "for other draws of labelled images alone, not for other images to validate on" in of_auroc
    assert len(others) == len(legend(found([]))) - 1


def test_a_row_says_that_its_confirmation_is_not_complete_and_leaves_empty_what_is_not_known():
    trials = [trial(0), trial(0, 0.8, stage="confirm", seeds=3, of_trial=0)]
    half, nothing = printed_rows(found(trials))
    assert half["confirmed"] == "80.0 +- 1.0 (3 of 8 seeds)"
    empty = ("confirmed", "95 % interval", "IQM", "in search", "optimism", "test bal. acc.", "our run of it")
    assert {nothing[name] for name in (*empty, "seconds/seed")} == {""}


@pytest.mark.parametrize(("seeds", "text"), [(3, "80.0 +- 1.0 (failed)"), (0, "(failed)")])
def test_a_row_that_failed_on_fresh_seeds_says_so(seeds, text):
    lost = trial(0, 0.8, "FAIL", stage="confirm", seeds=seeds, of_trial=0, reason="diverged")
    (row,) = printed_rows(found([trial(0), lost], names=("a",)))
    assert row["confirmed"] == text


def test_an_approach_of_which_nothing_is_published_has_none(journal):
    journal.begin(SPEC, START)
    summary = summarise(journal, [replace(PIXELS_ONLY, published=None)])
    (row,) = printed_rows(summary)
    assert (row["published"], row["our run of it"]) == ("none", "")
    assert printed(summary)


def test_words_stand_to_the_left_and_numbers_to_the_right():
    rows = [{"approach": "a", "n": "1"}, {"approach": "a long name", "n": "22"}]
    assert aligned(rows).splitlines() == ["approach     n", "a            1", "a long name 22"]

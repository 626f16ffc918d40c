"""The study's tables as a person reads them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from made_up import source
from pretended import approach, finish, work
from studied import ONE, OTHER_NUMBER, STUDIED, UNPUBLISHED, WITHOUT_NUMBER, row_of, stage, summarised
from sweeps.analysis.intervals import Estimate
from sweeps.core.challenge import Challenge
from sweeps.views.study_console import for_mlflow, metrics, printed, rerun_command
from trainables.parts.backbones import FeatureSpec
from trainables.parts.learner import Learner, Needs

PRINTED = """\
Accuracy on balanced validation images in per cent, mean +- sd over seeds

The first challenge

approach    published        ours seeds ours - published  its error noise explains it     after the sweep
a         76.0 +- 4.0 75.6 +- 4.0    12             -0.4 0.5 to 1.6               yes 85.0 (84.0 to 86.0)
a, better 60.0 +- 4.0 84.9 +- 3.8    50            +24.9 1.2 to 1.4                no
b                none 75.9 +- 3.8    50                -          -                 -

Why some of the study's numbers are wrong:
  a: it was measured with a ruler

The second challenge

approach   published        ours seeds ours - published its error noise explains it after the sweep
c        49.9 +- 1.5 77.1 +- 3.6     8                -         -                 -

"""


def test_the_printed_tables(journal):
    finish(stage(journal, [STUDIED, WITHOUT_NUMBER, OTHER_NUMBER]))
    confirmed = {"a": Estimate(n=50, mean=0.85, iqm=0.85, sd=0.01, low=0.84, high=0.86, images_error=0.0)}
    text = printed(summarised(journal, [STUDIED, WITHOUT_NUMBER, OTHER_NUMBER], confirmed=confirmed))
    assert text.startswith(PRINTED)
    legend = " ".join(text.removeprefix(PRINTED).split())
    for words in (
        "which is Welch's",
        "10 are assumed",
        "only one of them shows",
        "at a logit of .5 or more",
        "after the sweep: ours",
    ):
        assert words in legend


def test_an_unfinished_row_says_how_far_it_is_and_is_not_judged(journal):
    own = stage(journal)
    work(own, own.next_task())
    found = summarised(journal, [STUDIED])
    assert row_of(found, "a").p is None
    (line,) = [line for line in printed(found).splitlines() if line.startswith("a  ")]
    assert re.search(r" 5 of 12 +- +- +-$", line)
    (line,) = [line for line in printed(found).splitlines() if line.startswith("a, better")]
    assert re.search(r" 0 of 50 +- +- +-$", line)


def test_random_weights_are_marked_where_they_are_and_nowhere_else(journal):
    class Frozen(Learner):
        """Learns from features."""

        may_need = Needs(views=(FeatureSpec(backbone="vgg11", output="full"),))

    frozen = replace(approach("frozen"), learner=Frozen)
    two = Challenge(name="two", title="The second challenge", approaches=(frozen,))
    spec = {"weights": {"vgg11": source("random")}}
    text = printed(summarised(journal, [STUDIED, frozen], challenges=(ONE, two), spec=spec))
    assert "The first challenge\n\napproach    published" in text
    assert "The second challenge [RANDOM WEIGHTS]\n\napproach weights published" in text
    assert re.search(r"^frozen +random +none +0 of 50", text, re.MULTILINE)


def test_a_failed_seed_fails_its_setting_alone_and_is_said(journal):
    finish(stage(journal), fails=lambda task, seed: "NaN" if task.params["x"] == 0.5 and seed == 6 else None)
    assert [trial.state for trial in journal.trials()] == ["FAIL", "COMPLETE"]
    found = summarised(journal, [STUDIED])
    assert row_of(found, "a").noise_explains_it is None
    assert "a failed: seed 6: NaN" in printed(found)
    assert stage(journal).is_finished()


def test_an_approach_without_published_settings_is_not_in_the_tables(journal):
    finish(stage(journal, [WITHOUT_NUMBER, UNPUBLISHED]))
    found = summarised(journal, [WITHOUT_NUMBER, UNPUBLISHED])
    assert re.search(r"^b +none ", printed(found), re.MULTILINE)
    assert "\nd" not in printed(found)
    assert printed(summarised(journal, [UNPUBLISHED])).startswith("Accuracy on balanced validation images")


def test_one_of_the_seeds_can_be_trained_again_once_there_is_one(journal):
    assert rerun_command(summarised(journal, [STUDIED]), Path("results/mine")) is None
    own = stage(journal)
    work(own, own.next_task())
    expected = "python sweeps/rerun.py results/mine --approach a --trial 0 --seed 0"
    assert rerun_command(summarised(journal, [STUDIED]), Path("results/mine")) == expected


def test_mlflow_gets_the_tables_and_the_numbers_of_complete_rows(journal):
    finish(stage(journal, [STUDIED]))
    own = stage(journal, [OTHER_NUMBER])
    work(own, own.next_task())
    found = summarised(journal, [STUDIED, OTHER_NUMBER])
    note = for_mlflow(found)
    assert note.startswith("```\nThe first challenge\n\napproach ")
    assert note.count("```") == 4
    main, better = row_of(found, "a").ours, row_of(found, "a", "better").ours
    assert metrics(found) == {
        "a.accuracy_mean": main.mean,
        "a.accuracy_sd": main.sd,
        "a.difference_points": 100 * main.mean - 76.0,
        "a.better.accuracy_mean": better.mean,
        "a.better.accuracy_sd": better.sd,
        "a.better.difference_points": 100 * better.mean - 60.0,
    }

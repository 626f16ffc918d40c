"""A study of two challenges that was never published: what the tests of its reproduction share."""

from __future__ import annotations

from dataclasses import replace

from made_up import SPEC, START, changed, source
from pretended import approach
from search_spaces.published.settings import Variant
from sweeps.analysis.study import summarise_study
from sweeps.core.challenge import Challenge
from sweeps.stages.reproduction import ReproductionStage

# Nothing is searched, so the spec says nothing of a search.
STUDY_SPEC = changed(SPEC, {"challenge": "one", "dataset": source("made.npz", "f"), "seeds": None, "search_seed": None})
# Ours at the published x of .5 is about 76 %, at .8 about 85 %.
STUDIED = approach(
    "a",
    mean_percent=76.0,
    sd_percent=4.0,
    seeds=12,
    fault="it was measured with a ruler",
    variants={"better": Variant(params={"x": 0.8}, mean_percent=60.0, sd_percent=4.0, seeds=None)},
)
WITHOUT_NUMBER = approach("b")
OTHER_NUMBER = approach("c", mean_percent=49.9, sd_percent=1.5, seeds=8, is_class_accuracy=False)
UNPUBLISHED = replace(approach("d"), published=None)
ONE = Challenge(name="one", title="The first challenge", approaches=(STUDIED, WITHOUT_NUMBER, UNPUBLISHED))
TWO = Challenge(name="two", title="The second challenge", approaches=(WITHOUT_NUMBER, OTHER_NUMBER))


def stage(journal, approaches=(STUDIED,), smoke=False):
    return ReproductionStage(journal, approaches, lambda *who: None, smoke=smoke)


def summarised(journal, approaches, challenges=(ONE, TWO), confirmed=None, spec=None):
    journal.begin(changed(STUDY_SPEC, spec), START)
    return summarise_study(journal, challenges, approaches, confirmed or {})


def row_of(summary, name, variant=None):
    (row,) = [row for row in summary.rows if (row.approach, row.variant) == (name, variant)]
    return row

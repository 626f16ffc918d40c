"""The output that README.md and docs/ show is of the form that the commands print today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import made_up
import studied
from documentation import PAGES, blocks
from search_spaces.published.challenge1 import PUBLISHED
from sweeps.analysis import verdict
from sweeps.analysis.lucky_seeds import Adjusted
from sweeps.views import console, report, study_console, text_table

# The sweep that the pages show.
FOLDER = Path("results/c1")
RESULTS, STUDY = PAGES["docs/reading-results.md"], PAGES["docs/reproducing-the-study.md"]


def flat(text: str) -> str:
    """The text on one line, however it is wrapped or aligned."""
    return " ".join(text.split())


def header(printed: str) -> str:
    """The line with the names of a printed table's columns."""
    return next(flat(line) for line in printed.splitlines() if line.startswith("approach "))


SHOWN = {header(block): flat(block) for block in blocks(RESULTS, "") + blocks(STUDY, "")}


@pytest.fixture
def summary():
    trials = [
        made_up.trial(0, 0.8, approach="a"),
        made_up.trial(0, 0.9, approach="b"),
        made_up.trial(0, 0.8, approach="a", stage="confirm", of_trial=0),
        made_up.trial(0, 0.9, approach="b", stage="confirm", of_trial=0),
    ]
    return made_up.found(trials)


def with_a_control(summary):
    """The same of a sweep with seeds enough for a control of their luck."""
    known = Adjusted(mean=0.8, low=0.7, high=0.9, ease=0.01, others=400, correlation=0.5)
    return summary.model_copy(
        update={"approaches": [r.model_copy(update={"adjusted": known}) for r in summary.approaches]}
    )


def test_tables_of_sweeps_have_today_s_columns(summary):
    columns = list(text_table.printed_rows(with_a_control(summary))[0])
    assert " ".join(columns) in SHOWN
    assert " ".join([columns[0], "weights", *columns[1:]]) in SHOWN


def test_each_column_is_explained(summary):
    words = set(re.findall(r"\*\*([^*]+)\*\*", RESULTS))
    assert set(text_table.printed_rows(with_a_control(summary))[0]) - {"approach"} <= words


def test_the_whole_answer_is_as_it_is_printed(summary):
    text = SHOWN[" ".join(text_table.printed_rows(with_a_control(summary))[0])]
    for legend in text_table.LEGEND:
        assert flat(legend) in text
    printed = console.sweep_text(summary, FOLDER)
    for piece in ("Accuracy on", "Best configuration,", "Train one of its seeds again, here or elsewhere:", "Against"):
        assert piece in printed
        assert piece in text
    assert flat(console.journal_line(FOLDER)) in text
    (of_images,) = console.probabilities_lines([FOLDER / "seeds.csv", FOLDER / "probabilities.parquet"])
    assert flat(of_images) in text
    assert f"Report {FOLDER / report.HTML}" in text


def test_the_verdict_is_in_today_s_words(summary):
    # Numbers and names differ.
    for text in SHOWN.values():
        if "IQM" in text:
            assert re.search(
                r"\w+ (is best|comes first) with [\d.]+ % \(95 % interval [\d.]+ to [\d.]+\) on 50 (more )?fresh seeds",
                text,
            )
            assert flat(verdict.verdict(summary)[2].partition(";")[2].partition("its balanced")[0]) in text


def test_the_study_s_table_has_today_s_columns_and_faults(journal):
    found = studied.summarised(journal, [studied.STUDIED])
    text = SHOWN[header(study_console.printed(found))]
    for name, published in PUBLISHED.items():
        if published.fault:
            assert flat(f"{name}: {published.fault}") in text

"""What a person is told after a sweep: the table and the best approach; and how notices look."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from sweeps.analysis.approach_summary import ApproachSummary
from sweeps.analysis.caveats import with_warnings
from sweeps.analysis.openings import in_words
from sweeps.analysis.summary import Summary
from sweeps.analysis.verdict import BETTER, UNDECIDED, WORSE, corrected_for, verdict, versus
from sweeps.core.commands import rerun_command
from sweeps.core.formatting import capital, counted, readable
from sweeps.core.seeds import CONFIRM_SEEDS_FROM
from sweeps.views import robustness_tables, shot_tables, text_table
from sweeps.views.files import PROBABILITIES

WIDTH = 118


def framed(notice: str) -> str:
    """A notice that cannot be missed."""
    bar = "!" * 100
    return "\n".join([bar, *textwrap.wrap(notice, 96, initial_indent="! ", subsequent_indent="! "), bar])


def sweep_text(summary: Summary, folder: Path) -> str:
    """The table of approaches, the verdict, the best configuration, and what did not go as planned."""
    lines = [
        f"{capital(summary.spec.measured)} on balanced validation images in per cent, mean +- sd over seeds"
        f"{with_warnings(summary.warnings)}",
        "",
        text_table.printed(summary),
        "",
        *(line for text in text_table.legend(summary) for line in textwrap.wrap(text, WIDTH, subsequent_indent="    ")),
        "",
        *(line for sentence in verdict(summary) for line in textwrap.wrap(sentence, WIDTH)),
        "",
        *shot_tables.printed(summary, WIDTH),
        *robustness_tables.printed(summary, WIDTH),
        *_winner(summary.approaches[0], folder),
        *against_baseline(summary),
        *_openings(summary),
        *_troubles(summary),
    ]
    return "\n".join(lines).rstrip()


def sweep_note(summary: Summary) -> str:
    """The table in Markdown, under its warnings; it describes the sweep's own run in MLflow."""
    heading = f"**{with_warnings(summary.warnings).strip()}**\n\n" if summary.warnings else ""
    return f"{heading}```\n{text_table.printed(summary)}\n```"


def _winner(best: ApproachSummary, folder: Path) -> list[str]:
    """The best approach's configuration, and how to train one of its seeds again."""
    if not best.is_confirmed or best.best_trial is None or best.best_params is None:
        return []
    setting = ", ".join(f"{name}={readable(value)}" for name, value in best.best_params.items())
    return [
        f"Best configuration, {best.approach} {best.best_trial}:",
        *textwrap.wrap(setting, 110, initial_indent="      ", subsequent_indent="      "),
        "      Train one of its seeds again, here or elsewhere:",
        f"      {rerun_command(folder, best.approach, best.best_trial, CONFIRM_SEEDS_FROM)}",
        "",
    ]


def against_baseline(summary: Summary) -> list[str]:
    """Which approaches beat the plain baseline, which do not, and by how much; empty where it is not compared."""
    compared = versus(summary, summary.baseline)
    if not compared:
        return []
    correction = corrected_for(summary, every="") + (" (Holm)" if len(summary.comparisons) > 1 else "")
    lines = [
        f"Against {summary.baseline}, in points on the same fresh seeds, with the 95 % interval of each difference;",
        f"the verdicts are those of paired t tests at a level of 5 %{correction}:",
    ]
    for word in (BETTER, UNDECIDED, WORSE):
        texts = [f"{name} ({pair.in_points})" for name, pair in compared.items() if pair.verdict == word]
        if texts:
            text = f"{word + ':':<21}{', '.join(texts)}"
            lines += textwrap.wrap(text, 110, initial_indent="      ", subsequent_indent=" " * 27)
    return [*lines, ""]


def _openings(summary: Summary) -> list[str]:
    """How often the test split of these images was opened, where that was more than once."""
    if summary.openings.is_synthetic or summary.openings.total < 2:
        return []
    return [*textwrap.wrap(in_words(summary.openings), WIDTH), ""]


def _troubles(summary: Summary) -> Iterator[str]:
    """What is unfinished, was stopped or failed, and test splits that were opened again."""
    unfinished = sum(row.configurations.unfinished for row in summary.approaches)
    if unfinished:
        are = "is" if unfinished == 1 else "are"
        yield f"{counted(unfinished, 'configuration')} {are} not finished and not ranked."
    yield from text_table.repeated(summary)
    for sentence in text_table.smaller_searches(summary):
        yield from textwrap.wrap(sentence, WIDTH)
    for row in summary.approaches:
        if row.stopped:
            yield f"{row.approach} was {row.stopped}"
    for row in summary.approaches:
        if row.confirmed_failure:
            yield f"{row.approach}: its confirmation failed, so it is not ranked: {row.confirmed_failure}"
    again = [f"{row.approach} ({row.test_openings} times)" for row in summary.approaches if row.test_openings > 1]
    if again:
        text = "More search found a new best configuration, so that the test split was opened again: "
        yield from textwrap.wrap(f"{text}{', '.join(again)}.", WIDTH)


def probabilities_lines(written: Sequence[Path]) -> list[str]:
    """Where the table of the test images is, if it is one of these files."""
    return [
        f"Images  {path}: what each approach says of each test image" for path in written if path.name == PROBABILITIES
    ]


def journal_line(folder: Path) -> str:
    """Where the files are."""
    return f"Journal {folder / 'study.journal'}; beside it summary.json, and seeds and trials as .csv and .parquet"

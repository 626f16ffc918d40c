"""The report that a person opens: `report.html`, `report.md` and `plots/`, made from the journal alone.

The HTML file holds everything in itself and asks no network for anything. The same journal gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.analysis.summary import Summary
from sweeps.core.challenge import Approach
from sweeps.core.errors import in_one_line
from sweeps.core.files import write_whole
from sweeps.store.journal import Journal
from sweeps.views import figure_style, report_figures, report_tables
from sweeps.views.report_page import HTML, MARKDOWN, PLOTS, page

if TYPE_CHECKING:
    from jinja2 import Template


def try_to_write(journal: Journal, approaches: Sequence[Approach], summary: Summary) -> tuple[list[Path], str | None]:
    """Write the report; the files, and one line about what went wrong instead of an error.

    It comes last, and nothing that a sweep has found depends on it.
    """
    try:
        return write(journal, approaches, summary), None
    except Exception as error:
        return [], f"Report  not written ({in_one_line(error)}); the journal has everything"


def write(journal: Journal, approaches: Sequence[Approach], summary: Summary) -> list[Path]:
    """Write `report.html`, `report.md` and `plots/` beside the journal, each file whole; returns them.

    Args:
        journal: What it is made from.
        approaches: Those in the summary.
        summary: Of this journal.
    """
    trials = journal.trials([approach.name for approach in approaches])
    with figure_style.style():
        plots = report_figures.figures(summary, trials)
    content = page(journal.folder, summary, trials, plots)
    written = figure_style.write([plot for own in plots.values() for plot in own], journal.folder / PLOTS)
    for name in (HTML, MARKDOWN):
        write_whole(journal.folder / name, _template(name).render(page=content))
    return [journal.folder / HTML, journal.folder / MARKDOWN, *written]


def _template(name: str) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": report_tables.plain, "markdown_table": report_tables.markdown}
    return environment.get_template(f"{name}.jinja")

"""What changed test images cost, as people read it: the table, and what is printed of it."""

from __future__ import annotations

import textwrap

from sweeps.analysis.caveats import with_warnings
from sweeps.analysis.image_error import FEW_SEEDS
from sweeps.analysis.robustness import ApproachRobustness, Loss, Robustness
from sweeps.analysis.summary import Summary
from sweeps.analysis.verdict import fresh_seeds, too_few
from sweeps.core.formatting import counted, percent, points
from sweeps.views import text_table
from sweeps.views.report_tables import Table, typeset
from trainables.parts.corruptions import KINDS


def heading(summary: Summary, found: Robustness) -> str:
    """What the table's cells are."""
    severities = ", ".join(map(str, found.severities))
    return (
        f"Balanced accuracy on {counted(found.images, 'test image')} of each class as they are, in per cent, and the "
        f"points that are lost when they are changed (severity {severities} of 5; below 0 is a gain), with 95 % "
        f"intervals; {fresh_seeds(found.seeds)}"
    )


def sentences(summary: Summary) -> list[str]:
    """What the best approach of the table loses, or that so few seeds cannot say it.

    Empty if nothing was changed.
    """
    found = summary.robustness
    best = found.best_known if found else None
    if not found or not best or not best.mean:
        return []
    if best.mean.n < FEW_SEEDS:
        # More are to come where some have not run yet.
        return [too_few(best.mean.n, "what changed images cost")] if found.seeds < FEW_SEEDS else []
    most = (
        f"by {best.worst.kind}, which costs it most, {_in_points(best.worst.loss)}"
        if best.worst
        else "no kind of change costs it anything"
    )
    return [f"On changed test images {best.approach} {in_words(best.mean)} on average; {most}."]


def lost_points(loss: float) -> str:
    """A loss in points; what is below 0 is a gain."""
    return points(loss).removeprefix("+")


def _points(loss: Loss) -> str:
    ends = "" if loss.low is None or loss.high is None else f" ({lost_points(loss.low)} to {lost_points(loss.high)})"
    return f"{lost_points(loss.mean)}{ends}"


def _in_points(loss: Loss) -> str:
    mean, _, ends = _points(loss).partition(" ")
    return f"{mean} points{' ' if ends else ''}{ends}"


def _is_gain(loss: float) -> bool:
    return lost_points(loss).startswith("-")


def in_words(loss: Loss) -> str:
    """What is lost or gained: "loses 8.5 points (5.2 to 11.8)", "gains 8.0 points (0.0 to 16.0)"."""
    if not _is_gain(loss.mean):
        return f"loses {_in_points(loss)}"
    low, high = (None if end is None else -end for end in (loss.high, loss.low))
    return f"gains {_in_points(loss.model_copy(update={'mean': -loss.mean, 'low': low, 'high': high}))}"


def rows(found: Robustness) -> list[dict[str, str]]:
    """One row for each approach: its mean loss and the kind that costs it most."""
    return [
        {
            "approach": each.approach,
            "as they are": percent(each.as_they_are) if each.as_they_are is not None else "",
            "mean loss": _points(each.mean) if each.mean else "failed" if each.failure else "",
            "most lost by": each.worst.kind if each.worst else "",
            "loss": _points(each.worst.loss) if each.worst else "",
            **({} if all(one.is_complete for one in found.approaches) else {"seeds": _seeds(each)}),
        }
        for each in found.approaches
    ]


def _seeds(each: ApproachRobustness) -> str:
    return str(each.mean.n) if each.mean else ""


def printed(summary: Summary, width: int) -> list[str]:
    """The table and what it says, for the terminal; nothing if nothing was changed."""
    found = summary.robustness
    if found is None:
        return []
    return [
        *textwrap.wrap(f"{heading(summary, found)}{with_warnings(summary.warnings)}", width),
        "",
        text_table.aligned(rows(found), left=("approach", "most lost by")),
        "",
        *(line for sentence in sentences(summary) for line in textwrap.wrap(sentence, width)),
        "",
    ]


def table(summary: Summary) -> Table | None:
    """The losses of every approach by kind, for the report."""
    found = summary.robustness
    if found is None:
        return None
    cells = [
        [
            each.approach,
            percent(each.as_they_are) if each.as_they_are is not None else "",
            typeset(_points(each.mean)) if each.mean else "failed" if each.failure else "",
            *(typeset(_points(kind.loss)) for kind in each.kinds),
            *([""] * (len(KINDS) - len(each.kinds))),
        ]
        for each in found.approaches
    ]
    return Table(head=["approach", "as they are", "mean loss", *KINDS], rows=cells, caption=heading(summary, found))

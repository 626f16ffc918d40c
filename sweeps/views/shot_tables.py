"""The shot curve as people read it: its table, its steps, and what is printed of it."""

from __future__ import annotations

import textwrap

from sweeps.analysis.caveats import with_warnings
from sweeps.analysis.shot_curve import CurvePoint, ShotCurve, Step
from sweeps.analysis.shot_verdict import shot_verdict
from sweeps.analysis.summary import Summary
from sweeps.core.formatting import counted, interval_percent, percent, points
from sweeps.views import text_table
from sweeps.views.report_tables import Table, typeset

# Below the scores of each approach.
ADJUSTED_ROW = "  adjusted"


def heading(summary: Summary) -> str:
    """What the table's cells are."""
    return (
        f"Validation {summary.spec.measured} in per cent by images of each class that are learned from, mean and 95 % "
        "interval over the same fresh seeds"
    )


def legend(summary: Summary) -> str:
    """What must be known of the configurations, and of the seeds."""
    own = summary.shot_curve.own if summary.shot_curve else None
    where = f"with {own}" if own is not None else "with the sweep's own numbers of images"
    text = f"Each approach's configuration is the one that the search found {where}; with others another may be better."
    if any(row.decided for row in summary.approaches):
        text += " All numbers of the curve are of the first block of fresh seeds."
    curves = summary.shot_curve.curves if summary.shot_curve else ()
    return f"{text} {text_table.ADJUSTED}." if any(point.adjusted for each in curves for point in each.points) else text


def rows(curve: ShotCurve) -> list[dict[str, str]]:
    """The scores of each approach by shots, and what twice the sweep's own number brings."""
    doubled = {
        each.approach: step
        for each in curve.curves
        for step in each.steps
        if step.fewer == curve.own
        if step.is_doubling
    }
    found = []
    for each in curve.curves:
        cells = {str(shots): _cell(each.at(shots)) for shots in curve.shots}
        step = doubled.get(each.approach)
        gain = {f"from {curve.own} to {2 * (curve.own or 0)}": _gain(step) if step else ""} if doubled else {}
        found.append({"approach": each.approach, **cells, **gain})
        if any(point.adjusted for point in each.points):
            means = {str(shots): _adjusted(each.at(shots)) for shots in curve.shots}
            found.append({"approach": ADJUSTED_ROW, **means, **dict.fromkeys(gain, "")})
    return found


def _cell(point: CurvePoint | None) -> str:
    if point is None or (point.score is None and not point.failure):
        return ""
    if point.score is None:
        return "failed"
    incomplete = "" if point.is_complete else counted(point.score.n, "seed")
    behind = ", ".join(filter(None, (interval_percent(point.score.low, point.score.high), incomplete)))
    return f"{percent(point.score.mean)}{f' ({behind})' if behind else ''}"


def _adjusted(point: CurvePoint | None) -> str:
    return percent(point.adjusted.mean) if point and point.adjusted else ""


def _gain(step: Step) -> str:
    return f"{points(step.mean)} ({points(step.low)} to {points(step.high)})"


def printed(summary: Summary, width: int) -> list[str]:
    """The table and what it says, for the terminal; nothing if there is no curve."""
    curve = summary.shot_curve
    if curve is None:
        return []
    sentences = [*shot_verdict(summary), legend(summary)]
    return [
        *textwrap.wrap(f"{heading(summary)}{with_warnings(summary.warnings)}", width),
        "",
        text_table.aligned(rows(curve)),
        "",
        *(line for sentence in sentences for line in textwrap.wrap(sentence, width)),
        "",
    ]


def table(summary: Summary) -> Table | None:
    """The same table for the report."""
    curve = summary.shot_curve
    if curve is None:
        return None
    found = rows(curve)
    head = list(found[0]) if found else ["approach"]
    cells = [[row["approach"].strip(), *(typeset(row[name]) for name in head[1:])] for row in found]
    return Table(head=head, rows=cells, caption=heading(summary))


def steps(summary: Summary) -> Table | None:
    """What each step to more labels brings each approach, where there are two fresh seeds or more."""
    curve = summary.shot_curve
    if curve is None:
        return None
    pairs = sorted({(step.fewer, step.more) for each in curve.curves for step in each.steps})
    if not pairs:
        return None
    by_pair = {each.approach: {(step.fewer, step.more): _gain(step) for step in each.steps} for each in curve.curves}
    return Table(
        head=["approach", *(f"{fewer} to {more}" for fewer, more in pairs)],
        rows=[[name, *(typeset(own.get(pair, "")) for pair in pairs)] for name, own in by_pair.items()],
        caption="What more images of each class bring, in points on the same fresh seeds, with 95 % intervals",
    )

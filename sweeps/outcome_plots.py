"""The report's figures of what came out: seeds, differences, cost, the study's numbers. From plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.curves import Cost
from sweeps.sheets import BLACK, BLUE, FONT, GREEN, ORANGE, VERMILLION, key, left_of, name_rows, new_sheet, whisker

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def seeds(rows: Sequence[Mapping[str, Any]], baseline: float | None, warnings: Sequence[str]) -> Figure:
    """Every fresh seed as a point, with mean and interval.

    Args:
        rows: An approach each, with `approach`, `values` in per cent, `mean`, `low` and `high`.
        baseline: Mean of the plain baseline, drawn as a line.
        warnings: The sweep's marks.
    """
    sheet = new_sheet("Accuracy of every fresh seed, with mean and 95 % interval", warnings, 0.8 + 0.32 * len(rows))
    axes = sheet.figure.add_subplot()
    shift = np.random.default_rng(0)
    for at, row in enumerate(rows):
        heights_N = at + shift.uniform(-0.26, 0.26, len(row["values"]))
        axes.plot(row["values"], heights_N, ".", color=BLUE, alpha=0.45, markersize=4.5, markeredgewidth=0)
        whisker(axes, row["mean"], row["low"], row["high"], at, BLACK, is_filled=True)
    if baseline is not None:
        axes.axvline(baseline, color=VERMILLION, linestyle="--", linewidth=1, zorder=0.9)
    name_rows(axes, [row["approach"] for row in rows])
    axes.set_xlabel("validation accuracy, %")
    sheet.frame(left_of([row["approach"] for row in rows]), 0.15, 0.66)
    handles = [
        key(marker=".", color=BLUE, linestyle="none"),
        key(marker="D", color=BLACK, linestyle="-", markersize=4),
        key(color=VERMILLION, linestyle="--", linewidth=1),
    ]
    labels = ["one seed", "mean, 95 % interval", "plain baseline's mean"]
    shown = 3 if baseline is not None else 2
    sheet.foot(handles[:shown], labels[:shown], 3)
    return sheet.figure


def differences(
    panels: Mapping[str, Mapping[str, Mapping[str, Any]]], names: Sequence[str], warnings: Sequence[str]
) -> Figure:
    """Paired differences, in points, in one panel a comparison, with the approaches in common rows.

    Args:
        panels: By title, each approach's `mean`, `low`, `high` and `is_shown`.
        names: The rows.
        warnings: The sweep's marks.
    """
    from matplotlib.ticker import MaxNLocator

    sheet = new_sheet("Paired differences on the same fresh seeds, in points", warnings, 0.8 + 0.3 * len(names), 0.24)
    for place, (title, pairs) in enumerate(panels.items()):
        axes = sheet.figure.add_subplot(1, len(panels), place + 1)
        axes.axvline(0, color=BLACK, linewidth=0.9)
        for at, name in enumerate(names):
            if name not in pairs:
                is_left = sum(pair["mean"] for pair in pairs.values()) < 0
                axes.annotate(
                    "itself",
                    (0, at),
                    (-4 if is_left else 4, 0),
                    textcoords="offset points",
                    color="#555555",
                    size=FONT - 1,
                    va="center",
                    ha="right" if is_left else "left",
                    style="italic",
                )
                continue
            pair = pairs[name]
            color = BLUE if pair["is_shown"] else "#666666"
            whisker(axes, pair["mean"], pair["low"], pair["high"], at, color, is_filled=pair["is_shown"])
        name_rows(axes, names)
        if place:
            axes.set_yticklabels([])
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.set_title(title, loc="left")
    sheet.frame(left_of(names), 0.15, 0.5, wspace=0.08)
    handles = [
        key(marker="D", color=BLUE, markersize=4.6),
        key(marker="D", color="#666666", markerfacecolor="white", markersize=4.6),
    ]
    sheet.foot(handles, ["shown to differ (Holm, all pairs)", "not shown to differ; bars are 95 % intervals"], 2)
    return sheet.figure


def costs(found: Mapping[str, Cost], warnings: Sequence[str]) -> Figure:
    """Workers' seconds by approach and stage."""
    sheet = new_sheet("Where the workers' time went", warnings, 0.85 + 0.28 * len(found))
    axes = sheet.figure.add_subplot()
    names = list(found)
    most = max((cost.seconds for cost in found.values()), default=0)
    unit, divisor = ("hours", 3600) if most > 7200 else ("minutes", 60) if most > 120 else ("seconds", 1)
    stages: tuple[tuple[str, str, str, Callable[[Cost], float]], ...] = (
        ("search: complete", BLUE, "", lambda cost: cost.complete_seconds),
        ("search: raced out, failed", ORANGE, "////", lambda cost: cost.other_seconds),
        ("confirmation", GREEN, "....", lambda cost: cost.confirm_seconds),
    )
    begin_N = np.zeros(len(names))
    handles = []
    for label, color, hatch, seconds in stages:
        width_N = np.array([seconds(found[name]) for name in names]) / divisor
        bar = axes.barh(
            range(len(names)),
            width_N,
            left=begin_N,
            color=color,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.3,
            label=label,
        )
        handles.append(bar)
        begin_N += width_N
    for at, total in enumerate(begin_N):
        axes.text(total, at, f" {total:.3g}", va="center", size=FONT - 1)
    name_rows(axes, names)
    axes.set_xlim(0, max(begin_N.max(initial=0) * 1.12, 1e-9))
    axes.set_xlabel(f"{unit} of one worker")
    sheet.frame(left_of(names), 0.15, 0.68)
    sheet.foot(handles, [label for label, *_ in stages], 3)
    return sheet.figure


def against_study(rows: Sequence[Mapping[str, Any]], warnings: Sequence[str]) -> Figure:
    """The study's numbers beside ours, each a mean with one standard deviation.

    Args:
        rows: An approach each, with `approach` and (mean, sd) in per cent or None as `reported`, `so_set`, `confirmed`.
        warnings: The sweep's marks.
    """
    sheet = new_sheet("The study's numbers beside ours", warnings, 0.85 + 0.42 * len(rows))
    axes = sheet.figure.add_subplot()
    looks = (
        ("reported", "s", VERMILLION, "the study's, as reported"),
        ("so_set", "o", "#666666", "ours, at its setting"),
        ("confirmed", "D", BLUE, "ours, confirmed"),
    )
    for at, row in enumerate(rows):
        for place, (what, symbol, color, _) in enumerate(looks):
            if row[what] is None:
                continue
            mean, sd = row[what]
            height = at + 0.24 * (place - 1)
            if sd is not None:
                axes.plot([mean - sd, mean + sd], [height, height], color=color, linewidth=1.2)
            axes.plot([mean], [height], symbol, color=color, markersize=4.4)
    name_rows(axes, [row["approach"] for row in rows])
    for border in range(1, len(rows)):
        axes.axhline(border - 0.5, color="#e3e3e3", linewidth=0.6)
    axes.set_xlabel("accuracy, %; mean and standard deviation over seeds")
    sheet.frame(left_of([row["approach"] for row in rows]), 0.15, 0.68)
    handles = [key(marker=symbol, color=color, linewidth=1.2, markersize=4.4) for _, symbol, color, _ in looks]
    sheet.foot(handles, [label for *_, label in looks], 3)
    return sheet.figure

"""The report's figures of what came out: seeds, differences, cost, the study's numbers. From plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sweeps.analysis.curves import Cost
from sweeps.core.formatting import capital
from sweeps.views.figure_style import (
    BLACK,
    BLUE,
    FONT,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Interval,
    draw_interval,
    legend_key,
    name_rows,
    room_for,
    say_over,
    titled_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#666666"


@dataclass(frozen=True, kw_only=True)
class SeedsRow:
    """An approach's score on each of its fresh seeds, by seed, and their mean."""

    approach: str
    scores_percent: Mapping[int, float]
    confirmed_percent: Interval


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far one approach is from another, in points, and whether that is shown."""

    points: Interval
    is_shown: bool


@dataclass(frozen=True, kw_only=True)
class MeanAndSd:
    """A mean and its standard deviation over seeds; no deviation where a single seed gives none."""

    mean_percent: float
    sd_percent: float | None


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """An approach's published number, our run of its setting, and our best configuration, as far as there are any."""

    approach: str
    published: MeanAndSd
    at_published_setting: MeanAndSd | None
    confirmed: MeanAndSd | None


def seeds(rows: Sequence[SeedsRow], baseline_percent: float | None, warnings: Sequence[str], what: str) -> Figure:
    """Every fresh seed as a point, with mean and interval.

    Args:
        rows: One for each approach.
        baseline_percent: Mean of the plain baseline, drawn as a line.
        warnings: The sweep's.
        what: The metric that ranks.
    """
    titled = titled_figure(
        f"{capital(what)} of every fresh seed, with mean and 95 % interval",
        warnings,
        0.8 + 0.32 * len(rows),
    )
    axes = titled.figure.add_subplot()
    shift = np.random.default_rng(0)
    for at, row in enumerate(rows):
        heights_N = at + shift.uniform(-0.26, 0.26, len(row.scores_percent))
        scores_N = list(row.scores_percent.values())
        (points,) = axes.plot(scores_N, heights_N, ".", color=BLUE, alpha=0.45, markersize=4.5, markeredgewidth=0)
        say_over(points, [f"{row.approach}, seed {seed}: {score:.1f} %" for seed, score in row.scores_percent.items()])
        draw_interval(axes, row.confirmed_percent, at, BLACK, is_filled=True)
    if baseline_percent is not None:
        axes.axvline(baseline_percent, color=VERMILLION, linestyle="--", linewidth=1, zorder=0.9)
    names = [row.approach for row in rows]
    name_rows(axes, names)
    axes.set_xlabel(f"validation {what}, %")
    titled.place_axes(room_for(names), 0.15, 0.66)
    handles = [
        legend_key(marker=".", color=BLUE, linestyle="none"),
        legend_key(marker="D", color=BLACK, linestyle="-", markersize=4),
        legend_key(color=VERMILLION, linestyle="--", linewidth=1),
    ]
    labels = ["one seed", "mean, 95 % interval", "plain baseline's mean"]
    shown = 3 if baseline_percent is not None else 2
    titled.legend(handles[:shown], labels[:shown], 3)
    return titled.figure


def differences(
    panels: Mapping[str, Mapping[str, Difference]], names: Sequence[str], warnings: Sequence[str]
) -> Figure:
    """Paired differences, in one panel for each approach that is compared with; the approaches are in common rows.

    Args:
        panels: By title, the difference of each approach.
        names: The rows.
        warnings: The sweep's.
    """
    from matplotlib.ticker import MaxNLocator

    titled = titled_figure(
        "Paired differences on the same fresh seeds, in points", warnings, 0.8 + 0.3 * len(names), 0.24
    )
    for place, (title, pairs) in enumerate(panels.items()):
        axes = titled.figure.add_subplot(1, len(panels), place + 1)
        axes.axvline(0, color=BLACK, linewidth=0.9)
        for at, name in enumerate(names):
            if name in pairs:
                pair = pairs[name]
                draw_interval(axes, pair.points, at, BLUE if pair.is_shown else GREY, is_filled=pair.is_shown)
            else:
                _write_itself(axes, at, is_left=sum(pair.points.mean for pair in pairs.values()) < 0)
        name_rows(axes, names)
        if place:
            axes.set_yticklabels([])
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.set_title(title, loc="left")
    titled.place_axes(room_for(names), 0.15, 0.5, wspace=0.08)
    handles = [
        legend_key(marker="D", color=BLUE, markersize=4.6),
        legend_key(marker="D", color=GREY, markerfacecolor="white", markersize=4.6),
    ]
    titled.legend(handles, ["shown to differ (Holm, all pairs)", "not shown to differ; bars are 95 % intervals"], 2)
    return titled.figure


def _write_itself(axes: Axes, at: float, *, is_left: bool) -> None:
    """Say in its own row that an approach has no difference from itself, beside the line at 0."""
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


def costs(costs: Mapping[str, Cost], warnings: Sequence[str]) -> Figure:
    """Workers' seconds by approach and stage."""
    titled = titled_figure("Where the workers' time went", warnings, 0.85 + 0.28 * len(costs))
    axes = titled.figure.add_subplot()
    names = list(costs)
    most = max((cost.seconds for cost in costs.values()), default=0)
    unit, divisor = ("hours", 3600) if most > 7200 else ("minutes", 60) if most > 120 else ("seconds", 1)
    stages: tuple[tuple[str, str, str, Callable[[Cost], float]], ...] = (
        ("search: complete", BLUE, "", lambda cost: cost.complete_seconds),
        ("search: raced out, failed", ORANGE, "////", lambda cost: cost.other_seconds),
        ("intensification", VERMILLION, "----", lambda cost: cost.intensify_seconds),
        ("confirmation", GREEN, "....", lambda cost: cost.confirm_seconds),
        ("shot curve", PURPLE, r"\\\\", lambda cost: cost.curve_seconds),
        ("changed", SKY, "xxxx", lambda cost: cost.changed_seconds),
    )
    every = ("search: complete", "search: raced out, failed", "confirmation")
    stages = tuple(stage for stage in stages if stage[0] in every or any(stage[3](cost) for cost in costs.values()))
    begin_N = np.zeros(len(names))
    handles = []
    for _, color, hatch, seconds in stages:
        width_N = np.array([seconds(costs[name]) for name in names]) / divisor
        bar = axes.barh(
            range(len(names)), width_N, left=begin_N, color=color, hatch=hatch, edgecolor="white", linewidth=0.3
        )
        handles.append(bar.patches[0])
        begin_N += width_N
    for at, total in enumerate(begin_N):
        axes.text(total, at, f" {total:.3g}", va="center", size=FONT - 1)
    name_rows(axes, names)
    axes.set_xlim(0, max(begin_N.max(initial=0) * 1.12, 1e-9))
    axes.set_xlabel(f"{unit} of one worker")
    columns = len(stages) if len(stages) < 5 else 3
    titled.place_axes(room_for(names), 0.15, 0.68 if columns == len(stages) else 0.84)
    titled.legend(handles, [label for label, *_ in stages], columns)
    return titled.figure


def against_study(rows: Sequence[StudyRow], warnings: Sequence[str]) -> Figure:
    """The study's numbers beside ours, each a mean with one standard deviation."""
    titled = titled_figure("The study's numbers beside ours", warnings, 0.85 + 0.42 * len(rows))
    axes = titled.figure.add_subplot()
    looks: tuple[tuple[str, str, str, Callable[[StudyRow], MeanAndSd | None]], ...] = (
        ("published", "s", VERMILLION, lambda row: row.published),
        ("our run of it", "o", GREY, lambda row: row.at_published_setting),
        ("ours, confirmed", "D", BLUE, lambda row: row.confirmed),
    )
    for at, row in enumerate(rows):
        for place, (_, symbol, color, pick) in enumerate(looks):
            value = pick(row)
            if value is None:
                continue
            height = at + 0.24 * (place - 1)
            if value.sd_percent is not None:
                ends = [value.mean_percent - value.sd_percent, value.mean_percent + value.sd_percent]
                axes.plot(ends, [height, height], color=color, linewidth=1.2)
            axes.plot([value.mean_percent], [height], symbol, color=color, markersize=4.4)
    names = [row.approach for row in rows]
    name_rows(axes, names)
    for border in range(1, len(rows)):
        axes.axhline(border - 0.5, color="#e3e3e3", linewidth=0.6)
    axes.set_xlabel("accuracy, %; mean and standard deviation over seeds")
    titled.place_axes(room_for(names), 0.15, 0.68)
    handles = [legend_key(marker=symbol, color=color, linewidth=1.2, markersize=4.4) for _, symbol, color, _ in looks]
    titled.legend(handles, [label for label, *_ in looks], 3)
    return titled.figure

"""The report's figures of the search: history, cost, importance, configurations. From plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sweeps.analysis.curves import Point
from sweeps.analysis.importance import Importance
from sweeps.views.figure_style import (
    A_LINE,
    BLACK,
    BLUE,
    FONT,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    TitledFigure,
    legend_key,
    name_rows,
    room_for,
    say_over,
    titled_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

SERIES = (BLUE, VERMILLION, GREEN, PURPLE, BLACK, ORANGE, SKY)
# What chose it, all search seeds, may have chosen another than the search's first seeds alone.
CONFIRMED_MEAN = "mean of the confirmed one on fresh seeds"
LINES = ("-", "--", "-.", (0, (1, 1)))
SYMBOLS = "os^vDPX<>ph*"

# How a configuration is drawn, by its state: symbol, colour, and what the legend calls it.
STATE_LOOKS = {
    "COMPLETE": ("o", BLUE, "complete"),
    "PRUNED": ("x", "#777777", "raced out (fewer seeds)"),
    "FAIL": ("v", VERMILLION, "failed"),
    "RUNNING": ("s", ORANGE, "unfinished"),
}


def histories(
    points: Mapping[str, Sequence[Point]], confirmed_percent: Mapping[str, float], warnings: Sequence[str], title: str
) -> Figure:
    """Configurations' means in order, in one panel for each approach.

    Args:
        points: Of each approach, in order.
        confirmed_percent: Mean on fresh seeds, of those that are confirmed.
        warnings: The sweep's.
        title: Of the figure.
    """
    from matplotlib.ticker import MaxNLocator

    columns = min(3, len(points))
    lines = -(-len(points) // columns)
    titled = titled_figure(title, warnings, 0.95 + 1.32 * lines, 0.2)
    means_percent = [100 * point.mean for own in points.values() for point in own if point.mean is not None]
    reached = [*means_percent, *(confirmed_percent[name] for name in points if name in confirmed_percent)]
    low, high = (min(reached), max(reached)) if reached else (0, 100)
    room = max(high - low, 1) * 0.06
    last = max((point.number for own in points.values() for point in own), default=1)
    for at, (name, own) in enumerate(points.items()):
        axes = titled.figure.add_subplot(lines, columns, at + 1)
        _draw_history(axes, own, confirmed_percent.get(name), bottom=low)
        axes.set_title(name, loc="left", pad=3)
        axes.set_xlim(-0.04 * last - 0.5, last * 1.04 + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(low - room, high + room)
        if at % columns:
            axes.tick_params(labelleft=False)
        if at < len(points) - columns:
            axes.tick_params(labelbottom=False)
    middle = (0.5 + WIDTH - 0.12) / 2 / WIDTH
    titled.figure.text(middle, 0.56 / titled.height, "number of the configuration", ha="center", va="bottom")
    titled.place_axes(0.42, 0.12, 0.92, wspace=0.08, hspace=0.28)
    _explain_history(titled, {point.state for own in points.values() for point in own})
    return titled.figure


def _draw_history(axes: Axes, points: Sequence[Point], confirmed_percent: float | None, *, bottom: float) -> None:
    for state, (symbol, color, word) in STATE_LOOKS.items():
        # Without a single seed there is no mean; it lies at the bottom.
        own = [point for point in points if point.state == state]
        if own:
            heights = [bottom if p.mean is None else 100 * p.mean for p in own]
            (drawn,) = axes.plot(
                [p.number for p in own], heights, symbol, color=color, markersize=2.8, markeredgewidth=0.9
            )
            say_over(
                drawn,
                [
                    f"configuration {p.number}, {word}" + (f": {100 * p.mean:.1f} %" if p.mean is not None else "")
                    for p in own
                ],
            )
    incumbent = [(p.number, 100 * p.incumbent) for p in points if p.incumbent is not None]
    if incumbent:
        axes.step(*zip(*incumbent, strict=True), where="post", color=BLACK, linewidth=1.2)
    if confirmed_percent is not None:
        axes.axhline(confirmed_percent, color=GREEN, linestyle="--", linewidth=1.2)


def _explain_history(titled: TitledFigure, states: Iterable[str]) -> None:
    used = [look for state, look in STATE_LOOKS.items() if state in states]
    handles = [
        *(legend_key(marker=symbol, color=color, linestyle="none", markersize=4) for symbol, color, _ in used),
        legend_key(color=BLACK, linewidth=1.2),
        legend_key(color=GREEN, linestyle="--", linewidth=1.2),
    ]
    labels = [*(label for *_, label in used), "best so far by the search's first seeds", CONFIRMED_MEAN]
    titled.legend(handles, labels, 2)


@dataclass(frozen=True, kw_only=True)
class CurveEnd:
    """Where the curve of an approach ends: its place on the horizontal axis, and its last score."""

    approach: str
    across: float
    score_percent: float
    color: str


def cost_curves(
    points: Mapping[str, Sequence[Point]], confirmed_percent: Mapping[str, float], warnings: Sequence[str], what: str
) -> Figure:
    """The incumbent's mean against worker seconds spent, with the confirmed mean at the end.

    Args:
        points: Of each approach, in the order in which its seconds were spent, with at least one incumbent.
        confirmed_percent: Mean on fresh seeds, of those that are confirmed.
        warnings: The sweep's.
        what: The metric that ranks.
    """
    titled = titled_figure("Best so far against what had been spent", warnings, max(3.6, 0.9 + 0.24 * len(points)))
    from matplotlib.ticker import LogLocator

    axes = titled.figure.add_subplot()
    axes.set_xscale("log")
    ends = [
        _draw_cost_curve(axes, at, name, own, confirmed_percent.get(name))
        for at, (name, own) in enumerate(points.items())
    ]
    # What the searches end with, large; where they begin far below, their lines come in from there.
    last = [*(end.score_percent for end in ends), *(100 * (own[-1].incumbent or 0) for own in points.values())]
    room = max(max(last) - min(last), 2.0)
    axes.set_ylim(min(last) - 0.6 * room, max(last) + 0.1 * room)
    # Also an axis of less than a decade has numbers.
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    # An axis of about one decade would label its minor ticks too, one over the other.
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.set_xlabel("seconds of one worker (logarithmic)")
    axes.set_ylabel(f"{what}, %")
    titled.place_axes(0.5, room_for(list(points)) + 0.1, 0.66)
    titled.legend(
        [legend_key(color=BLACK, linewidth=1.3), legend_key(color=BLACK, marker="o", linestyle=":", markersize=5)],
        ["best so far by the search's first seeds", CONFIRMED_MEAN],
        2,
    )
    label_ends(axes, ends, titled)
    return titled.figure


def _draw_cost_curve(
    axes: Axes, at: int, name: str, points: Sequence[Point], confirmed_percent: float | None
) -> CurveEnd:
    color, line = SERIES[at % len(SERIES)], LINES[(at // len(SERIES)) % len(LINES)]
    known = [(point.seconds, 100 * point.incumbent) for point in points if point.incumbent is not None]
    seconds_N, incumbent_N = map(list, zip(*known, strict=True))
    end, last = points[-1].seconds, incumbent_N[-1]
    axes.step([*seconds_N, end], [*incumbent_N, last], where="post", color=color, ls=line, linewidth=1.3)
    if confirmed_percent is None:
        return CurveEnd(approach=name, across=end, score_percent=last, color=color)
    axes.plot([end, end], [last, confirmed_percent], color=color, linewidth=0.8, linestyle=":")
    symbol = SYMBOLS[at % len(SYMBOLS)]
    axes.plot(
        [end], [confirmed_percent], symbol, color=color, markersize=6, markeredgecolor="white", markeredgewidth=0.5
    )
    return CurveEnd(approach=name, across=end, score_percent=confirmed_percent, color=color)


def label_ends(axes: Axes, ends: Sequence[CurveEnd], titled: TitledFigure) -> None:
    """Names to the right of the axes, at the heights of their ends as far as they do not overlap."""
    low, high = axes.get_ylim()
    inches = titled.height - titled.top - 0.66
    heights = spread([(end.score_percent - low) / (high - low) * inches for end in ends], 1.15 * A_LINE, inches)
    for end, height in zip(ends, heights, strict=True):
        axes.annotate(
            end.approach,
            xy=(end.across, end.score_percent),
            xytext=(1.03, height / inches),
            textcoords=axes.transAxes,
            va="center",
            color=end.color,
            size=FONT - 0.5,
            arrowprops={
                "arrowstyle": "-",
                "color": end.color,
                "linewidth": 0.6,
                "alpha": 0.6,
                "shrinkA": 1,
                "shrinkB": 4,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
        )


def spread(places: Sequence[float], least: float, end: float) -> list[float]:
    """Places moved apart to at least this distance, in the same order, within 0 and `end` if they fit."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(places, kind="stable")
    steps_N = least * np.arange(len(places))
    # What is too near moves apart to both sides: the least squares under the distance.
    moved_N = isotonic_regression(np.asarray(places, dtype=float)[order] - steps_N).x
    moved_N = np.clip(moved_N, 0, max(end - (steps_N[-1] if len(steps_N) else 0), 0)) + steps_N
    return [float(moved_N[at]) for at in np.argsort(order)]


def importances(
    importances: Mapping[str, Sequence[Importance]], most: int, part: str, warnings: Sequence[str]
) -> Figure:
    """Each approach's most important parameters with their instability, in one panel for each approach.

    Args:
        importances: Of each approach, most important first.
        most: Parameters to draw of each.
        part: Which of several figures this is; empty for the only one.
        warnings: The sweep's.
    """
    columns = min(2, len(importances))
    names = list(importances)
    lines = [names[at : at + columns] for at in range(0, len(names), columns)]
    bars = [max(min(len(importances[name]), most) for name in line) for line in lines]
    titled = titled_figure(
        f"Importance of hyperparameters (PED-ANOVA){part}", warnings, 0.75 + sum(0.16 * n + 0.42 for n in bars), 0.2
    )
    grid = titled.figure.add_gridspec(len(lines), columns, height_ratios=[0.16 * count + 0.02 for count in bars])
    longest = max(len(each.param) for own in importances.values() for each in own[:most])
    room = 0.2 + 0.064 * longest
    width = (WIDTH - 0.12 - columns * room) / columns
    for down, line in enumerate(lines):
        for along, name in enumerate(line):
            panel = titled.figure.add_subplot(grid[down, along])
            _draw_importances(panel, name, importances[name][:most], bars[down])
    titled.place_axes(room, 0.12, 0.68, wspace=room / width, hspace=0.42 * len(lines) / max(0.16 * sum(bars), 0.1))
    middle = (room + WIDTH - 0.12) / 2 / WIDTH
    titled.figure.text(middle, 0.3 / titled.height, "share of all parameters' importance", ha="center", va="bottom")
    handles = [
        legend_key(color=SKY, linewidth=6),
        legend_key(color=BLACK, linewidth=1.2),
        legend_key(color=VERMILLION, marker="|", linestyle="none", markersize=8, markeredgewidth=1.8),
    ]
    titled.legend(handles, ["share", "range of resamples", "most without effect"], 3)
    return titled.figure


def _draw_importances(axes: Axes, name: str, own: Sequence[Importance], rows: int) -> None:
    heights = range(len(own))
    axes.barh(heights, [each.share for each in own], color=SKY, height=0.7)
    for at, each in enumerate(own):
        axes.plot([each.low, each.high], [at, at], "-", color=BLACK, linewidth=1.2)
        # Beyond 1 where nothing matters, it is at the end.
        chance = min(each.chance, 1.0)
        axes.plot([chance], [at], "|", color=VERMILLION, markersize=7, markeredgewidth=1.8, clip_on=False)
    name_rows(axes, [each.param for each in own])
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    axes.set_title(name, loc="left", pad=3, weight="bold")


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One parameter of the parallel coordinates.

    Attributes:
        name: The parameter's.
        places: Where each configuration lies on it, from 0 to 1; None where the configuration has no such parameter.
        ticks: Labels, by place.
    """

    name: str
    places: Sequence[float | None]
    ticks: Mapping[float, str]


def parallel(
    title: str,
    axes_of: Sequence[Axis],
    by_number: Mapping[int, float],
    warnings: Sequence[str],
    what: str,
    most: int,
    best: int | None,
) -> Figure:
    """Parallel coordinates, lying: each parameter is a row, each configuration a line, darker if better.

    Args:
        title: Of the figure.
        axes_of: The parameters.
        by_number: What each configuration scored, in per cent, by its number.
        warnings: The sweep's.
        what: The metric that ranks.
        most: How many are drawn, the best ones.
        best: The number of the one that is drawn thick, in any case.
    """
    import matplotlib
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    numbers, scores_percent = list(by_number), list(by_number.values())
    titled = titled_figure(title, warnings, 0.95 + 0.36 * len(axes_of), 0.1)
    axes = titled.figure.add_subplot()
    drawn = np.lexsort((np.array(scores_percent), np.array(numbers) == best))[-most:]
    least = min(scores_percent[at] for at in drawn)
    norm = Normalize(least, max(max(scores_percent), least + 0.1))
    colors = ScalarMappable(norm=norm, cmap=matplotlib.colormaps["cividis_r"])
    down = range(len(axes_of))
    for at in drawn:
        # A parameter that this configuration does not have interrupts its line.
        across = [np.nan if (place := axis.places[at]) is None else place for axis in axes_of]
        if numbers[at] == best:
            (line,) = axes.plot(across, down, "-D", color=VERMILLION, linewidth=2.4, markersize=4.5, zorder=5)
        else:
            (line,) = axes.plot(
                across,
                down,
                "-o",
                color=colors.to_rgba(scores_percent[at]),
                linewidth=1,
                markersize=2.6,
                alpha=0.85,
            )
        say_over(line, [f"configuration {numbers[at]}: {scores_percent[at]:.1f} %"])
    for at, axis in enumerate(axes_of):
        _draw_axis(axes, at, axis)
    names = [axis.name for axis in axes_of]
    name_rows(axes, names)
    axes.set_ylim(len(axes_of) - 0.4, -0.3)
    axes.set_xlim(-0.03, 1.03)
    axes.grid(visible=False)
    axes.set_xticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    titled.place_axes(room_for(names), 0.15, 0.78)
    _explain_colors(titled, colors, room_for(names), what)
    return titled.figure


def _draw_axis(axes: Axes, at: int, axis: Axis) -> None:
    """A parameter's range with its labels, as a row."""
    axes.plot([0, 1], [at, at], color=BLACK, linewidth=0.6, zorder=0.5)
    for place, text in axis.ticks.items():
        axes.plot([place, place], [at - 0.09, at + 0.09], color=BLACK, linewidth=0.8)
        axes.text(
            place,
            at + 0.36,
            text,
            ha={0.0: "left", 1.0: "right"}.get(place, "center"),
            va="center",
            size=FONT - 1.5,
            color="#333333",
            zorder=6,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.4},
        )


def _explain_colors(titled: TitledFigure, colors: ScalarMappable, left: float, what: str) -> None:
    """The scale of colours, and the look of the best, below everything."""
    scale = titled.figure.add_axes((left / WIDTH, 0.44 / titled.height, 0.45, 0.1 / titled.height))
    bar = titled.figure.colorbar(colors, cax=scale, orientation="horizontal")
    bar.set_label(f"{what} on the search's first seeds, %", labelpad=1)
    bar.outline.set_linewidth(0.5)
    titled.figure.legend(
        [legend_key(color=VERMILLION, marker="D", linewidth=2.4, markersize=4.5)],
        ["the chosen one"],
        loc="lower right",
        bbox_to_anchor=(1.0, 0.3 / titled.height),
    )

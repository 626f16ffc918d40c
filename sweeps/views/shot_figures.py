"""The report's figure of the shot curve. From plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sweeps.core.formatting import capital
from sweeps.views.figure_style import BLACK, Interval, legend_key, room_for, titled_figure
from sweeps.views.search_figures import LINES, SERIES, SYMBOLS, CurveEnd, label_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of the place on the logarithmic axis, so that intervals of approaches that are alike do not cover each other.
APART = 0.03


def shot_curves(
    curves: Mapping[str, Mapping[int, Interval]], own: int | None, warnings: Sequence[str], what: str
) -> Figure:
    """Mean and interval against images of each class, on a logarithmic axis, one line for each approach.

    Args:
        curves: Of each approach, in per cent, by shots.
        own: The number of shots of the search, drawn as a line.
        warnings: The sweep's.
        what: The metric that ranks.
    """
    titled = titled_figure(
        f"{capital(what)} by images of each class to learn from", warnings, max(3.6, 0.9 + 0.24 * len(curves))
    )
    axes = titled.figure.add_subplot()
    axes.set_xscale("log")
    if own is not None:
        axes.axvline(own, color=BLACK, linestyle=":", linewidth=0.9, zorder=0.9)
    ends = [_draw_curve(axes, at, len(curves), name, points) for at, (name, points) in enumerate(curves.items())]
    numbers = sorted({shots for points in curves.values() for shots in points})
    axes.set_xticks(numbers, [str(shots) for shots in numbers])
    axes.minorticks_off()
    axes.set_xlabel("images of each class that are learned from (logarithmic)")
    axes.set_ylabel(f"validation {what}, %")
    titled.place_axes(0.5, room_for(list(curves)) + 0.1, 0.66)
    handles = [legend_key(color=BLACK, marker="o", linewidth=1.3, markersize=4)]
    labels = ["mean over fresh seeds, 95 % interval"]
    if own is not None:
        handles.append(legend_key(color=BLACK, linestyle=":", linewidth=0.9))
        labels.append(f"{own}: where configurations were searched")
    titled.legend(handles, labels, 2)
    label_ends(axes, ends, titled)
    return titled.figure


def _draw_curve(axes: Axes, at: int, count: int, name: str, points: Mapping[int, Interval]) -> CurveEnd:
    color, line = SERIES[at % len(SERIES)], LINES[(at // len(SERIES)) % len(LINES)]
    shift = 1 + APART * (at - (count - 1) / 2) / max(count - 1, 1)
    places = [shots * shift for shots in points]
    means = [value.mean for value in points.values()]
    for place, value in zip(places, points.values(), strict=True):
        if value.low is not None and value.high is not None:
            axes.plot([place, place], [value.low, value.high], color=color, linewidth=1, alpha=0.7)
    axes.plot(places, means, marker=SYMBOLS[at % len(SYMBOLS)], color=color, ls=line, linewidth=1.3, markersize=4)
    return CurveEnd(approach=name, across=places[-1], score_percent=means[-1], color=color)

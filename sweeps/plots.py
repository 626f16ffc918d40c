"""The report's figures, from plain data. Matplotlib is imported when the first is drawn, so that commands start fast.

Figures are narrow, so that their words stay readable on a phone. Colours are those of Okabe and Ito (2008) and cividis,
which colour-blind readers can tell apart, and no colour says anything alone.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.curves import Cost, Point
from sweeps.importance import Importance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLACK, BLUE, VERMILLION, GREEN = "#1a1a1a", "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE, GREY = "#E69F00", "#56B4E9", "#CC79A7", "#8a8a8a"
SERIES = (BLUE, VERMILLION, GREEN, PURPLE, BLACK, ORANGE, SKY)
LINES = ("-", "--", "-.", (0, (1, 1)))
SYMBOLS = "os^vDPX<>ph*"
# Inches and points.
WIDTH, FONT = 5.3, 8.5
A_LETTER, A_LINE = 0.068, 0.15
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": FONT,
    "axes.titlesize": FONT,
    "axes.labelsize": FONT,
    "xtick.labelsize": FONT - 0.5,
    "ytick.labelsize": FONT - 0.5,
    "legend.fontsize": FONT - 0.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    # Names with a dollar sign are no formulas.
    "text.parse_math": False,
    # Words stay words: smaller files, which can be searched and read aloud.
    "svg.fonttype": "none",
    "svg.hashsalt": "seedsweep",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
PNG_DPI = 150


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure with its name (of its file, and of its place on the page) and what it shows in words."""

    name: str
    alt: str
    svg: str
    png: bytes


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures, for as long as they are drawn."""
    # It speaks of its font cache on the first use of a machine.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def rendered(name: str, alt: str, figure: Figure) -> Plot:
    """A figure as SVG for the page and as PNG for a file; the same figure gives the same bytes."""
    text, image = io.StringIO(), io.BytesIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    figure.savefig(image, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return Plot(name=name, alt=alt, svg=_inline(text.getvalue(), name), png=image.getvalue())


def _inline(svg: str, name: str) -> str:
    """An SVG that can stand in a page beside others: without head and metadata, with ids that are its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    # The page says how large it is.
    return re.sub(r'\s(width|height)="[^"]*pt"', "", svg, count=2)


def write(plots: Sequence[Plot], folder: Path) -> list[Path]:
    """Write the PNG files, and remove those of an earlier report."""
    folder.mkdir(exist_ok=True)
    wanted = {folder / f"{plot.name}.png": plot.png for plot in plots}
    for old in folder.glob("*.png"):
        if old not in wanted:
            old.unlink()
    for path, content in wanted.items():
        path.write_bytes(content)
    return list(wanted)


@dataclass(kw_only=True)
class _Sheet:
    """A figure under a title and the sweep's marks, measured in inches."""

    figure: Figure
    height: float
    top: float

    def frame(self, left: float, right: float, bottom: float, **gaps: float) -> None:
        """Put the axes between these margins."""
        self.figure.subplots_adjust(
            left=left / WIDTH,
            right=1 - right / WIDTH,
            bottom=bottom / self.height,
            top=1 - self.top / self.height,
            **gaps,
        )

    def foot(self, handles: Sequence[Any], labels: Sequence[str], columns: int) -> None:
        """A legend below everything, where it covers nothing."""
        self.figure.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0.0, 0.0),
            ncol=columns,
            columnspacing=1.2,
            handletextpad=0.5,
            borderaxespad=0.3,
        )


def _sheet(title: str, warnings: Sequence[str], body: float, extra_top: float = 0.0) -> _Sheet:
    """An empty figure whose axes and what is below them need `body` inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    top = 0.34 + (0.2 if warnings else 0) + extra_top
    height = body + top
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    figure.text(0.01, 1 - 0.06 / height, title, weight="bold", size=FONT + 1, va="top")
    if warnings:
        text = " · ".join(warnings)
        figure.text(0.01, 1 - 0.26 / height, text, weight="bold", size=FONT, va="top", color="#a03000")
    return _Sheet(figure=figure, height=height, top=top)


def _left_of(names: Sequence[str]) -> float:
    """Room for names beside an axis."""
    return 0.2 + A_LETTER * max(map(len, names))


def _rows(axes: Axes, names: Sequence[str]) -> None:
    """A row for each name, the first on top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def seeds(rows: Sequence[Mapping[str, Any]], baseline: float | None, warnings: Sequence[str]) -> Figure:
    """Every fresh seed as a point, with mean and interval.

    Args:
        rows: An approach each, with `approach`, `values` in per cent, `mean`, `low` and `high`.
        baseline: Mean of the plain baseline, drawn as a line.
        warnings: The sweep's marks.
    """
    sheet = _sheet("Accuracy of every fresh seed, with mean and 95 % interval", warnings, 0.8 + 0.32 * len(rows))
    axes = sheet.figure.add_subplot()
    shift = np.random.default_rng(0)
    for at, row in enumerate(rows):
        heights_N = at + shift.uniform(-0.26, 0.26, len(row["values"]))
        axes.plot(row["values"], heights_N, ".", color=BLUE, alpha=0.45, markersize=4.5, markeredgewidth=0)
        _whisker(axes, row["mean"], row["low"], row["high"], at, BLACK, is_filled=True)
    if baseline is not None:
        axes.axvline(baseline, color=VERMILLION, linestyle="--", linewidth=1, zorder=0.9)
    _rows(axes, [row["approach"] for row in rows])
    axes.set_xlabel("validation accuracy, %")
    sheet.frame(_left_of([row["approach"] for row in rows]), 0.15, 0.66)
    handles = [
        _key(marker=".", color=BLUE, linestyle="none"),
        _key(marker="D", color=BLACK, linestyle="-", markersize=4),
        _key(color=VERMILLION, linestyle="--", linewidth=1),
    ]
    labels = ["one seed", "mean, 95 % interval", "plain baseline's mean"]
    shown = 3 if baseline is not None else 2
    sheet.foot(handles[:shown], labels[:shown], 3)
    return sheet.figure


def _key(**look: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)


def _whisker(
    axes: Axes, mean: float, low: float | None, high: float | None, at: float, color: str, *, is_filled: bool
) -> None:
    """A mean with its interval, lying in a row."""
    if low is not None and high is not None:
        axes.plot([low, high], [at, at], "-", color=color, linewidth=1.6, zorder=3, solid_capstyle="butt")
    face = color if is_filled else "white"
    axes.plot([mean], [at], "D", color=color, markerfacecolor=face, markersize=4.6, markeredgewidth=1.1, zorder=4)


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

    sheet = _sheet("Paired differences on the same fresh seeds, in points", warnings, 0.8 + 0.3 * len(names), 0.24)
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
            _whisker(axes, pair["mean"], pair["low"], pair["high"], at, color, is_filled=pair["is_shown"])
        _rows(axes, names)
        if place:
            axes.set_yticklabels([])
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.set_title(title, loc="left")
    sheet.frame(_left_of(names), 0.15, 0.5, wspace=0.08)
    handles = [
        _key(marker="D", color=BLUE, markersize=4.6),
        _key(marker="D", color="#666666", markerfacecolor="white", markersize=4.6),
    ]
    sheet.foot(handles, ["shown to differ (Holm, all pairs)", "not shown to differ; bars are 95 % intervals"], 2)
    return sheet.figure


STATE_LOOKS = {
    "COMPLETE": ("o", BLUE, "complete"),
    "PRUNED": ("x", "#777777", "raced out (fewer seeds)"),
    "FAIL": ("v", VERMILLION, "failed"),
    "RUNNING": ("s", ORANGE, "unfinished"),
}


def histories(points: Mapping[str, Sequence[Point]], confirmed: Mapping[str, float], warnings: Sequence[str]) -> Figure:
    """Every configuration's mean in order, a panel an approach.

    Args:
        points: Of each approach, in order.
        confirmed: Of those that are confirmed, the mean in per cent.
        warnings: The sweep's marks.
    """
    columns = min(3, len(points))
    lines = -(-len(points) // columns)
    sheet = _sheet("Search history: mean accuracy of each configuration, %", warnings, 0.95 + 1.32 * lines, 0.2)
    means = [100 * point.mean for own in points.values() for point in own if point.mean is not None]
    low, high = (min(means), max([*means, *confirmed.values()])) if means else (0, 100)
    room = max(high - low, 1) * 0.06
    last = max((point.number for own in points.values() for point in own), default=1)
    for at, (name, own) in enumerate(points.items()):
        axes = sheet.figure.add_subplot(lines, columns, at + 1)
        for state, (symbol, color, _) in STATE_LOOKS.items():
            # Without a single seed there is no mean; it lies at the bottom.
            shown = [(p.number, low if p.mean is None else 100 * p.mean) for p in own if p.state == state]
            if shown:
                axes.plot(*zip(*shown, strict=True), symbol, color=color, markersize=2.8, markeredgewidth=0.9)
        incumbent = [(p.number, 100 * p.incumbent) for p in own if p.incumbent is not None]
        if incumbent:
            axes.step(*zip(*incumbent, strict=True), where="post", color=BLACK, linewidth=1.2)
        if name in confirmed:
            axes.axhline(confirmed[name], color=GREEN, linestyle="--", linewidth=1.2)
        axes.set_title(name, loc="left", pad=3)
        axes.set_xlim(-0.04 * last - 0.5, last * 1.04 + 0.5)
        axes.set_ylim(low - room, high + room)
        if at % columns:
            axes.tick_params(labelleft=False)
        if at < len(points) - columns:
            axes.tick_params(labelbottom=False)
    middle = (0.5 + WIDTH - 0.12) / 2 / WIDTH
    sheet.figure.text(middle, 0.56 / sheet.height, "number of the configuration", ha="center", va="bottom")
    sheet.frame(0.42, 0.12, 0.92, wspace=0.08, hspace=0.28)
    used = [s for s in STATE_LOOKS if any(p.state == s for own in points.values() for p in own)]
    handles = [
        *(_key(marker=STATE_LOOKS[s][0], color=STATE_LOOKS[s][1], linestyle="none", markersize=4) for s in used),
        _key(color=BLACK, linewidth=1.2),
        _key(color=GREEN, linestyle="--", linewidth=1.2),
    ]
    sheet.foot(handles, [*(STATE_LOOKS[s][2] for s in used), "best so far (incumbent)", "its confirmed mean"], 3)
    return sheet.figure


def cost_curves(
    points: Mapping[str, Sequence[Point]], confirmed: Mapping[str, float], warnings: Sequence[str]
) -> Figure:
    """The incumbent's mean against CPU seconds spent, with the confirmed mean at the end.

    Args:
        points: Of each approach, in the order in which its seconds were spent.
        confirmed: Of those that are confirmed, the mean in per cent.
        warnings: The sweep's marks.
    """
    sheet = _sheet("Best so far against what had been spent", warnings, max(3.6, 0.9 + 0.24 * len(points)))
    axes = sheet.figure.add_subplot()
    axes.set_xscale("log")
    labels: list[tuple[str, float, float, str]] = []
    for at, (name, own) in enumerate(points.items()):
        known = [(point.seconds, 100 * point.incumbent) for point in own if point.incumbent is not None]
        if not known:
            continue
        color, line, symbol = SERIES[at % len(SERIES)], LINES[(at // len(SERIES)) % len(LINES)], _symbol(at)
        end = own[-1].seconds
        seconds_N, incumbent_N = map(list, zip(*known, strict=True))
        axes.step([*seconds_N, end], [*incumbent_N, incumbent_N[-1]], where="post", color=color, ls=line, linewidth=1.3)
        last = incumbent_N[-1]
        if name in confirmed:
            axes.plot([end, end], [last, confirmed[name]], color=color, linewidth=0.8, linestyle=":")
            last = confirmed[name]
            axes.plot([end], [last], symbol, color=color, markersize=6, markeredgecolor="white", markeredgewidth=0.5)
        labels.append((name, end, last, color))
    if labels:
        # What the searches end with, large; where they begin far below, their lines come in from there.
        ends = [*(value for _, _, value, _ in labels), *(100 * (own[-1].incumbent or 0) for own in points.values())]
        room = max(max(ends) - min(ends), 2.0)
        axes.set_ylim(min(ends) - 0.6 * room, max(ends) + 0.1 * room)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("CPU seconds of the search (logarithmic)")
    axes.set_ylabel("accuracy, %")
    right = _left_of(list(points)) + 0.1
    sheet.frame(0.5, right, 0.66)
    sheet.foot(
        [_key(color=BLACK, linewidth=1.3), _key(color=BLACK, marker="o", linestyle=":", markersize=5)],
        ["best so far, in the search (optimistic)", "its mean on fresh seeds"],
        2,
    )
    _label_ends(axes, labels, sheet)
    return sheet.figure


def _symbol(at: int) -> str:
    return SYMBOLS[at % len(SYMBOLS)]


def _label_ends(axes: Axes, labels: Sequence[tuple[str, float, float, str]], sheet: _Sheet) -> None:
    """Names to the right of the axes, at the heights of their ends as far as they do not overlap."""
    if not labels:
        return
    low, high = axes.get_ylim()
    inches = sheet.height - sheet.top - 0.66
    heights = spread([(value - low) / (high - low) * inches for _, _, value, _ in labels], 1.15 * A_LINE, inches)
    for (name, end, value, color), height in zip(labels, heights, strict=True):
        axes.annotate(
            name,
            xy=(end, value),
            xytext=(1.03, height / inches),
            textcoords=axes.transAxes,
            va="center",
            color=color,
            size=FONT - 0.5,
            arrowprops={
                "arrowstyle": "-",
                "color": color,
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


def importances(found: Mapping[str, Sequence[Importance]], most: int, part: str, warnings: Sequence[str]) -> Figure:
    """Each approach's most important parameters with their instability, a panel an approach.

    Args:
        found: Of each approach, most important first.
        most: Parameters to draw of each.
        part: Which of several figures this is; empty for the only one.
        warnings: The sweep's marks.
    """
    columns = min(2, len(found))
    names = list(found)
    lines = [names[at : at + columns] for at in range(0, len(names), columns)]
    bars = [max(min(len(found[name]), most) for name in line) for line in lines]
    sheet = _sheet(
        f"Importance of hyperparameters (PED-ANOVA){part}", warnings, 0.75 + sum(0.16 * n + 0.42 for n in bars), 0.2
    )
    grid = sheet.figure.add_gridspec(len(lines), columns, height_ratios=[0.16 * count + 0.02 for count in bars])
    longest = max(len(each.param) for own in found.values() for each in own[:most])
    room = 0.2 + 0.064 * longest
    width = (WIDTH - 0.12 - columns * room) / columns
    for down, line in enumerate(lines):
        for along, name in enumerate(line):
            _importance_panel(sheet.figure.add_subplot(grid[down, along]), name, found[name][:most], bars[down])
    sheet.frame(room, 0.12, 0.68, wspace=room / width, hspace=0.42 * len(lines) / max(0.16 * sum(bars), 0.1))
    middle = (room + WIDTH - 0.12) / 2 / WIDTH
    sheet.figure.text(middle, 0.3 / sheet.height, "share of all parameters' importance", ha="center", va="bottom")
    handles = [
        _key(color=SKY, linewidth=6),
        _key(color=BLACK, linewidth=1.2),
        _key(color=VERMILLION, marker="|", linestyle="none", markersize=8, markeredgewidth=1.8),
    ]
    sheet.foot(handles, ["share", "90 % of resamples", "reached by chance (5 %)"], 3)
    return sheet.figure


def _importance_panel(axes: Axes, name: str, own: Sequence[Importance], rows: int) -> None:
    heights = range(len(own))
    axes.barh(heights, [each.share for each in own], color=SKY, height=0.7)
    for at, each in enumerate(own):
        axes.plot([each.low, each.high], [at, at], "-", color=BLACK, linewidth=1.2)
        axes.plot([each.chance], [at], "|", color=VERMILLION, markersize=7, markeredgewidth=1.8, clip_on=False)
    _rows(axes, [each.param for each in own])
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


def parallel(title: str, axes_of: Sequence[Axis], accuracies: Sequence[float], warnings: Sequence[str]) -> Figure:
    """Parallel coordinates, lying: a row a parameter, a line a configuration, the darker the more accurate.

    Args:
        title: Of the figure.
        axes_of: The parameters.
        accuracies: Of each configuration, in per cent; the best is drawn thick.
        warnings: The sweep's marks.
    """
    import matplotlib
    from matplotlib.colors import Normalize

    sheet = _sheet(title, warnings, 0.95 + 0.36 * len(axes_of), 0.1)
    axes = sheet.figure.add_subplot()
    norm = Normalize(min(accuracies), max(max(accuracies), min(accuracies) + 0.1))
    colors = matplotlib.colormaps["cividis_r"]
    best = int(np.argmax(accuracies))
    down = range(len(axes_of))
    for at in np.argsort(accuracies, kind="stable"):
        # A parameter that this configuration has not interrupts its line.
        across = [np.nan if (place := axis.places[at]) is None else place for axis in axes_of]
        if at == best:
            axes.plot(across, down, "-D", color=VERMILLION, linewidth=2.4, markersize=4.5, zorder=5)
        else:
            color = colors(norm(accuracies[at]))
            axes.plot(across, down, "-o", color=color, linewidth=1, markersize=2.6, alpha=0.85)
    for at, axis in enumerate(axes_of):
        axes.plot([0, 1], [at, at], color=BLACK, linewidth=0.6, zorder=0.5)
        for place, text in axis.ticks.items():
            axes.plot([place, place], [at - 0.09, at + 0.09], color=BLACK, linewidth=0.8)
            side = {0.0: "left", 1.0: "right"}.get(place, "center")
            axes.text(
                place,
                at + 0.36,
                text,
                ha=side,
                va="center",
                size=FONT - 1.5,
                color="#333333",
                zorder=6,
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.4},
            )
    _rows(axes, [axis.name for axis in axes_of])
    axes.set_ylim(len(axes_of) - 0.4, -0.3)
    axes.set_xlim(-0.03, 1.03)
    axes.grid(visible=False)
    axes.set_xticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    left = _left_of([axis.name for axis in axes_of])
    sheet.frame(left, 0.15, 0.78)
    scale = sheet.figure.add_axes((left / WIDTH, 0.44 / sheet.height, 0.45, 0.1 / sheet.height))
    bar = sheet.figure.colorbar(
        matplotlib.cm.ScalarMappable(norm=norm, cmap=colors), cax=scale, orientation="horizontal"
    )
    bar.set_label("accuracy in the search, %", labelpad=1)
    bar.outline.set_linewidth(0.5)
    sheet.figure.legend(
        [_key(color=VERMILLION, marker="D", linewidth=2.4, markersize=4.5)],
        ["the best"],
        loc="lower right",
        bbox_to_anchor=(1.0, 0.3 / sheet.height),
    )
    return sheet.figure


def costs(found: Mapping[str, Cost], warnings: Sequence[str]) -> Figure:
    """CPU seconds by approach and stage."""
    sheet = _sheet("Where the CPU time went", warnings, 0.85 + 0.28 * len(found))
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
    _rows(axes, names)
    axes.set_xlim(0, max(begin_N.max(initial=0) * 1.12, 1e-9))
    axes.set_xlabel(f"CPU {unit}")
    sheet.frame(_left_of(names), 0.15, 0.68)
    sheet.foot(handles, [label for label, *_ in stages], 3)
    return sheet.figure


def against_study(rows: Sequence[Mapping[str, Any]], warnings: Sequence[str]) -> Figure:
    """The study's numbers beside ours, each a mean with one standard deviation.

    Args:
        rows: An approach each, with `approach` and (mean, sd) in per cent or None as `reported`, `so_set`, `confirmed`.
        warnings: The sweep's marks.
    """
    sheet = _sheet("The study's numbers beside ours", warnings, 0.85 + 0.42 * len(rows))
    axes = sheet.figure.add_subplot()
    looks = (
        ("reported", "s", VERMILLION, "the study's, as reported"),
        ("so_set", "o", "#666666", "ours, at its setting"),
        ("confirmed", "D", BLUE, "ours, confirmed"),
    )
    for at, row in enumerate(rows):
        for place, (key, symbol, color, _) in enumerate(looks):
            if row[key] is None:
                continue
            mean, sd = row[key]
            height = at + 0.24 * (place - 1)
            if sd is not None:
                axes.plot([mean - sd, mean + sd], [height, height], color=color, linewidth=1.2)
            axes.plot([mean], [height], symbol, color=color, markersize=4.4)
    _rows(axes, [row["approach"] for row in rows])
    for border in range(1, len(rows)):
        axes.axhline(border - 0.5, color="#e3e3e3", linewidth=0.6)
    axes.set_xlabel("accuracy, %; mean and standard deviation over seeds")
    sheet.frame(_left_of([row["approach"] for row in rows]), 0.15, 0.68)
    handles = [_key(marker=symbol, color=color, linewidth=1.2, markersize=4.4) for _, symbol, color, _ in looks]
    sheet.foot(handles, [label for *_, label in looks], 3)
    return sheet.figure

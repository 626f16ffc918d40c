"""The style that the report's figures share: colours, measures and symbols, and how figures become files.

Figures are narrow, so that their words stay readable on a phone. Colours are those of Okabe and Ito (2008) and cividis,
which colour-blind readers can distinguish, and no colour says anything alone. Matplotlib is imported when the first is
drawn, so that commands start fast.
"""

from __future__ import annotations

import html
import io
import logging
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sweeps.core.files import write_whole

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

BLACK, BLUE, VERMILLION, GREEN = "#1a1a1a", "#0072B2", "#D55E00", "#009E73"
ORANGE, SKY, PURPLE = "#E69F00", "#56B4E9", "#CC79A7"
# Inches and points.
WIDTH, FONT = 5.3, 8.5
A_LETTER, A_BOLD_LETTER, A_LINE = 0.068, 0.082, 0.15
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
# What the page says over parts of figures, by the part's id.
_SAID: WeakKeyDictionary[Figure, dict[str, Sequence[str]]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure with its name (of its file, and of its place on the page) and what it shows in words."""

    name: str
    alt: str
    svg: str
    png: bytes


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean with its 95 % interval, all in per cent or all in points; no ends where a single seed gives none."""

    mean: float
    low: float | None
    high: float | None


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures, for as long as they are drawn."""
    # It speaks of its font cache on the first use of a machine.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def say_over(line: Line2D, texts: Sequence[str]) -> None:
    """Have the page say something while the pointer is over a line (one text), or over each of its points."""
    figure = line.get_figure(root=True)
    assert figure is not None
    said = _SAID.setdefault(figure, {})
    line.set_gid(f"said-{len(said)}")
    said[f"said-{len(said)}"] = texts


def _with_words(svg: str, said: dict[str, Sequence[str]]) -> str:
    """The figure with a title in each part of which something is said."""
    for part, texts in said.items():
        begin = svg.index(f'<g id="{part}">')
        end = svg.find('<g id="', begin + 1)
        group = svg[begin:end]
        titles = [f"<title>{html.escape(text)}</title>" for text in texts]
        if len(titles) == 1:
            group = group.replace(">", f">{titles[0]}", 1)
        else:
            start, *points = re.split(r"(?=<use )", group)
            titled = [each.replace("/>", f">{title}</use>", 1) for each, title in zip(points, titles, strict=True)]
            group = "".join([start, *titled])
        svg = svg[:begin] + group + svg[end:]
    return svg


def rendered(name: str, alt: str, figure: Figure) -> Plot:
    """A figure as SVG for the page and as PNG for a file; the same figure gives the same bytes."""
    text, image = io.StringIO(), io.BytesIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    figure.savefig(image, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return Plot(
        name=name, alt=alt, svg=_inline(_with_words(text.getvalue(), _SAID.get(figure, {})), name), png=image.getvalue()
    )


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
        write_whole(path, content)
    return list(wanted)


@dataclass(frozen=True, kw_only=True)
class TitledFigure:
    """A figure under a title and the sweep's warnings, measured in inches: its height, and that of its head."""

    figure: Figure
    height: float
    top: float

    def place_axes(self, left: float, right: float, bottom: float, **gaps: float) -> None:
        """Put the axes between these margins."""
        self.figure.subplots_adjust(
            left=left / WIDTH,
            right=1 - right / WIDTH,
            bottom=bottom / self.height,
            top=1 - self.top / self.height,
            **gaps,
        )

    def legend(self, handles: Sequence[Artist], labels: Sequence[str], columns: int) -> None:
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


def titled_figure(title: str, warnings: Sequence[str], body: float, extra_top: float = 0.0) -> TitledFigure:
    """An empty figure whose axes and what is below them need `body` inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = textwrap.wrap(" · ".join(warnings), int(WIDTH / A_BOLD_LETTER))
    top = 0.34 + (0.05 + A_LINE * len(lines) if lines else 0) + extra_top
    height = body + top
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    figure.text(0.01, 1 - 0.06 / height, title, weight="bold", size=FONT + 1, va="top")
    if lines:
        text = "\n".join(lines)
        figure.text(0.01, 1 - 0.26 / height, text, weight="bold", size=FONT, va="top", color="#a03000")
    return TitledFigure(figure=figure, height=height, top=top)


def room_for(names: Sequence[str]) -> float:
    """Inches that names need beside an axis."""
    return 0.2 + A_LETTER * max(map(len, names))


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """A row for each name, the first on top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def legend_key(**look: Any) -> Line2D:
    """A sample of a look, for a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)


def draw_interval(axes: Axes, value: Interval, at: float, color: str, *, is_filled: bool) -> None:
    """A mean with its interval, lying in a row."""
    if value.low is not None and value.high is not None:
        ends = [value.low, value.high]
        axes.plot(ends, [at, at], "-", color=color, linewidth=1.6, zorder=3, solid_capstyle="butt")
    face = color if is_filled else "white"
    axes.plot([value.mean], [at], "D", color=color, markerfacecolor=face, markersize=4.6, markeredgewidth=1.1, zorder=4)

"""The report's figure of what changed test images cost. From plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweeps.views.figure_style import FONT, name_rows, room_for, titled_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Points that the darkest colour stands for, at least: what is little is not to look like much.
LEAST_DARKEST = 20.0


def losses(lost: Mapping[str, Mapping[tuple[str, int], float]], warnings: Sequence[str]) -> Figure:
    """A table in colours: one row for each approach, one column for each kind of change and severity.

    Args:
        lost: Of each approach, in points, by kind and severity; the same ones of all.
        warnings: The sweep's.
    """
    names = list(lost)
    columns = list(lost[names[0]])
    kinds = list(dict.fromkeys(kind for kind, _ in columns))
    of_kind = len(columns) // len(kinds)
    values = np.array([[lost[name][column] for column in columns] for name in names])
    titled = titled_figure(
        "Points lost on changed test images, by kind and severity", warnings, 0.85 + 0.24 * len(names), extra_top=0.9
    )
    axes = titled.figure.add_subplot()
    darkest = max(LEAST_DARKEST, float(values.max()))
    axes.imshow(values, cmap="cividis_r", vmin=0, vmax=darkest, aspect="auto")
    for row, column in np.ndindex(*values.shape):
        value = float(values[row, column])
        color = "white" if value > 0.55 * darkest else "black"
        axes.text(column, row, str(round(value)), ha="center", va="center", size=FONT - 2.5, color=color)
    name_rows(axes, names)
    axes.grid(visible=False)
    axes.set_xticks(range(len(columns)), [str(severity) for _, severity in columns])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("severity, of 5 (below 0 points: a gain)")
    for at, kind in enumerate(kinds):
        middle = of_kind * at + (of_kind - 1) / 2
        axes.text(middle, -0.62, kind, rotation=40, ha="left", va="bottom", rotation_mode="anchor")
        if at:
            axes.axvline(of_kind * at - 0.5, color="white", linewidth=2)
    titled.place_axes(room_for(names), 0.55, 0.5)
    return titled.figure

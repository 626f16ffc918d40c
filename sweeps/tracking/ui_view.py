"""What a person sees of a sweep in MLflow's browser UI: a saved view with the right columns and charts.

A plain link to the runs of an experiment can filter and sort them but not choose columns, and MLflow's own choice shows
no metric and no parameter. A saved view can. Its format is undocumented and was read from the JavaScript that ships
with MLflow 3.17, so nothing of it is known outside of this file, and `saved_view` is the only way in. Tests open a view
in a browser and look for its names in that JavaScript. A version that ignores it costs only the view: the plain table
of `links.py` is still there.
A view is an experiment tag. Its value is JSON with a name and a state; the state is JSON again, compressed with zlib.
The state holds columns and charts alike, so one view serves the table and the charts, and the link says which.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.tracking import links, trial_runs

_TAG_PREFIX = "mlflow.sharedViewState."
_PAYLOAD_PREFIX = "deflate;"
# MLflow refuses a longer value of an experiment's tag.
_MAX_TAG_LENGTH = 20_000
# Longer lists of columns do not fit a screen.
_MAX_PARAMS = 8


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """A view of one sweep: the experiment's tag that holds it, and the ends of the links that open it.

    A link is `<server>/#/experiments/<id>/` and a suffix. `table` opens the trials, best first; `charts` opens the
    parallel coordinates.
    """

    tag: str
    value: str
    table: str
    charts: str


def saved_view(
    sweep: str,
    journal_id: str,
    examples: Iterable[Mapping[str, Any]],
    created_ms: int,
    ranked_by: str = "accuracy",
    *,
    confirmed: bool = False,
) -> SavedView:
    """Make the view of one sweep. The same sweep always gets the same tag, so that writing again replaces the view.

    Args:
        sweep: The sweep's name, which a person sees.
        journal_id: What tells it from another sweep of that name.
        examples: The parameters of a trial of each approach. Columns are those that most of them have.
        created_ms: When the sweep began. The newest view is the first in MLflow's menu of views.
        ranked_by: The metric whose mean is shown, with its interval, and sorts the trials.
        confirmed: Whether there is a confirmed mean, which then comes first and sorts them.

    Raises:
        ValueError: The view does not fit an experiment's tag.
    """
    columns, axes = _columns_and_axes(examples)
    key = _uuid(journal_id, "view")
    value = _encoded(f"Sweep {sweep}", _state(sweep, journal_id, columns, axes, ranked_by, confirmed), created_ms)
    if len(value) > _MAX_TAG_LENGTH:
        raise ValueError(f"Expected a view of at most {_MAX_TAG_LENGTH} characters; got {len(value)}.")
    # Filter and order must not stand beside the key: MLflow then ignores the view.
    return SavedView(
        tag=_TAG_PREFIX + key,
        value=value,
        table=links.runs_page(viewStateShareKey=key, compareRunsMode="TABLE"),
        charts=links.runs_page(viewStateShareKey=key, compareRunsMode="CHART"),
    )


def _columns_and_axes(examples: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Which parameters to show as columns and which as axes.

    Columns are the parameters that most of the examples have. Axes are those that the same examples have as the first
    column: the parallel coordinates leave out a trial that lacks an axis, so each further one would cost trials.
    """
    owners: dict[str, set[int]] = {}
    for number, params in enumerate(examples):
        for name in params:
            owners.setdefault(name, set()).add(number)
    columns = sorted(owners, key=lambda name: -len(owners[name]))[:_MAX_PARAMS]
    axes = [name for name in columns if owners[name] == owners[columns[0]]]
    logarithmic = trial_runs.LOGARITHMIC
    return columns, [f"{trial_runs.LOGARITHM_PREFIX}{name}" if name in logarithmic else name for name in axes]


def _encoded(name: str, state: Mapping[str, Any], created_ms: int) -> str:
    """The value of the tag: what MLflow's own "Save view" would write."""
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    view = {"name": name, "createdAt": created_ms, "updatedAt": created_ms, "state": _PAYLOAD_PREFIX + packed}
    return json.dumps(view)


def _state(
    sweep: str, journal_id: str, params: Sequence[str], axes: Sequence[str], ranked_by: str, confirmed: bool
) -> dict[str, Any]:
    shown = [f"{ranked_by}_mean", f"{ranked_by}_ci_low", f"{ranked_by}_ci_high"]
    if confirmed:
        # More of the search's would push parameters off the screen.
        shown = [*(f"{trial_runs.CONFIRMED_PREFIX}{name}" for name in shown), shown[0]]
    columns = {
        _column("params", "approach"): 120,
        **{_column("metrics", name): 122 for name in shown},
        _column("metrics", "n_seeds"): 122,
        _column("tags", "state"): 85,
        **{_column("params", name): 110 for name in params if name != "approach"},
    }
    ours = _uuid(sweep, "section")
    return {
        "searchFilter": trial_runs.search_filter(journal_id),
        "orderByKey": links.best_first(ranked_by, confirmed=confirmed),
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": columns,
        # Otherwise charts show the first ten runs of the list only.
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": _charts(sweep, ours, axes, ranked_by),
        # MLflow adds a chart of every other metric to its own section, which stays folded.
        "compareRunSections": [
            _section(ours, f"Sweep {sweep} (a step is a seed)", display=True),
            _section(_uuid(sweep, "metrics"), "Model metrics", display=False),
            _section(_uuid(sweep, "system"), "System metrics", display=False),
        ],
        # Otherwise MLflow sorts the sections by name and puts ours last.
        "isAccordionReordered": True,
    }


def _charts(sweep: str, section: str, axes: Sequence[str], ranked_by: str) -> list[dict[str, Any]]:
    of_seeds = f"{trial_runs.SEED_PREFIX}{ranked_by}"
    shown = {"metricSectionId": section, "deleted": False, "isGenerated": False, "runsCountToCompare": 100}
    parallel = {
        **shown,
        "uuid": _uuid(sweep, "parallel"),
        "type": "PARALLEL",
        "selectedParams": ["approach", *(name for name in axes if name != "approach")],
        "selectedMetrics": [f"{ranked_by}_mean"],
        "showAllRuns": True,
    }
    seeds = {
        **shown,
        "uuid": _uuid(sweep, "seeds"),
        "type": "LINE",
        "metricKey": of_seeds,
        "selectedMetricKeys": [of_seeds],
        "lineSmoothness": 0,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "scaleType": "linear",
        "range": {},
        "ignoreOutliers": False,
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
        "selectedXAxisMetricKey": "",
    }
    return [parallel, seeds]


def _section(uuid: str, name: str, *, display: bool) -> dict[str, Any]:
    fixed = {"isReordered": False, "deleted": False, "isGenerated": False}
    # One chart per row: three, the default, leave no room for the names of the axes.
    return {"uuid": uuid, "name": name, "display": display, "columns": 1, "cardHeight": 380, **fixed}


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _uuid(sweep: str, part: str) -> str:
    """An id that depends on nothing but its arguments."""
    return hashlib.sha256(f"seedsweep {sweep} {part}".encode()).hexdigest()[:32]

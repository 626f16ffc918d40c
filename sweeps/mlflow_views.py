"""What a person sees of a sweep in MLflow's browser UI: a saved view with the right columns and charts.

A plain link to the runs of an experiment can filter and sort them but not choose columns, and MLflow's own choice shows
no metric and no parameter. A saved view can. The format is undocumented: it was read from the JavaScript that ships
with MLflow 3.17 and is best effort. Another version may ignore it; `plain_suffix` then still opens the sorted table.

A view is an experiment tag. Its value is JSON with a name and a state; the state is JSON again, compressed with zlib.
The state holds columns and charts alike, so one view serves the table and the charts, and the link says which.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import urllib.parse
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TAG_PREFIX = "mlflow.sharedViewState."
PAYLOAD_PREFIX = "deflate;"
# MLflow refuses a longer value of an experiment's tag.
MAX_TAG_LENGTH = 20_000
# Longer lists of columns do not fit a screen.
MAX_PARAMS = 8
BEST_FIRST = "metrics.`accuracy_mean`"
# Searched over decades. MLflow's axes are linear and would squeeze nearly all values of these into one point.
LOGARITHMIC = ("learning_rate", "weight_decay")
# A seed's own metrics stand apart from the aggregates, of which a run's page shows the last value as the run's own.
SEED_PREFIX = "seed/"
SEED_ACCURACY = f"{SEED_PREFIX}accuracy"
METRIC_COLUMNS = ("accuracy_mean", "accuracy_ci_low", "accuracy_ci_high", "n_seeds")


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


def saved_view(sweep: str, params: Sequence[str], axes: Sequence[str], created_ms: int) -> SavedView:
    """Make the view of one sweep. The same sweep always gets the same tag, so that writing again replaces the view.

    Args:
        sweep: The sweep's name.
        params: Parameters to show as columns, best from `common_params`.
        axes: Parameters to show as axes. A trial without one of them is missing from the parallel coordinates.
        created_ms: When the sweep began. The newest view is the first in MLflow's menu of views.

    Raises:
        ValueError: The view does not fit an experiment's tag.
    """
    key = _uuid(sweep, "view")
    value = encode(f"Sweep {sweep}", _state(sweep, params, axes), created_ms)
    if len(value) > MAX_TAG_LENGTH:
        raise ValueError(
            f"Expected a view of at most {MAX_TAG_LENGTH} characters; got {len(value)}. Show fewer params."
        )
    # Filter and order must not stand beside the key: MLflow then ignores the view.
    query = {"workflowType": "machine_learning", "viewStateShareKey": key}
    return SavedView(
        tag=TAG_PREFIX + key,
        value=value,
        table=_suffix({**query, "compareRunsMode": "TABLE"}),
        charts=_suffix({**query, "compareRunsMode": "CHART"}),
    )


def plain_suffix(sweep: str) -> str:
    """The end of a link that needs no view: the sweep's trials, best first, with whatever columns MLflow shows."""
    facets = {"searchFilter": trials_filter(sweep), "orderByKey": BEST_FIRST, "orderByAsc": "false"}
    return _suffix({"workflowType": "machine_learning", **facets})


def trials_filter(sweep: str) -> str:
    """MLflow's search expression for the trials of a sweep's search, without the sweep's run and confirmations."""
    return f"tags.role = 'trial' AND tags.sweep = '{sweep}'"


def common_params(trials: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Which parameters to show as columns and which as axes, given the parameters of a trial of each approach.

    Columns are the parameters that most of them have. Axes are those that the same trials have as the first column:
    the parallel coordinates leave out a trial that lacks an axis, so each further one would cost trials.
    """
    owners: dict[str, set[int]] = {}
    for number, params in enumerate(trials):
        for name in params:
            owners.setdefault(name, set()).add(number)
    columns = sorted(owners, key=lambda name: -len(owners[name]))[:MAX_PARAMS]
    axes = [name for name in columns if owners[name] == owners[columns[0]]]
    return columns, [f"log10_{name}" if name in LOGARITHMIC else name for name in axes]


def logarithms(params: Mapping[str, Any]) -> dict[str, str]:
    """Further parameters to log with a trial, for the axes: the logarithms of those searched over decades."""
    return {f"log10_{name}": f"{math.log10(params[name]):.2f}" for name in LOGARITHMIC if params.get(name, 0) > 0}


def encode(name: str, state: Mapping[str, Any], created_ms: int) -> str:
    """The value of the tag: what MLflow's own "Save view" would write."""
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    view = {"name": name, "createdAt": created_ms, "updatedAt": created_ms, "state": PAYLOAD_PREFIX + packed}
    return json.dumps(view)


def decode(value: str) -> tuple[str, dict[str, Any]]:
    """Name and state of a view, the inverse of `encode`; also of a view that a person saved in the UI."""
    view = json.loads(value)
    return view["name"], json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix(PAYLOAD_PREFIX))))


def _state(sweep: str, params: Sequence[str], axes: Sequence[str]) -> dict[str, Any]:
    columns = {
        _column("params", "approach"): 120,
        **{_column("metrics", name): 122 for name in METRIC_COLUMNS},
        _column("tags", "state"): 85,
        **{_column("params", name): 110 for name in params if name != "approach"},
    }
    ours = _uuid(sweep, "section")
    return {
        "searchFilter": trials_filter(sweep),
        "orderByKey": BEST_FIRST,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns),
        "columnOrder": list(columns),
        "columnWidths": columns,
        # Else charts show the first ten runs of the list only.
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": _charts(sweep, ours, axes),
        # MLflow adds a chart of every other metric to its own section, which stays folded.
        "compareRunSections": [
            _section(ours, f"Sweep {sweep} (a step is a seed)", display=True),
            _section(_uuid(sweep, "metrics"), "Model metrics", display=False),
            _section(_uuid(sweep, "system"), "System metrics", display=False),
        ],
        # Else MLflow sorts the sections by name and puts its own last.
        "isAccordionReordered": True,
    }


def _charts(sweep: str, section: str, axes: Sequence[str]) -> list[dict[str, Any]]:
    shown = {"metricSectionId": section, "deleted": False, "isGenerated": False, "runsCountToCompare": 100}
    parallel = {
        **shown,
        "uuid": _uuid(sweep, "parallel"),
        "type": "PARALLEL",
        "selectedParams": ["approach", *(name for name in axes if name != "approach")],
        "selectedMetrics": ["accuracy_mean"],
        "showAllRuns": True,
    }
    seeds = {
        **shown,
        "uuid": _uuid(sweep, "seeds"),
        "type": "LINE",
        "metricKey": SEED_ACCURACY,
        "selectedMetricKeys": [SEED_ACCURACY],
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
    # One chart a row: three, the default, leave no room for the names of the axes.
    return {"uuid": uuid, "name": name, "display": display, "columns": 1, "cardHeight": 380, **fixed}


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def _uuid(sweep: str, part: str) -> str:
    """An id that depends on nothing but its arguments."""
    return hashlib.sha256(f"seedsweep {sweep} {part}".encode()).hexdigest()[:32]


def _suffix(query: Mapping[str, str]) -> str:
    return "runs?" + urllib.parse.urlencode(query, quote_via=urllib.parse.quote)

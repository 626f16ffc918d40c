"""The saved view of a sweep in MLflow's UI: what is in it, and that this MLflow still knows such views.

`test_ui_view_browser.py` opens one.
"""

from __future__ import annotations

import base64
import json
import zlib
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from sweeps.tracking.links import plain_table
from sweeps.tracking.trial_runs import search_filter
from sweeps.tracking.ui_view import SavedView, saved_view

NETWORK = {"learning_rate": 1e-3, "steps": 50, "normalisation": "fixed"}
PARAMS = ["learning_rate", "steps", "normalisation"]
AXES = ["log10_learning_rate", "steps", "normalisation"]
METRICS = ["accuracy_mean", "accuracy_ci_low", "accuracy_ci_high", "n_seeds"]


def decode(value: str) -> tuple[str, dict[str, Any]]:
    """Name and state of a view, also of one that a person saved in the UI."""
    view = json.loads(value)
    return view["name"], json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))


def state_of(examples: list[dict[str, Any]]) -> dict[str, Any]:
    return decode(saved_view("c1", "id 1", examples, created_ms=1).value)[1]


def shown_params(state: dict[str, Any]) -> list[str]:
    """The parameters that the view has columns for, besides the approach."""
    columns = [name.removeprefix("params.`").rstrip("`") for name in state["selectedColumns"] if "params." in name]
    assert columns[0] == "approach"
    return columns[1:]


def axes(state: dict[str, Any]) -> list[str]:
    """The axes of the parallel coordinates, besides the approach."""
    selected: list[str] = state["compareRunCharts"][0]["selectedParams"]
    assert selected[0] == "approach"
    return selected[1:]


@pytest.fixture
def view() -> SavedView:
    return saved_view("c1", "id 1", [NETWORK], created_ms=1_700_000_000_000)


@pytest.fixture
def state(view: SavedView) -> dict[str, Any]:
    return decode(view.value)[1]


def query(suffix: str) -> dict[str, list[str]]:
    path, _, rest = suffix.partition("?")
    assert path == "runs"
    return parse_qs(rest, strict_parsing=True)


def test_a_view_is_packed_as_mlflow_itself_packs_one():
    # pako.deflate of {"orderByAsc":false}, run in Node: the function behind the "Save view" of the UI.
    value = json.dumps({"name": "mine", "createdAt": 1, "state": "deflate;eJyrVsovSkktcqp0LE5WskpLzClOrQUATQYHcA=="})
    assert decode(value) == ("mine", {"orderByAsc": False})


def test_names_of_any_letters_survive():
    name, state = decode(saved_view("Näme", "id 1", [{"é": 1}], created_ms=1).value)
    assert name == "Sweep Näme"
    assert shown_params(state) == ["é"]


def test_the_envelope_is_what_mlflow_lists_in_its_menu(view: SavedView):
    envelope = json.loads(view.value)
    assert envelope["name"] == "Sweep c1"
    assert envelope["createdAt"] == envelope["updatedAt"] == 1_700_000_000_000
    assert envelope["state"].startswith("deflate;")


def test_both_links_name_the_tag(view: SavedView):
    key = view.tag.removeprefix("mlflow.sharedViewState.")
    assert key.isalnum()
    for suffix, mode in ((view.table, "TABLE"), (view.charts, "CHART")):
        # Any other parameter, such as a filter, would make MLflow ignore the view.
        assert query(suffix) == {
            "workflowType": ["machine_learning"],
            "viewStateShareKey": [key],
            "compareRunsMode": [mode],
        }


def test_a_sweep_keeps_its_tag_and_sweeps_of_one_name_do_not_share_one(view: SavedView):
    assert saved_view("c1", "id 1", [], created_ms=1).tag == view.tag
    other = saved_view("c1", "id 2", [], created_ms=1)
    assert other.tag != view.tag
    assert decode(other.value)[1]["searchFilter"] != decode(view.value)[1]["searchFilter"]


def test_the_table_shows_the_trials_best_first(state: dict[str, Any]):
    assert state["searchFilter"] == search_filter("id 1") == "tags.role = 'trial' AND tags.`sweep.id` = 'id 1'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`accuracy_mean`", False)
    wanted = ["params.`approach`", *(f"metrics.`{m}`" for m in METRICS), "tags.`state`"]
    assert state["selectedColumns"] == [*wanted, *(f"params.`{p}`" for p in PARAMS)]
    assert state["columnOrder"] == list(state["columnWidths"]) == state["selectedColumns"]


def test_once_a_mean_is_confirmed_it_comes_first_and_sorts():
    view = saved_view("c1", "id 1", [NETWORK], created_ms=1, confirmed=True)
    state = decode(view.value)[1]
    assert state["orderByKey"] == "metrics.`confirmed_accuracy_mean`"
    means = [name for name in state["selectedColumns"] if name.endswith("_mean`")]
    assert means == ["metrics.`confirmed_accuracy_mean`", "metrics.`accuracy_mean`"]
    assert view.tag == saved_view("c1", "id 1", [], created_ms=1).tag


def test_the_charts_stand_in_the_section_that_is_open(state: dict[str, Any]):
    (section,) = (s["uuid"] for s in state["compareRunSections"] if s["display"])
    parallel, seeds = state["compareRunCharts"]
    assert (parallel["type"], seeds["type"]) == ("PARALLEL", "LINE")
    assert parallel["metricSectionId"] == seeds["metricSectionId"] == section
    assert parallel["selectedParams"] == ["approach", *AXES]
    assert parallel["selectedMetrics"] == ["accuracy_mean"]
    assert seeds["metricKey"] == "seed/accuracy"


def test_the_plain_link_filters_and_sorts():
    assert query(plain_table("id 1")) == {
        "workflowType": ["machine_learning"],
        "searchFilter": [search_filter("id 1")],
        "orderByKey": ["metrics.`accuracy_mean`"],
        "orderByAsc": ["false"],
    }


def test_columns_are_the_commonest_parameters_and_axes_lose_no_trial_to_a_rare_one():
    state = state_of([{"classifier": "svm"}] * 2 + [NETWORK] * 3 + [{**NETWORK, "dropout": 0.1}] * 4)
    assert shown_params(state) == [*PARAMS, "dropout", "classifier"]
    assert axes(state) == AXES


def test_axes_never_mix_approaches_that_share_nothing():
    state = state_of([{"a": 1}, {"b": 1}])
    assert (shown_params(state), axes(state)) == (["a", "b"], ["a"])
    assert (shown_params(state_of([])), axes(state_of([]))) == ([], [])


def test_no_more_columns_than_fit():
    assert len(shown_params(state_of([{f"p{i}": i for i in range(50)}]))) == 8


def test_a_view_that_does_not_fit_is_refused():
    # What no compression makes small.
    names = ["".join(sha256(f"{of} {at}".encode()).hexdigest() for at in range(100)) for of in range(8)]
    with pytest.raises(ValueError, match="20000"):
        saved_view("c1", "id 1", [dict.fromkeys(names, 1)], created_ms=1)


@pytest.fixture(scope="module")
def bundle() -> str:
    """The JavaScript of MLflow's UI, all of it."""
    (package,) = find_spec("mlflow").submodule_search_locations
    files = list(Path(package, "server", "js", "build", "static", "js").glob("*.js"))
    assert files, "MLflow has no UI where it had one; is the saved view still of use?"
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def keys(value: Any) -> set[str]:
    """Every name in the state that is not a column's."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if isinstance(value, dict):
        own = {key for key in value if "`" not in key}
        return own.union(*map(keys, value.values()))
    return set()


def test_mlflows_own_javascript_knows_every_name_in_the_view(view: SavedView, state: dict[str, Any], bundle: str):
    """A new MLflow may store views in another way; then `ui_view.py` must follow, or go."""
    names = keys(state) | set(query(view.table)) | {"mlflow.sharedViewState.", "deflate;", "createdAt", "updatedAt"}
    values = {"SHOW_ALL", "PARALLEL", "LINE", "TABLE", "CHART", "machine_learning"}
    assert {"columnWidths", "viewStateShareKey", "metricSectionId"} <= names
    assert sorted(name for name in names | values if name not in bundle) == []

"""The saved view of a sweep in MLflow's UI; how it looks there was checked by eye in a browser with MLflow 3.17.2."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from sweeps.mlflow_views import (
    MAX_PARAMS,
    MAX_TAG_LENGTH,
    METRIC_COLUMNS,
    SavedView,
    common_params,
    decode,
    encode,
    logarithms,
    plain_suffix,
    saved_view,
    trials_filter,
)

NETWORK = {"learning_rate": 1e-3, "steps": 50, "normalisation": "fixed"}
PARAMS = ["learning_rate", "steps", "normalisation"]
AXES = ["log10_learning_rate", "steps", "normalisation"]


@pytest.fixture
def view() -> SavedView:
    return saved_view("c1", PARAMS, AXES, created_ms=1_700_000_000_000)


@pytest.fixture
def state(view: SavedView) -> dict[str, Any]:
    return decode(view.value)[1]


def query(suffix: str) -> dict[str, list[str]]:
    path, _, rest = suffix.partition("?")
    assert path == "runs"
    return parse_qs(rest, strict_parsing=True)


def test_decoding_gives_back_name_and_state():
    state = {"searchFilter": "tags.sweep = 'é'", "columnWidths": {"metrics.`a`": 1}, "orderByAsc": False}
    assert decode(encode("Näme", state, 1)) == ("Näme", state)


def test_decodes_a_view_that_mlflow_itself_compressed():
    # pako.deflate of {"orderByAsc":false}, run in Node: the function behind the "Save view" of the UI.
    value = json.dumps({"name": "mine", "createdAt": 1, "state": "deflate;eJyrVsovSkktcqp0LE5WskpLzClOrQUATQYHcA=="})
    assert decode(value) == ("mine", {"orderByAsc": False})


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


def test_a_sweep_keeps_its_tag_and_sweeps_do_not_share_one(view: SavedView):
    assert saved_view("c1", [], [], created_ms=1).tag == view.tag
    assert saved_view("c2", [], [], created_ms=1).tag != view.tag


def test_the_table_shows_the_trials_best_first(state: dict[str, Any]):
    assert state["searchFilter"] == trials_filter("c1") == "tags.role = 'trial' AND tags.sweep = 'c1'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`accuracy_mean`", False)
    wanted = ["params.`approach`", *(f"metrics.`{m}`" for m in METRIC_COLUMNS), "tags.`state`"]
    assert state["selectedColumns"] == [*wanted, *(f"params.`{p}`" for p in PARAMS)]
    assert state["columnOrder"] == list(state["columnWidths"]) == state["selectedColumns"]


def test_the_charts_stand_in_the_section_that_is_open(state: dict[str, Any]):
    (section,) = (s["uuid"] for s in state["compareRunSections"] if s["display"])
    parallel, seeds = state["compareRunCharts"]
    assert (parallel["type"], seeds["type"]) == ("PARALLEL", "LINE")
    assert parallel["metricSectionId"] == seeds["metricSectionId"] == section
    assert parallel["selectedParams"] == ["approach", *AXES]
    assert parallel["selectedMetrics"] == ["accuracy_mean"]
    assert seeds["metricKey"] == "seed/accuracy"


def test_the_plain_link_filters_and_sorts():
    assert query(plain_suffix("c1")) == {
        "workflowType": ["machine_learning"],
        "searchFilter": [trials_filter("c1")],
        "orderByKey": ["metrics.`accuracy_mean`"],
        "orderByAsc": ["false"],
    }


def test_columns_are_the_commonest_parameters_and_axes_lose_no_trial_to_a_rare_one():
    trials = [{"classifier": "svm"}] * 2 + [NETWORK] * 3 + [{**NETWORK, "dropout": 0.1}] * 4
    columns, axes = common_params(trials)
    assert columns == [*PARAMS, "dropout", "classifier"]
    assert axes == AXES


def test_axes_never_mix_approaches_that_share_nothing():
    assert common_params([{"a": 1}, {"b": 1}]) == (["a", "b"], ["a"])
    assert common_params([]) == ([], [])


def test_no_more_columns_than_fit():
    assert len(common_params([{f"p{i}": i for i in range(50)}])[0]) == MAX_PARAMS


def test_logarithms_of_what_is_searched_over_decades():
    assert logarithms(NETWORK) == {"log10_learning_rate": "-3.00"}
    assert logarithms({"weight_decay": 0.0}) == {}


def test_a_view_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=str(MAX_TAG_LENGTH)):
        saved_view("c1", [str(i) for i in range(10_000)], [], created_ms=1)

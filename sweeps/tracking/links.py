"""The links that open a sweep in MLflow's browser UI, and the lines in which a person gets them."""

from __future__ import annotations

import urllib.parse

from sweeps.core.provenance import without_password
from sweeps.tracking import trial_runs
from sweeps.tracking.location import UI_PORT, ssh_tunnel, ui_command

LOCAL_UI = f"http://127.0.0.1:{UI_PORT}"


def best_first(ranked_by: str, *, confirmed: bool) -> str:
    """The key that sorts trials by the mean of what ranks.

    Once there is any, by the confirmed one, as the sweep's own tables do: the search's favours what was lucky. MLflow
    puts runs that lack it after those that have it.
    """
    return f"metrics.`{trial_runs.CONFIRMED_PREFIX if confirmed else ''}{ranked_by}_mean`"


def runs_page(**query: str) -> str:
    """The end of a link to the runs of an experiment, in the part of the UI that shows runs as a table."""
    whole = {"workflowType": "machine_learning", **query}
    return "runs?" + urllib.parse.urlencode(whole, quote_via=urllib.parse.quote)


def plain_table(journal_id: str, ranked_by: str = "accuracy", *, confirmed: bool = False) -> str:
    """The end of a link that needs no saved view: the sweep's trials, best first, with the columns MLflow chooses."""
    order = best_first(ranked_by, confirmed=confirmed)
    return runs_page(searchFilter=trial_runs.search_filter(journal_id), orderByKey=order, orderByAsc="false")


def where_to_look(uri: str, experiment_id: str, table: str, charts: str | None) -> list[str]:
    """What a person types and opens to see a sweep.

    Args:
        uri: Where MLflow keeps it.
        experiment_id: MLflow's id of the experiment that it is in.
        table: End of the link to the sorted trials.
        charts: End of the link to the charts, if there is one.
    """
    server = without_password(uri).rstrip("/") if uri.startswith("http") else LOCAL_UI
    page = f"{server}/#/experiments/{experiment_id}/"
    lines = [f"MLflow  {ui_command(uri)}", f"        best first: {page}{table}"]
    if charts is not None:
        lines.append(f"        charts:     {page}{charts}")
    if tunnel := ssh_tunnel(uri):
        lines.append(f"        on your own machine: {tunnel}")
    return lines

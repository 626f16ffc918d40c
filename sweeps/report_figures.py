"""The report's figures, made from a summary and the record's trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sweeps import curves, importance, marks, outcome_plots, search_plots, sheets, tables
from sweeps.record import SEARCH, TrialRecord, confirmed_results
from sweeps.verdict import UNDECIDED, versus
from trainables.protocol import VALIDATION

# Of each approach, the most important parameters that are drawn, and in one figure the panels.
MOST_PARAMS = 8
IMPORTANCE_PANELS, HISTORY_PANELS = 6, 12
# The approaches whose configurations are drawn as parallel coordinates.
PARALLEL = 3


def figures(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> dict[str, Iterator[sheets.Plot]]:
    """Every section's figures; a section has none where there is nothing to draw."""
    return {
        "seeds": _seeds(found, trials),
        "differences": _differences(found),
        "history": _histories(found, trials),
        "cost_curve": _cost_curves(found, trials),
        "importance": _importances(found, trials),
        "parallel": _parallels(found, trials),
        "cost": _costs(found, trials),
        "study": _study(found),
    }


def _names(found: Mapping[str, Any]) -> list[str]:
    return [row["approach"] for row in found["approaches"]]


def _confirmed(found: Mapping[str, Any]) -> dict[str, float]:
    """Confirmed means in per cent, of the approaches that are ranked."""
    return {row["approach"]: 100 * row["confirmed"]["mean"] for row in found["approaches"] if row["is_confirmed"]}


def _seeds(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[sheets.Plot]:
    rows = []
    for row in found["approaches"]:
        if row["confirmed"] is None:
            continue
        results = confirmed_results(trials, row["approach"], row["best_trial"])
        values = [100 * r.accuracy for r in results if r.split == VALIDATION and r.accuracy is not None]
        scaled = {
            key: None if row["confirmed"][key] is None else 100 * row["confirmed"][key]
            for key in ("mean", "low", "high")
        }
        rows.append({"approach": row["approach"], "values": values, **scaled})
    if rows:
        figure = outcome_plots.seeds(rows, _confirmed(found).get(found["baseline"] or ""), marks.warnings(found))
        alt = "Accuracy of every fresh seed by approach: " + "; ".join(
            f"{row['approach']} {row['mean']:.1f} %" for row in rows
        )
        yield sheets.rendered("seeds", alt, figure)


def _differences(found: Mapping[str, Any]) -> Iterator[sheets.Plot]:
    best, baseline = found["approaches"][0]["approach"], found["baseline"]
    panels = {f"each less {best}": versus(found, best)}
    if baseline != best and baseline:
        panels[f"each less {baseline}"] = versus(found, baseline)
    shown = {
        title: {
            name: {key: 100 * pair[key] for key in ("mean", "low", "high")} | {"is_shown": pair["verdict"] != UNDECIDED}
            for name, pair in pairs.items()
        }
        for title, pairs in panels.items()
        if pairs
    }
    if shown:
        names = [name for name in _names(found) if name in _confirmed(found)]
        alt = f"Paired differences in points: {'; '.join(shown)}. The table below has the numbers."
        yield sheets.rendered("differences", alt, outcome_plots.differences(shown, names, marks.warnings(found)))


def _histories(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[sheets.Plot]:
    points = {name: curves.history(trials, name) for name in _names(found)}
    points = {name: own for name, own in points.items() if own}
    for name, part in _parts("history", points, HISTORY_PANELS):
        alt = f"Search history of {', '.join(part)}: each configuration's mean accuracy and the best so far."
        yield sheets.rendered(name, alt, search_plots.histories(part, _confirmed(found), marks.warnings(found)))


def _parts(name: str, panels: Mapping[str, Any], most: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Panels in figures of at most so many, each with a name of its own."""
    items = list(panels.items())
    for at in range(0, len(items), most):
        yield (name if len(items) <= most else f"{name}_{at // most + 1}"), dict(items[at : at + most])


def _part(name: str) -> str:
    """For a title, which of several figures one of this name is."""
    number = name.rpartition("_")[2]
    return f", part {number}" if number.isdigit() else ""


def _cost_curves(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[sheets.Plot]:
    points = {name: curves.spending(trials, name) for name in _names(found)}
    points = {
        name: own for name, own in points.items() if own and own[-1].incumbent is not None and own[-1].seconds > 0
    }
    if points:
        figure = search_plots.cost_curves(points, _confirmed(found), marks.warnings(found))
        alt = "Best accuracy so far against worker seconds spent, for " + ", ".join(points)
        yield sheets.rendered("cost_curve", alt, figure)


def _importances(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[sheets.Plot]:
    every = {name: importance.importances(trials, name) for name in _names(found)}
    every = {name: own for name, own in every.items() if own}
    for name, part in _parts("importance", every, IMPORTANCE_PANELS):
        alt = "Most important parameter: " + "; ".join(
            f"{approach}: {own[0].param} ({own[0].share:.0%}, {own[0].low:.0%} to {own[0].high:.0%})"
            for approach, own in part.items()
        )
        yield sheets.rendered(
            name, alt, search_plots.importances(part, MOST_PARAMS, _part(name), marks.warnings(found))
        )


def _parallels(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[sheets.Plot]:
    for at, name in enumerate(_names(found)[:PARALLEL]):
        complete = [t for t in trials if (t.approach, t.stage, t.state) == (name, SEARCH, "COMPLETE")]
        params = list(dict.fromkeys(param for trial in complete for param in trial.params))
        if not params:
            continue
        means = [100 * float(trial.values("accuracy").mean()) for trial in complete]
        axes = [axis for param in params if (axis := _axis(param, complete)) is not None]
        if not axes:
            continue
        title = f"Complete configurations of {name}"
        figure = search_plots.parallel(title, axes, means, marks.warnings(found))
        alt = f"Parallel coordinates of {len(complete)} complete configurations of {name} over {', '.join(params)}."
        yield sheets.rendered(f"parallel_{at + 1}", alt, figure)


def _axis(param: str, trials: Sequence[TrialRecord]) -> search_plots.Axis | None:
    """Where each configuration lies on one parameter; None for a parameter of one value."""
    distribution = next(trial.distributions[param] for trial in trials if param in trial.params)
    if distribution.single():
        return None
    values: list[Any] = [trial.params.get(param, _NONE) for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        last = len(distribution.choices) - 1
        places = [None if value is _NONE else distribution.choices.index(value) / last for value in values]
        return search_plots.Axis(
            name=param, places=places, ticks={at / last: str(choice) for at, choice in enumerate(distribution.choices)}
        )
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    scale = np.log if distribution.log else float
    low, high = float(scale(distribution.low)), float(scale(distribution.high))
    return search_plots.Axis(
        name=param,
        places=[None if value is _NONE else (float(scale(value)) - low) / (high - low) for value in values],
        ticks={
            0.0: tables.readable(distribution.low),
            1.0: tables.readable(distribution.high) + (" (log)" if distribution.log else ""),
        },
    )


# A configuration without the parameter; None may be a choice.
_NONE: Any = object()


def _costs(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[sheets.Plot]:
    own = {name: curves.cost(trials, name, found["seeds"]) for name in _names(found)}
    if any(cost.seconds for cost in own.values()):
        alt = "Worker seconds: " + "; ".join(f"{name} {cost.seconds:.0f}" for name, cost in own.items())
        yield sheets.rendered("cost", alt, outcome_plots.costs(own, marks.warnings(found)))


def _study(found: Mapping[str, Any]) -> Iterator[sheets.Plot]:
    rows = []
    for row in found["approaches"]:
        reported = row["reported"]
        if reported["mean"] is None or not reported["is_class_accuracy"]:
            continue
        rows.append(
            {
                "approach": row["approach"],
                "reported": (reported["mean"], reported["sd"]),
                "so_set": _mean_and_sd(row["at_reported_setting"]),
                "confirmed": _mean_and_sd(row["confirmed"]),
            }
        )
    if rows:
        alt = "The study's number and ours: " + "; ".join(
            f"{row['approach']} {row['reported'][0]:.1f} %"
            + (f" and {row['confirmed'][0]:.1f} %" if row["confirmed"] else "")
            for row in rows
        )
        yield sheets.rendered("study", alt, outcome_plots.against_study(rows, marks.warnings(found)))


def _mean_and_sd(value: Mapping[str, Any] | None) -> tuple[float, float | None] | None:
    if value is None:
        return None
    return 100 * value["mean"], None if value["sd"] is None else 100 * value["sd"]

"""The report's figures, made from a summary and the journal's trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sweeps.analysis import curves, importance
from sweeps.analysis.intervals import Estimate
from sweeps.analysis.ranges import place_in_range
from sweeps.analysis.summary import Summary
from sweeps.analysis.verdict import UNDECIDED, PairedDifference, versus
from sweeps.core.formatting import counted, readable
from sweeps.stages.ranking import fresh_scores
from sweeps.store.trials import CONFIRM, DECIDE, TrialRecord, searched
from sweeps.views import outcome_figures, robustness_figures, search_figures, shot_figures, text_table
from sweeps.views.figure_style import Interval, Plot, rendered
from sweeps.views.outcome_figures import Difference, MeanAndSd, SeedsRow, StudyRow

# Of each approach, the most important parameters that are drawn, and in one figure the panels.
MOST_PARAMS = 8
IMPORTANCE_PANELS, HISTORY_PANELS = 6, 12
# The approaches whose configurations are drawn as parallel coordinates.
PARALLEL = 3
# Of each approach, configurations in its history and its cost curve, and lines of parallel coordinates: more would be
# one blot, and a page of many megabytes.
MOST_POINTS, MOST_LINES = 1000, 300

Panel = TypeVar("Panel")


def figures(summary: Summary, trials: Sequence[TrialRecord]) -> dict[str, list[Plot]]:
    """The figures of every section of the report; a section has none where there is nothing to draw."""
    return {
        "seeds": list(_seeds(summary, trials)),
        "differences": list(_differences(summary)),
        "shots": list(_shots(summary)),
        "changed": list(_changed(summary)),
        "history": list(_histories(summary, trials)),
        "cost_curve": list(_cost_curves(summary, trials)),
        "importance": list(_importances(summary, trials)),
        "parallel": list(_parallels(summary, trials)),
        "cost": list(_costs(summary, trials)),
        "study": list(_study(summary)),
    }


def _names(summary: Summary) -> list[str]:
    return [row.approach for row in summary.approaches]


def _confirmed_percent(summary: Summary) -> dict[str, float]:
    """Confirmed means of the approaches that are ranked."""
    return {row.approach: 100 * row.quoted.mean for row in summary.approaches if row.quoted and row.is_confirmed}


def _in_percent(value: Estimate | PairedDifference) -> Interval:
    """A mean with its interval in per cent, or in points."""
    return Interval(
        mean=100 * value.mean,
        low=None if value.low is None else 100 * value.low,
        high=None if value.high is None else 100 * value.high,
    )


def _mean_and_sd(value: Estimate | None) -> MeanAndSd | None:
    if value is None:
        return None
    return MeanAndSd(mean_percent=100 * value.mean, sd_percent=None if value.sd is None else 100 * value.sd)


def _seeds(summary: Summary, trials: Sequence[TrialRecord]) -> Iterator[Plot]:
    rows = []
    for row in summary.approaches:
        if row.quoted is None or row.best_trial is None:
            continue
        fresh = fresh_scores(trials, row.approach, row.best_trial, DECIDE if row.decided else CONFIRM)
        rows.append(
            SeedsRow(
                approach=row.approach + text_table.not_ranked(summary, row),
                scores_percent={seed: 100 * score for seed, score in fresh.items()},
                confirmed_percent=_in_percent(row.quoted),
            )
        )
    if rows:
        baseline_percent = _confirmed_percent(summary).get(summary.baseline or "")
        means = "; ".join(f"{row.approach} {row.confirmed_percent.mean:.1f} %" for row in rows)
        figure = outcome_figures.seeds(rows, baseline_percent, summary.warnings, what=summary.spec.measured)
        yield rendered("seeds", f"{summary.spec.measured} of every fresh seed by approach: {means}", figure)


def _differences(summary: Summary) -> Iterator[Plot]:
    others = list(dict.fromkeys(filter(None, [*_names(summary)[:1], summary.baseline])))
    panels = {
        f"each less {other}": {
            name: Difference(points=_in_percent(pair), is_shown=pair.verdict != UNDECIDED)
            for name, pair in versus(summary, other).items()
        }
        for other in others
    }
    panels = {title: pairs for title, pairs in panels.items() if pairs}
    if panels:
        names = [name for name in _names(summary) if name in _confirmed_percent(summary)]
        alt = f"Paired differences in points: {'; '.join(panels)}. The table below has the numbers."
        yield rendered("differences", alt, outcome_figures.differences(panels, names, summary.warnings))


def _shots(summary: Summary) -> Iterator[Plot]:
    curve = summary.shot_curve
    if curve is None:
        return
    curves = {
        each.approach: {point.shots: _in_percent(point.score) for point in each.points if point.score}
        for each in curve.curves
    }
    curves = {name: own for name, own in curves.items() if own}
    if curves:
        what = summary.spec.measured
        figure = shot_figures.shot_curves(curves, curve.own, summary.warnings, what=what)
        alt = (
            f"Mean {what} with its interval against images of each class, for {', '.join(curves)}; the table has them."
        )
        yield rendered("shots", alt, figure)


def _changed(summary: Summary) -> Iterator[Plot]:
    found = summary.robustness
    known = {each.approach: each.changes for each in found.approaches if each.changes} if found else {}
    if known:
        lost = {
            name: {(each.kind, each.severity or 0): 100 * each.loss.mean for each in changes}
            for name, changes in known.items()
        }
        alt = f"Points lost on changed test images by {', '.join(known)}, by kind of change and severity."
        yield rendered("changed", alt, robustness_figures.losses(lost, summary.warnings))


def _histories(summary: Summary, trials: Sequence[TrialRecord]) -> Iterator[Plot]:
    points = {name: own for name in _names(summary) if (own := curves.history(trials, name))}
    what = summary.spec.measured
    for name, part in _parts("history", points, HISTORY_PANELS):
        shown = {approach: curves.thinned(own, MOST_POINTS) for approach, own in part.items()}
        of_whom = "each configuration" if shown == part else f"about {MOST_POINTS} configurations of each approach"
        alt = f"Search history of {', '.join(part)}: mean {what} of {of_whom}, and the best so far."
        title = f"Search history: mean {what} of {of_whom}, %"
        figure = search_figures.histories(shown, _confirmed_percent(summary), summary.warnings, title=title)
        yield rendered(name, alt, figure)


def _parts(name: str, panels: Mapping[str, Panel], most: int) -> Iterator[tuple[str, dict[str, Panel]]]:
    """Panels in figures of at most so many, each with a name of its own."""
    items = list(panels.items())
    for at in range(0, len(items), most):
        yield (name if len(items) <= most else f"{name}_{at // most + 1}"), dict(items[at : at + most])


def _part(name: str) -> str:
    """For a title, which of several figures one of this name is."""
    number = name.rpartition("_")[2]
    return f", part {number}" if number.isdigit() else ""


def _cost_curves(summary: Summary, trials: Sequence[TrialRecord]) -> Iterator[Plot]:
    points = {name: own for name in _names(summary) if (own := curves.spending(trials, name))}
    points = {name: own for name, own in points.items() if own[-1].incumbent is not None and own[-1].seconds > 0}
    if points:
        what = summary.spec.measured
        points = {name: curves.thinned(own, MOST_POINTS) for name, own in points.items()}
        figure = search_figures.cost_curves(points, _confirmed_percent(summary), summary.warnings, what=what)
        alt = f"Best {what} so far against worker seconds spent, for {', '.join(points)}"
        yield rendered("cost_curve", alt, figure)


def _importances(summary: Summary, trials: Sequence[TrialRecord]) -> Iterator[Plot]:
    every = {name: own for name in _names(summary) if (own := importance.importances(trials, name))}
    for name, part in _parts("importance", every, IMPORTANCE_PANELS):
        alt = "Most important parameter: " + "; ".join(
            f"{approach}: {own[0].param} ({own[0].share:.0%}, {own[0].low:.0%} to {own[0].high:.0%})"
            for approach, own in part.items()
        )
        yield rendered(name, alt, search_figures.importances(part, MOST_PARAMS, _part(name), summary.warnings))


def _parallels(summary: Summary, trials: Sequence[TrialRecord]) -> Iterator[Plot]:
    for at, row in enumerate(summary.approaches[:PARALLEL]):
        name = row.approach
        complete = [trial for trial in searched(trials, name) if trial.state == "COMPLETE"]
        params = list(dict.fromkeys(param for trial in complete for param in trial.params))
        axes = [axis for param in params if (axis := _axis(param, complete)) is not None]
        if not axes:
            continue
        shown = f"{f'the best {MOST_LINES} of ' if len(complete) > MOST_LINES else ''}"
        shown += counted(len(complete), "complete configuration")
        title = f"{'Best' if len(complete) > MOST_LINES else 'Complete'} configurations of {name}"
        figure = search_figures.parallel(
            title,
            axes,
            {trial.number: 100 * float(trial.scores.mean()) for trial in complete},
            summary.warnings,
            summary.spec.measured,
            MOST_LINES,
            row.best_trial,
        )
        alt = (
            f"Parallel coordinates of {shown} of {name} over {', '.join(params)}; the thick line is configuration "
            f"{row.best_trial}."
        )
        yield rendered(f"parallel_{at + 1}", alt, figure)


# A configuration without the parameter; None may be a choice.
_NONE: Any = object()


def _axis(param: str, trials: Sequence[TrialRecord]) -> search_figures.Axis | None:
    """Where each configuration lies on one parameter; None for a parameter of one value."""
    distribution = next(trial.distributions[param] for trial in trials if param in trial.params)
    if distribution.single():
        return None
    values: list[Any] = [trial.params.get(param, _NONE) for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        last = len(distribution.choices) - 1
        places = [None if value is _NONE else distribution.choices.index(value) / last for value in values]
        ticks = {at / last: str(choice) for at, choice in enumerate(distribution.choices)}
        return search_figures.Axis(name=param, places=places, ticks=ticks)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return search_figures.Axis(
        name=param,
        places=[None if value is _NONE else place_in_range(value, distribution) for value in values],
        ticks={
            0.0: readable(distribution.low),
            1.0: readable(distribution.high) + (" (log)" if distribution.log else ""),
        },
    )


def _costs(summary: Summary, trials: Sequence[TrialRecord]) -> Iterator[Plot]:
    costs = {name: curves.cost(trials, name, summary.spec.seeds or 0) for name in _names(summary)}
    if any(cost.seconds for cost in costs.values()):
        alt = "Worker seconds: " + "; ".join(f"{name} {cost.seconds:.0f}" for name, cost in costs.items())
        yield rendered("cost", alt, outcome_figures.costs(costs, summary.warnings))


def _study(summary: Summary) -> Iterator[Plot]:
    rows = [
        StudyRow(
            approach=row.approach,
            published=MeanAndSd(mean_percent=published.mean_percent, sd_percent=published.sd_percent),
            at_published_setting=_mean_and_sd(row.at_published_setting),
            confirmed=_mean_and_sd(row.quoted) if row.is_confirmed else None,
        )
        for row in summary.approaches
        if (published := row.published) and published.mean_percent is not None and published.is_class_accuracy
    ]
    if rows:
        alt = "Published numbers and ours: " + "; ".join(
            f"{row.approach} {row.published.mean_percent:.1f} %"
            + (f" and {row.confirmed.mean_percent:.1f} %" if row.confirmed else "")
            for row in rows
        )
        yield rendered("study", alt, outcome_figures.against_study(rows, summary.warnings))

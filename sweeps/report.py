"""The report that a person opens: `report.html`, `report.md` and `plots/`, made from the record alone.

The HTML file holds everything in itself and asks no network for anything. The same record gives the same bytes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sweeps import curves, importance, marks, plots, tables
from sweeps.agenda import CONFIRM_SEEDS_FROM, SEARCH_SEEDS_FROM
from sweeps.challenge import Approach
from sweeps.findings import FINE, KNOW, LOOK, findings
from sweeps.intervals import POOL_ERROR
from sweeps.mlflow_uri import resolve_uri, ui_command
from sweeps.record import JOURNAL, SEARCH, Record, TrialRecord, confirmed_results
from sweeps.verdict import UNDECIDED, percent, verdict, versus
from trainables.protocol import VALIDATION

HTML, MARKDOWN, PLOTS = "report.html", "report.md", "plots"
# Of each approach, the most important parameters that are drawn, and in one figure the panels.
MOST_PARAMS = 8
IMPORTANCE_PANELS, HISTORY_PANELS = 6, 12
# The approaches whose configurations are drawn as parallel coordinates.
PARALLEL = 3
# A mark's symbol, since a colour says nothing alone.
SYMBOLS = {LOOK: "▲", KNOW: "●", FINE: "✓"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under their names, the first column naming the row; `left` are further columns of words."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    left: Sequence[str] = ()


def try_to_write(
    record: Record, approaches: Sequence[Approach], found: Mapping[str, Any]
) -> tuple[list[Path], str | None]:
    """Write the report; the files, and one line about what went wrong instead of an error.

    It comes last, and nothing that a sweep has found depends on it.
    """
    try:
        return write(record, approaches, found), None
    except Exception as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        return [], f"Report  not written ({type(error).__name__}: {first_line}); the record has everything"


def write(record: Record, approaches: Sequence[Approach], found: Mapping[str, Any]) -> list[Path]:
    """Write `report.html`, `report.md` and `plots/` beside the journal, each file whole; returns them.

    Args:
        record: What it is made from.
        approaches: Those in the summary.
        found: The summary of this record.
    """
    trials = record.trials([approach.name for approach in approaches])
    with plots.style():
        drawn = {section: list(figures) for section, figures in _figures(found, trials).items()}
    content = _content(record, found, trials, drawn)
    written = plots.write([plot for figures in drawn.values() for plot in figures], record.folder / PLOTS)
    for name in (HTML, MARKDOWN):
        text = _template(f"{name}.jinja").render(content)
        unfinished = record.folder / f"{name}.tmp"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(record.folder / name)
    return [record.folder / HTML, record.folder / MARKDOWN, *written]


def _template(name: str) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "markdown_table": markdown_table}
    return environment.get_template(name)


def plain(text: object) -> str:
    """Text that Markdown shows as it is: without tags, table borders, or new lines."""
    safe = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
    return " ".join(safe.split())


def markdown_table(table: Table) -> str:
    """A table in Markdown."""
    sides = [":--" if at == 0 or name in table.left else "--:" for at, name in enumerate(table.head)]
    lines = [table.head, sides, *table.rows]
    return "\n".join(f"| {' | '.join(plain(cell) for cell in line)} |" for line in lines)


def _content(
    record: Record, found: Mapping[str, Any], trials: Sequence[TrialRecord], drawn: Mapping[str, Sequence[plots.Plot]]
) -> dict[str, Any]:
    """Everything that the templates show."""
    checked = findings(found, trials)
    last = _last_ms(found, trials)
    return {
        "name": found["sweep"],
        "challenge": found.get("challenge", ""),
        "warnings": marks.warnings(found),
        "verdict": verdict(found) if found["approaches"] else ["There is no approach in this sweep."],
        "findings": checked,
        "symbols": SYMBOLS,
        "to_look_at": sum(finding.mark == LOOK for finding in checked),
        "rows": found["approaches"],
        "approaches": _approaches_table(found),
        "legend": tables.LEGEND,
        "pool_error": percent(POOL_ERROR),
        "pairs": _pairs_table(found),
        "equal_cost": _equal_cost_table(found, trials),
        "left_out": _too_few(found, trials),
        "least_complete": importance.LEAST_COMPLETE,
        "cost": _cost_table(found, trials),
        "study": _study_table(found),
        "facts": _facts(found),
        "starts": [_start(start) for start in found["starts"]],
        "commands": _commands(record.folder, found),
        "files": _files(),
        "date": _utc(last) if last else "",
        "plots": drawn,
        "folder": PLOTS,
    }


# Figures.


def _figures(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> dict[str, Iterator[plots.Plot]]:
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


def _seeds(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[plots.Plot]:
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
        figure = plots.seeds(rows, _confirmed(found).get(found["baseline"] or ""), marks.warnings(found))
        alt = "Accuracy of every fresh seed by approach: " + "; ".join(
            f"{row['approach']} {row['mean']:.1f} %" for row in rows
        )
        yield plots.rendered("seeds", alt, figure)


def _differences(found: Mapping[str, Any]) -> Iterator[plots.Plot]:
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
        yield plots.rendered("differences", alt, plots.differences(shown, names, marks.warnings(found)))


def _histories(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[plots.Plot]:
    points = {name: curves.history(trials, name) for name in _names(found)}
    points = {name: own for name, own in points.items() if own}
    for name, part in _parts("history", points, HISTORY_PANELS):
        alt = f"Search history of {', '.join(part)}: each configuration's mean accuracy and the best so far."
        yield plots.rendered(name, alt, plots.histories(part, _confirmed(found), marks.warnings(found)))


def _parts(name: str, panels: Mapping[str, Any], most: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Panels in figures of at most so many, each with a name of its own."""
    items = list(panels.items())
    for at in range(0, len(items), most):
        yield (name if len(items) <= most else f"{name}_{at // most + 1}"), dict(items[at : at + most])


def _part(name: str) -> str:
    """For a title, which of several figures one of this name is."""
    number = name.rpartition("_")[2]
    return f", part {number}" if number.isdigit() else ""


def _cost_curves(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[plots.Plot]:
    points = {name: curves.spending(trials, name) for name in _names(found)}
    points = {
        name: own for name, own in points.items() if own and own[-1].incumbent is not None and own[-1].seconds > 0
    }
    if points:
        figure = plots.cost_curves(points, _confirmed(found), marks.warnings(found))
        alt = "Best accuracy so far against CPU seconds spent, for " + ", ".join(points)
        yield plots.rendered("cost_curve", alt, figure)


def _importances(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[plots.Plot]:
    every = {name: importance.importances(trials, name) for name in _names(found)}
    every = {name: own for name, own in every.items() if own}
    for name, part in _parts("importance", every, IMPORTANCE_PANELS):
        alt = "Most important parameter: " + "; ".join(
            f"{approach}: {own[0].param} ({own[0].share:.0%}, {own[0].low:.0%} to {own[0].high:.0%})"
            for approach, own in part.items()
        )
        yield plots.rendered(name, alt, plots.importances(part, MOST_PARAMS, _part(name), marks.warnings(found)))


def _parallels(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[plots.Plot]:
    for at, name in enumerate(_names(found)[:PARALLEL]):
        complete = [t for t in trials if (t.approach, t.stage, t.state) == (name, SEARCH, "COMPLETE")]
        params = list(dict.fromkeys(param for trial in complete for param in trial.params))
        if not params:
            continue
        means = [100 * float(trial.values("accuracy").mean()) for trial in complete]
        axes = [axis for param in params if (axis := _axis(param, complete)) is not None]
        title = f"Complete configurations of {name}"
        figure = plots.parallel(title, axes, means, marks.warnings(found))
        alt = f"Parallel coordinates of {len(complete)} complete configurations of {name} over {', '.join(params)}."
        yield plots.rendered(f"parallel_{at + 1}", alt, figure)


def _axis(param: str, trials: Sequence[TrialRecord]) -> plots.Axis | None:
    """Where each configuration lies on one parameter; None for a parameter of one value."""
    distribution = next(trial.distributions[param] for trial in trials if param in trial.params)
    if distribution.single():
        return None
    values: list[Any] = [trial.params.get(param, _NONE) for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        last = len(distribution.choices) - 1
        places = [None if value is _NONE else distribution.choices.index(value) / last for value in values]
        return plots.Axis(
            name=param, places=places, ticks={at / last: str(choice) for at, choice in enumerate(distribution.choices)}
        )
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    scale = np.log if distribution.log else float
    low, high = float(scale(distribution.low)), float(scale(distribution.high))
    return plots.Axis(
        name=param,
        places=[None if value is _NONE else (float(scale(value)) - low) / (high - low) for value in values],
        ticks={
            0.0: tables.readable(distribution.low),
            1.0: tables.readable(distribution.high) + (" (log)" if distribution.log else ""),
        },
    )


# A configuration without the parameter; None may be a choice.
_NONE: Any = object()


def _costs(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Iterator[plots.Plot]:
    own = {name: curves.cost(trials, name, found["seeds"]) for name in _names(found)}
    if any(cost.seconds for cost in own.values()):
        alt = "CPU seconds: " + "; ".join(f"{name} {cost.seconds:.0f}" for name, cost in own.items())
        yield plots.rendered("cost", alt, plots.costs(own, marks.warnings(found)))


def _study(found: Mapping[str, Any]) -> Iterator[plots.Plot]:
    rows = []
    for row in found["approaches"]:
        reported = row["reported"]
        if reported["mean"] is None:
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
        yield plots.rendered("study", alt, plots.against_study(rows, marks.warnings(found)))


def _mean_and_sd(value: Mapping[str, Any] | None) -> tuple[float, float | None] | None:
    if value is None:
        return None
    return 100 * value["mean"], None if value["sd"] is None else 100 * value["sd"]


# Tables.


def _approaches_table(found: Mapping[str, Any]) -> Table:
    """The printed table, in the same words."""
    rows = tables.printed_rows(found)
    head = list(rows[0]) if rows else ["approach"]
    return Table(
        head=head,
        rows=[
            [_typeset(row[name]) if name not in ("approach", "weights") else row[name] for name in head] for row in rows
        ],
        caption="Accuracy on balanced validation images in per cent, mean ± standard deviation over seeds",
        left=("weights",),
    )


def _typeset(text: str) -> str:
    return text.replace("+-", "±").replace("-", "\N{MINUS SIGN}")


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")


def _pairs_table(found: Mapping[str, Any]) -> Table:
    rows = [
        [
            pair["better"],
            pair["worse"],
            _points(pair["mean"]),
            f"{_points(pair['low'])} to {_points(pair['high'])}",
            "shown" if pair["is_shown"] else "not shown",
            f"{pair['p_holm']:.3f}" if pair["p_holm"] >= 0.001 else "< 0.001",
            _probability(pair["probability"]),
            f"{100 * pair['wins']:.0f} %",
            str(pair["n"]),
        ]
        for pair in found["comparisons"]
    ]
    head = ["better", "than", "points", "95 % interval", "verdict", "Holm p", "P(better)", "seeds won", "seeds"]
    caption = "All pairs of confirmed approaches on their common fresh seeds, clearest first"
    return Table(head=head, rows=rows, caption=caption, left=("than", "verdict"))


def _probability(value: float) -> str:
    return "> 99.9 %" if value > 0.999 else f"{100 * value:.1f} %"


def _equal_cost_table(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Table:
    spendings = {name: curves.spending(trials, name) for name in _names(found)}
    budgets = curves.budgets(spendings)
    rows = []
    for row in found["approaches"]:
        points = spendings[row["approach"]]
        if not points:
            continue
        cells = []
        for budget in budgets:
            known = curves.incumbent_at(points, budget)
            is_over = points[-1].seconds < budget * (1 - 1e-9)
            cells.append("none yet" if known is None else percent(known) + (" (ended)" if is_over else ""))
        confirmed = row["confirmed"]
        rows.append(
            [
                row["approach"],
                *cells,
                _seconds(points[-1].seconds),
                f"{row['seconds_a_seed']:.2f}" if row["seconds_a_seed"] is not None else "",
                percent(confirmed["mean"]) if confirmed else "",
            ]
        )
    head = ["approach", *(f"after {_seconds(budget)}" for budget in budgets), "all it spent", "s a seed", "confirmed"]
    return Table(head=head, rows=rows, caption="Best so far in the search, in per cent, at equal cost in CPU time")


def _seconds(value: float) -> str:
    # Blanks that do not break, so that a number stays with its unit.
    if value < 120:
        return f"{value:.3g}\u00a0s"
    return f"{value / 60:.3g}\u00a0min" if value < 7200 else f"{value / 3600:.3g}\u00a0h"


def _too_few(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> list[str]:
    """Approaches with too few configurations for an importance."""
    complete = {row["approach"]: row["configurations"]["complete"] for row in found["approaches"]}
    return [f"{name} ({count})" for name, count in complete.items() if count < importance.LEAST_COMPLETE]


def _cost_table(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Table:
    own = {name: curves.cost(trials, name, found["seeds"]) for name in _names(found)}
    rows = [_cost_row(name, cost) for name, cost in own.items()]
    if len(own) > 1:
        fields = ("complete_seconds", "other_seconds", "confirm_seconds", "planned", "spared")
        rows.append(
            _cost_row("all", curves.Cost(**{key: sum(getattr(cost, key) for cost in own.values()) for key in fields}))
        )
    head = ["approach", "search: complete", "search: others", "confirmation", "together", "seeds spared by racing"]
    return Table(head=head, rows=rows, caption="CPU time by approach and stage, and what racing spared")


def _cost_row(name: str, cost: curves.Cost) -> list[str]:
    spared = f"{cost.spared} of {cost.planned} ({100 * cost.spared / cost.planned:.0f} %)" if cost.planned else "none"
    seconds = (cost.complete_seconds, cost.other_seconds, cost.confirm_seconds, cost.seconds)
    return [name, *map(_seconds, seconds), spared]


def _study_table(found: Mapping[str, Any]) -> Table:
    rows = [
        [
            row["approach"],
            _typeset(tables.reported(row["reported"])),
            str(row["reported"]["seeds"] or ""),
            _typeset(tables.mean_sd(row["at_reported_setting"])),
            _typeset(tables.mean_sd(row["confirmed"])),
        ]
        for row in found["approaches"]
    ]
    head = ["approach", "reported", "its seeds", "ours so set", "ours confirmed"]
    return Table(head=head, rows=rows, caption="Accuracy in per cent, mean ± standard deviation over seeds")


# How it was run, and how to go on.


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was fixed for the whole sweep."""
    seeds = found["seeds"]
    options = found["starts"][-1]["options"] if found["starts"] else {}
    wanted = options.get("confirm_seeds", 0)
    facts = [
        ("Challenge", found.get("challenge")),
        ("Images", f"{found['dataset']} (fingerprint {found.get('dataset_fingerprint', 'none')})"),
        *((f"Images of {name}", _with_print(found, "others", name)) for name in found["others"]),
        *((f"Weights of {name}", _with_print(found, "weights", name)) for name in found["weights"]),
        ("Precision of the backbones", found.get("precision")),
        (
            "Seeds of the search",
            f"{SEARCH_SEEDS_FROM} to {SEARCH_SEEDS_FROM + seeds - 1}, the same for every configuration",
        ),
        (
            "Fresh seeds",
            f"{CONFIRM_SEEDS_FROM} to {CONFIRM_SEEDS_FROM + wanted - 1}, for the best configuration of each approach, "
            "on validation images and on the test split",
        ),
        ("Seed of the sampler", found.get("search_seed")),
        ("Configurations an approach", options.get("num_samples")),
        ("Version of the training code", found.get("numbers_version")),
    ]
    return [(what, str(value)) for what, value in facts if value is not None]


def _with_print(found: Mapping[str, Any], key: str, name: str) -> str:
    fingerprint = found.get(f"{key}_fingerprint", {}).get(name)
    return found[key][name] + (f" (fingerprint {fingerprint})" if fingerprint else "")


def _start(start: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "time": _utc(start["time_ms"]) if "time_ms" in start else "time unknown",
        "command": start.get("command", "unknown"),
        "git_revision": start.get("git_revision", "unknown"),
        "versions": ", ".join(f"{name} {version}" for name, version in start.get("versions", {}).items()),
        "notices": start.get("notices", []),
    }


def _utc(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _last_ms(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> int:
    """When the last seed finished, or the sweep was started last."""
    stamps = [result.timestamp_ms for trial in trials for result in trial.results]
    return max([*stamps, *(start.get("time_ms", 0) for start in found["starts"])], default=0)


def _commands(folder: Path, found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a person may want to do next, and what to type for it."""
    options = found["starts"][-1]["options"] if found["starts"] else {}
    where = "" if folder.parent == Path("results") else f"--results-dir {shlex.quote(str(folder.parent))} "
    resume = f"python sweeps/{found.get('challenge', 'CHALLENGE')}.py {where}--resume {shlex.quote(folder.name)}"
    quoted = shlex.quote(str(folder))
    commands = [("Go on where it stopped", resume)]
    if options.get("num_samples"):
        commands.append(("Extend the search", f"{resume} --num-samples {2 * options['num_samples']}"))
    best = found["approaches"][0] if found["approaches"] else None
    if best and best["best_trial"] is not None:
        seed = CONFIRM_SEEDS_FROM if best["confirmed"] else SEARCH_SEEDS_FROM
        rerun = (
            f"python sweeps/rerun.py {quoted} --approach {best['approach']} --trial {best['best_trial']} --seed {seed}"
        )
        commands.append(("Train one seed of the best configuration again and compare", rerun))
    commands.append(("See every run in MLflow", ui_command(resolve_uri(options.get("tracking_uri")))))
    journal = shlex.quote(str(folder / JOURNAL))
    dashboard = f"pip install optuna-dashboard\ncp {journal} copy.journal\noptuna-dashboard copy.journal"
    what = "Look through the search interactively; in a copy, since its buttons can delete"
    return [*commands, (what, dashboard)]


def _files() -> list[tuple[str, str]]:
    return [
        (JOURNAL, "the record, an Optuna journal; all else is made from it"),
        ("seeds.csv", "one row a seed and split, with every metric"),
        ("trials.csv", "one row a configuration, with its parameters, and its reason if it failed"),
        ("summary.json", "the table and the comparisons for programs, with every metric"),
        (f"{HTML}, {MARKDOWN}, {PLOTS}/", "this report, the same as Markdown, and its figures as PNG"),
    ]

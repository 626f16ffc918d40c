"""The report's tables, made from a summary and the record's trials, and how Markdown writes a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps import curves, tables
from sweeps.record import TrialRecord
from sweeps.verdict import percent


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under their names, the first column naming the row; `left` are further columns of words."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    left: Sequence[str] = ()


def plain(text: object) -> str:
    """Text that Markdown shows as it is: without tags, table borders, or new lines."""
    safe = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
    return " ".join(safe.split())


def markdown(table: Table) -> str:
    """A table in Markdown."""
    sides = [":--" if at == 0 or name in table.left else "--:" for at, name in enumerate(table.head)]
    lines = [table.head, sides, *table.rows]
    return "\n".join(f"| {' | '.join(plain(cell) for cell in line)} |" for line in lines)


def approaches(found: Mapping[str, Any]) -> Table:
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


def _names(found: Mapping[str, Any]) -> list[str]:
    return [row["approach"] for row in found["approaches"]]


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "\N{MINUS SIGN}")


def pairs(found: Mapping[str, Any]) -> Table:
    """Every comparison of two approaches."""
    rows = [
        [
            pair["better"],
            pair["worse"],
            "shown" if pair["is_shown"] else "not shown",
            _points(pair["mean"]),
            f"{_points(pair['low'])} to {_points(pair['high'])}",
            f"{pair['p_holm']:.3f}" if pair["p_holm"] >= 0.001 else "< 0.001",
            _probability(pair["probability"]),
            f"{100 * pair['wins']:.0f} %",
            str(pair["n"]),
        ]
        for pair in found["comparisons"]
    ]
    head = ["better", "than", "verdict", "points", "95 % interval", "Holm p", "P(better)", "seeds won", "seeds"]
    caption = "All pairs of confirmed approaches on their common fresh seeds, clearest first"
    return Table(head=head, rows=rows, caption=caption, left=("than", "verdict"))


def _probability(value: float) -> str:
    return "> 99.9 %" if value > 0.999 else f"{100 * value:.1f} %"


def equal_cost(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Table:
    """What each search had found when all had cost the same."""
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
    return Table(
        head=head,
        rows=rows,
        caption="Best so far in the search, in per cent, at equal cost in time of a worker",
    )


def _seconds(value: float) -> str:
    # Blanks that do not break, so that a number stays with its unit.
    if value < 120:
        return f"{value:.3g}\u00a0s"
    return f"{value / 60:.3g}\u00a0min" if value < 7200 else f"{value / 3600:.3g}\u00a0h"


def cost(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> Table:
    """Workers' time by approach and stage, with the sum of all."""
    own = {name: curves.cost(trials, name, found["seeds"]) for name in _names(found)}
    rows = [_cost_row(name, cost) for name, cost in own.items()]
    if len(own) > 1:
        fields = ("complete_seconds", "other_seconds", "confirm_seconds", "planned", "spared")
        rows.append(
            _cost_row("all", curves.Cost(**{key: sum(getattr(cost, key) for cost in own.values()) for key in fields}))
        )
    head = ["approach", "search: complete", "search: others", "confirmation", "together", "seeds spared by racing"]
    return Table(
        head=head,
        rows=rows,
        caption="Time of one worker, which has one CPU, by approach and stage, and what racing spared",
    )


def _cost_row(name: str, cost: curves.Cost) -> list[str]:
    spared = f"{cost.spared} of {cost.planned} ({100 * cost.spared / cost.planned:.0f} %)" if cost.planned else "none"
    seconds = (cost.complete_seconds, cost.other_seconds, cost.confirm_seconds, cost.seconds)
    return [name, *map(_seconds, seconds), spared]


def study(found: Mapping[str, Any]) -> Table:
    """The study's numbers and ours."""
    rows = [
        [
            row["approach"],
            _typeset(tables.reported(row["reported"]))
            + ("" if row["reported"]["is_class_accuracy"] else " (no accuracy of the class)"),
            str(row["reported"]["seeds"] or ""),
            _typeset(tables.mean_sd(row["at_reported_setting"])),
            _typeset(tables.mean_sd(row["confirmed"])),
        ]
        for row in found["approaches"]
    ]
    head = ["approach", "reported", "its seeds", "ours so set", "ours confirmed"]
    return Table(head=head, rows=rows, caption="Accuracy in per cent, mean ± standard deviation over seeds")

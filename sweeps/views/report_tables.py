"""The report's tables, made from a summary and the journal's trials, and how Markdown writes a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.analysis import curves
from sweeps.analysis.approach_summary import ApproachSummary
from sweeps.analysis.summary import Summary
from sweeps.core.formatting import capital, mean_sd, percent, points
from sweeps.store.trials import TrialRecord
from sweeps.views import text_table
from sweeps.views.probabilities import taken_for
from trainables.parts.metrics import recall_names


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


def approaches(summary: Summary) -> Table:
    """The printed table, in the same words."""
    rows = text_table.printed_rows(summary)
    head = list(rows[0]) if rows else ["approach"]
    words = ("approach", "weights")
    return Table(
        head=head,
        rows=[[row[name] if name in words else typeset(row[name]) for name in head] for row in rows],
        caption=f"{capital(summary.spec.measured)} on balanced validation images in per cent, mean ± standard "
        "deviation over seeds",
        left=("weights",),
    )


def recalls(summary: Summary) -> Table:
    """How often images of each class get it, best approach first."""
    classes = summary.spec.protocol.classes
    return Table(
        head=["approach", *classes],
        rows=[
            [
                row.approach + text_table.not_ranked(summary, row),
                *(typeset(mean_sd(row.quoted_validation.get(name))) for name in recall_names(classes)),
            ]
            for row in summary.approaches
        ],
        caption="Recall of each class on fresh seeds' validation images in per cent, mean ± standard deviation"
        + (f"; {of_the_positive(classes)}" if len(classes) == 2 else ""),
    )


def of_the_positive(classes: Sequence[str]) -> str:
    """Of two classes, what sensitivity and specificity are."""
    negative, positive = classes
    return (
        f"{positive}, the second class, is the positive one: sensitivity is the recall of {positive}, specificity that "
        f"of {negative}"
    )


def metric_titles(classes: Sequence[str]) -> dict[str, str]:
    """What a person calls each metric on balanced validation images, by its name, without the balanced accuracy."""
    recalls = zip(recall_names(classes), classes, strict=True)
    two = len(classes) == 2
    return {
        "accuracy": "accuracy",
        "auroc": "AUROC",
        **{name: f"{name} (recall of {own})" if two else f"recall of {own}" for name, own in recalls},
        "brier": "Brier score",
    }


def confused(summary: Summary, trials: Sequence[TrialRecord]) -> Table | None:
    """Of three or more classes, which one the best approach takes for which; None where that is not known."""
    classes = summary.spec.protocol.classes
    if len(classes) < 3 or not summary.approaches:
        return None
    best = summary.approaches[0]
    shares = taken_for(best, trials, summary.spec)
    if shares is None:
        return None
    return Table(
        head=["class", *classes],
        rows=[[name, *map(percent, own)] for name, own in zip(classes, shares, strict=True)],
        caption=f"What {best.approach} takes the test images of each class for, in per cent of the row's class, mean "
        "over fresh seeds",
    )


def typeset(text: str) -> str:
    """Printed text with the signs of print."""
    return text.replace("+-", "±").replace("-", "\N{MINUS SIGN}")


def pairs(summary: Summary) -> Table:
    """Every comparison of two approaches."""
    rows = [
        [
            pair.better,
            pair.worse,
            "shown" if pair.is_shown else "not shown",
            typeset(points(pair.mean)),
            typeset(f"{points(pair.low)} to {points(pair.high)}"),
            f"{pair.p_holm:.3f}" if pair.p_holm >= 0.001 else "< 0.001",
            f"{100 * pair.probability:.1f} %" if pair.probability <= 0.999 else "> 99.9 %",
            f"{100 * pair.wins:.0f} %",
            str(pair.n),
            *([pair.block] if summary.decision else []),
        ]
        for pair in summary.comparisons
    ]
    head = ["better", "than", "verdict", "points", "95 % interval", "Holm p", "P(better)", "seeds won", "seeds"]
    head += ["on seeds of the"] if summary.decision else []
    caption = "All pairs of confirmed approaches on their common fresh seeds, clearest first"
    return Table(head=head, rows=rows, caption=caption, left=("than", "verdict"))


def equal_cost(summary: Summary, trials: Sequence[TrialRecord]) -> Table:
    """What each search had found when all had cost the same."""
    spendings = {row.approach: curves.spending(trials, row.approach) for row in summary.approaches}
    budgets = curves.budgets(spendings)
    rows = [_equal_cost_row(row, points, budgets) for row in summary.approaches if (points := spendings[row.approach])]
    after = [f"after {_seconds(budget)}" for budget in budgets]
    return Table(
        head=["approach", *after, "all it spent", "seconds/seed", "confirmed"],
        rows=rows,
        caption="Best so far in the search, in per cent, at equal cost in time of a worker",
    )


def _equal_cost_row(row: ApproachSummary, points: Sequence[curves.Point], budgets: Sequence[float]) -> list[str]:
    spent = points[-1].seconds
    return [
        row.approach,
        *(_incumbent(points, budget) for budget in budgets),
        _seconds(spent),
        f"{row.seconds_per_seed:.2f}" if row.seconds_per_seed is not None else "",
        percent(row.quoted.mean) if row.quoted and row.is_confirmed else "",
    ]


def _incumbent(points: Sequence[curves.Point], budget: float) -> str:
    """The best configuration when so many seconds were spent, and whether the search had ended before."""
    known = curves.incumbent_at(points, budget)
    is_over = points[-1].seconds < budget * (1 - 1e-9)
    return "none yet" if known is None else percent(known) + (" (ended)" if is_over else "")


def _seconds(value: float) -> str:
    # Blanks that do not break, so that a number stays with its unit.
    if value < 120:
        return f"{value:.3g}\u00a0s"
    return f"{value / 60:.3g}\u00a0min" if value < 7200 else f"{value / 3600:.3g}\u00a0h"


def cost(summary: Summary, trials: Sequence[TrialRecord]) -> Table:
    """Workers' time by approach and stage, with the sum of all."""
    names = [row.approach for row in summary.approaches]
    costs = {name: curves.cost(trials, name, summary.spec.seeds or 0) for name in names}
    whole = _sum(list(costs.values()))
    # Every sweep has the others.
    may_lack = ("intensification", "shot curve", "changed images")
    run = [stage for stage, seconds in _by_stage(whole).items() if seconds or stage not in may_lack]
    rows = [_cost_row(name, cost, run) for name, cost in costs.items()]
    if len(costs) > 1:
        rows.append(_cost_row("all", whole, run))
    return Table(
        head=["approach", *run, "together", "seeds spared by racing"],
        rows=rows,
        caption="Time of one worker, which has one CPU, by approach and stage, and what racing spared",
    )


def _sum(costs: Sequence[curves.Cost]) -> curves.Cost:
    return curves.Cost(
        complete_seconds=sum(cost.complete_seconds for cost in costs),
        other_seconds=sum(cost.other_seconds for cost in costs),
        intensify_seconds=sum(cost.intensify_seconds for cost in costs),
        confirm_seconds=sum(cost.confirm_seconds for cost in costs),
        curve_seconds=sum(cost.curve_seconds for cost in costs),
        changed_seconds=sum(cost.changed_seconds for cost in costs),
        planned=sum(cost.planned for cost in costs),
        spared=sum(cost.spared for cost in costs),
    )


def _cost_row(name: str, cost: curves.Cost, run: Sequence[str]) -> list[str]:
    spared = f"{cost.spared} of {cost.planned} ({100 * cost.spared / cost.planned:.0f} %)" if cost.planned else "none"
    by_stage = _by_stage(cost)
    return [name, *(_seconds(by_stage[stage]) for stage in run), _seconds(cost.seconds), spared]


def _by_stage(cost: curves.Cost) -> dict[str, float]:
    return {
        "search: complete": cost.complete_seconds,
        "search: others": cost.other_seconds,
        "intensification": cost.intensify_seconds,
        "confirmation": cost.confirm_seconds,
        "shot curve": cost.curve_seconds,
        "changed images": cost.changed_seconds,
    }


def study(summary: Summary) -> Table:
    """The study's numbers and ours, of the approaches that it has."""
    rows = [
        [
            row.approach,
            typeset(text_table.published(published))
            + ("" if published.is_class_accuracy else " (not an accuracy of the class)"),
            str(published.seeds or ""),
            typeset(mean_sd(row.at_published_setting)),
            typeset(mean_sd(row.quoted)) if row.is_confirmed else "",
        ]
        for row in summary.approaches
        if (published := row.published) and published.is_of_the_study
    ]
    head = ["approach", "published", "its seeds", "our run of it", "ours, confirmed"]
    return Table(head=head, rows=rows, caption="Accuracy in per cent, mean ± standard deviation over seeds")

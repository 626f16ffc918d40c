"""The answer in words: which approach is best, by how much, would it hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps import marks
from sweeps.comparisons import ERROR

BETTER, UNDECIDED, WORSE = "better", "not shown to differ", "worse"


def verdict(found: Mapping[str, Any]) -> list[str]:
    """Three sentences from a summary; one if nothing is confirmed.

    They are: the best approach with its interval and what it gains over the plain baseline; from which others it is
    not told apart; whether it held outside the search, on fresh seeds and on the test split.
    """
    best = found["approaches"][0]
    if not best["is_confirmed"]:
        return ["No approach is confirmed yet, so there is no answer."]
    name = best["approach"]
    return [_which(found, best), _apart(found, name), _held(best)]


def _which(found: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    confirmed = best["confirmed"]
    marked = marks.marked(marks.warnings(found))
    number = f"{percent(confirmed['mean'])} %{interval(confirmed)} on {confirmed['n']} fresh seeds"
    text = f"{best['approach']} is best with {number}{marked}"
    against = versus(found, found["baseline"]).get(best["approach"])
    if against is None:
        others = versus(found, best["approach"])
        return f"{text}: nothing confirmed has a greater mean than the plain baseline." if others else f"{text}."
    # The best has the greater mean, so it cannot be shown to be worse.
    word = "better than" if against["verdict"] == BETTER else "not shown to differ from"
    by_itself = (
        f": by itself it would, corrected for {len(found['comparisons'])} pairs it does not"
        if against["verdict"] == UNDECIDED and against["low"] > 0
        else ""
    )
    return f"{text}; it is {word} the plain baseline {found['baseline']} ({points(against)} points{by_itself})."


def _apart(found: Mapping[str, Any], name: str) -> str:
    others = versus(found, name)
    if not others:
        return "There is no other confirmed approach to compare it with on at least two common seeds."
    missing = sum(not row["is_confirmed"] for row in found["approaches"])
    confirmed = "confirmed approach" + (f", {missing} not being confirmed" if missing else "")
    # Seen from the others: where they are worse, it is better.
    # The first sentence has the baseline's numbers.
    alike = [
        other if other == found["baseline"] else f"{other} ({points(pair)})"
        for other, pair in others.items()
        if pair["verdict"] != WORSE
    ]
    pairs = len(found["comparisons"])
    correction = f"at a level of {ERROR:.0%}" + (f", corrected for all {pairs} pairs" if pairs > 1 else "")
    if not alike:
        return f"It is shown to be better than every other {confirmed} ({correction})."
    shown = len(others) - len(alike)
    text = f"{shown} of the {len(others)} others" if shown else "none of the others"
    text += f" ({missing} more are not confirmed)" if missing else ""
    return (
        f"It is shown to be better than {text} ({correction}); not told apart from it, in points: {', '.join(alike)}."
    )


def _held(best: Mapping[str, Any]) -> str:
    test = best["test"].get("balanced_accuracy")
    difference = 100 * best["optimism"]
    word = "lower" if difference > 0 else "higher"
    text = f"On fresh seeds its mean is {abs(difference):.1f} points {word} than in the search"
    if test is None:
        return f"{text}."
    return (
        f"{text}; on the official test split, other images in another mixture, its balanced accuracy is "
        f"{percent(test['mean'])} %{interval(test)}."
    )


def versus(found: Mapping[str, Any], name: str | None) -> dict[str, dict[str, Any]]:
    """Every other confirmed approach compared with this one, in the table's order.

    Each has `mean`, `low`, `high` (the other's accuracy less this one's), `p_holm`, and `verdict` on the other.
    """
    pairs = {}
    for pair in found["comparisons"]:
        if name not in (pair["better"], pair["worse"]):
            continue
        is_ahead = pair["worse"] == name
        ends = (pair["low"], pair["high"]) if is_ahead else (-pair["high"], -pair["low"])
        pairs[pair["better"] if is_ahead else pair["worse"]] = {
            "mean": pair["mean"] if is_ahead else -pair["mean"],
            "low": ends[0],
            "high": ends[1],
            "p_holm": pair["p_holm"],
            "verdict": UNDECIDED if not pair["is_shown"] else BETTER if is_ahead else WORSE,
        }
    return {row["approach"]: pairs[row["approach"]] for row in found["approaches"] if row["approach"] in pairs}


def points(pair: Mapping[str, Any]) -> str:
    """A difference in points with its interval."""
    # Adding 0 turns a rounded -0.0 into 0.0.
    mean, low, high = (f"{round(100 * pair[key], 1) + 0.0:+.1f}" for key in ("mean", "low", "high"))
    return f"{mean}, {low} to {high}"


def interval(estimate: Mapping[str, Any]) -> str:
    """The 95 % interval in per cent, behind a number; empty where there is none."""
    if estimate["low"] is None:
        return ""
    return f" (95 % interval {percent(estimate['low'])} to {percent(estimate['high'])})"


def percent(fraction: float) -> str:
    """A fraction in per cent, with one digit after the point."""
    return f"{100 * fraction:.1f}"

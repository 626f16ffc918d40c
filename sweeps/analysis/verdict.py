"""The answer in words: which approach is best, by how much, would it hold."""

from __future__ import annotations

from dataclasses import dataclass

from sweeps.analysis import caveats
from sweeps.analysis.comparisons import ERROR, Comparison
from sweeps.analysis.intervals import Estimate
from sweeps.analysis.optimism import Optimism
from sweeps.analysis.summary import ApproachSummary, Summary
from sweeps.core.formatting import interval_percent, percent, points

BETTER, UNDECIDED, WORSE = "better", "not shown to differ", "worse"


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """An approach compared with a second one on their common fresh seeds.

    Attributes:
        mean: Its score less that of the second.
        low: Lower end of the 95 % interval of the mean.
        high: Its upper end.
        p_holm: Of the paired t test, corrected for all pairs of the sweep.
        verdict: On the approach: BETTER, UNDECIDED or WORSE.
    """

    mean: float
    low: float
    high: float
    p_holm: float
    verdict: str

    @property
    def in_points(self) -> str:
        """The mean and its interval in points: "+1.1, +0.1 to +2.1"."""
        return f"{points(self.mean)}, {points(self.low)} to {points(self.high)}"


def versus(summary: Summary, name: str | None) -> dict[str, PairedDifference]:
    """Every other confirmed approach compared with this one, in the table's order; empty if there is no such pair."""
    found = {}
    for pair in summary.comparisons:
        if pair.worse == name:
            found[pair.better] = _ahead(pair)
        elif pair.better == name:
            found[pair.worse] = _behind(pair)
    return {row.approach: found[row.approach] for row in summary.approaches if row.approach in found}


def _ahead(pair: Comparison) -> PairedDifference:
    verdict = BETTER if pair.is_shown else UNDECIDED
    return PairedDifference(mean=pair.mean, low=pair.low, high=pair.high, p_holm=pair.p_holm, verdict=verdict)


def _behind(pair: Comparison) -> PairedDifference:
    verdict = WORSE if pair.is_shown else UNDECIDED
    return PairedDifference(mean=-pair.mean, low=-pair.high, high=-pair.low, p_holm=pair.p_holm, verdict=verdict)


def verdict(summary: Summary) -> list[str]:
    """Three sentences; one if nothing is confirmed.

    They are: the best approach with its interval and what it gains over the plain baseline; which others it is shown
    to be better than, and which not; whether it held outside the search, on fresh seeds and on the test split.
    """
    best = summary.approaches[0]
    if not best.is_confirmed or best.confirmed is None:
        return ["No approach is confirmed yet, so there is no answer."]
    return [_which(summary, best.approach, best.confirmed), _compared(summary, best.approach), _held(best)]


def _which(summary: Summary, name: str, confirmed: Estimate) -> str:
    number = f"{percent(confirmed.mean)} %{_interval(confirmed)} on {confirmed.n} fresh seeds"
    text = f"{name} is best with {number}{caveats.with_warnings(summary.warnings)}"
    against = versus(summary, summary.baseline).get(name)
    if against is None:
        if name != summary.baseline:
            unconfirmed = {row.approach for row in summary.approaches if not row.is_confirmed}
            missing = summary.baseline in unconfirmed
            return f"{text}; the plain baseline {summary.baseline} is not confirmed." if missing else f"{text}."
        others = versus(summary, name)
        return (
            f"{text}: no other confirmed approach has a greater mean than the plain baseline." if others else f"{text}."
        )
    # The best has the greater mean, so it cannot be shown to be worse.
    word = "better than" if against.verdict == BETTER else "not shown to differ from"
    uncorrected = (
        f"; without the correction for {len(summary.comparisons)} pairs it would be"
        if against.verdict == UNDECIDED and against.low > 0
        else ""
    )
    return f"{text}; it is {word} the plain baseline {summary.baseline} ({against.in_points} points{uncorrected})."


def _compared(summary: Summary, name: str) -> str:
    others = versus(summary, name)
    if not others:
        return "There is no other confirmed approach to compare it with on at least two common seeds."
    pairs = len(summary.comparisons)
    correction = f"at a level of {100 * ERROR:.0f} %" + (f", corrected for all {pairs} pairs" if pairs > 1 else "")
    missing = sum(not row.is_confirmed for row in summary.approaches)
    more = f" Not confirmed, so not compared: {missing} more." if missing else ""
    # Seen from the others: where they are worse, it is better. The first sentence has the baseline's numbers.
    alike = [
        other if other == summary.baseline else f"{other} ({pair.in_points})"
        for other, pair in others.items()
        if pair.verdict != WORSE
    ]
    if not alike:
        return f"It is shown to be better than every other confirmed approach ({correction}).{more}"
    shown = len(others) - len(alike)
    text = (
        f"is shown to be better than {shown} of the {len(others)} others"
        if shown
        else "is not shown to be better than any other confirmed approach"
    )
    return (
        f"It {text} ({correction}). It cannot be distinguished from these (their differences from it in points): "
        f"{', '.join(alike)}.{more}"
    )


def _held(best: ApproachSummary) -> str:
    assert best.confirmed is not None
    text = _flattered(best.optimism)
    if best.search:
        text += (
            f". Its mean was {percent(best.search.mean)} % on the search's seeds and is {percent(best.confirmed.mean)} "
            "% on the fresh ones, which may be easier or harder"
        )
    test = best.test_accuracy
    if test is None:
        return f"{text}."
    return (
        f"{text}; on the test split, which has other images, its balanced accuracy is {percent(test.mean)} %"
        f"{_interval(test)}."
    )


def _flattered(optimism: Optimism | None) -> str:
    if optimism is None:
        return "It was not chosen among others"
    ends = f"{percent(optimism.low)} to {percent(optimism.high)}"
    return f"Choosing flattered it in the search by about {percent(optimism.mean)} points (95 % interval {ends})"


def _interval(estimate: Estimate) -> str:
    """The 95 % interval in per cent, behind a number; empty where there is none."""
    interval = interval_percent(estimate.low, estimate.high)
    return f" (95 % interval {interval})" if interval else ""

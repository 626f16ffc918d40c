"""Checks of the confirmation: whether its seeds suffice, and what they show and do not show."""

from __future__ import annotations

import math

import scipy

from sweeps.analysis.check import FINE, KNOW, LOOK, Check, CheckedSweep, look_or_fine, of_choosing
from sweeps.analysis.comparisons import ERROR, Comparison
from sweeps.analysis.decision import BLOCKS
from sweeps.analysis.image_error import FEW_SEEDS
from sweeps.analysis.openings import in_words
from sweeps.analysis.verdict import BETTER, ENOUGH_SEEDS, versus
from sweeps.core.formatting import interval_percent, percent

POWER = 0.8
MORE_SEEDS = f"Take --confirm-seeds {ENOUGH_SEEDS}."
# Optimism that matters: about what the choice of the pool's images moves a mean.
FLATTERED = 0.005


def confirmation(sweep: CheckedSweep) -> Check:
    """Whether every approach has its fresh seeds."""
    missing = [
        f"{row.approach} ({row.confirmed_failure or sweep.summary.seeds_there(row)})"
        for row in sweep.rows
        if not row.is_confirmed
    ]
    trouble = (
        f"Not ranked, since their fresh seeds are not complete, or failed: {', '.join(missing)}." if missing else ""
    )
    return look_or_fine("Confirmation", trouble, "Every approach is confirmed on fresh seeds.")


def baseline(sweep: CheckedSweep) -> Check:
    """Whether anything is better than the plain baseline."""
    title, name = "Plain baseline", sweep.summary.baseline
    compared = versus(sweep.summary, name)
    if not compared:
        text = (
            "The plain baseline is not compared with another approach, which needs all fresh seeds of both, and two at "
            "least: so nothing shows whether the others are worth their training."
        )
        return Check(mark=LOOK, title=title, text=text)
    better = [other for other, pair in compared.items() if pair.verdict == BETTER]
    trouble = "" if better else f"No approach is shown to be better than the plain baseline {name}."
    return look_or_fine(title, trouble, f"Shown to be better than {name}: {', '.join(better)}.")


def separation(sweep: CheckedSweep) -> Check:
    """Whether the seeds show a difference between the best and its runner-up, and how many would."""
    title = "Enough seeds"
    if len(sweep.rows) < 2 or not all(row.is_confirmed for row in sweep.rows[:2]):
        return Check(mark=KNOW, title=title, text="No two approaches have all their fresh seeds, so none are compared.")
    best, second = (row.approach for row in sweep.rows[:2])
    comparisons = sweep.summary.comparisons
    pair = next((pair for pair in comparisons if {pair.better, pair.worse} == {best, second}), None)
    if pair is None:
        text = f"One common seed cannot compare {best} and its runner-up {second}. {MORE_SEEDS}"
        return Check(mark=LOOK, title=title, text=text)
    if pair.is_shown:
        text = f"{pair.n} seeds show that {best} is better than its runner-up {second}."
        return Check(mark=FINE, title=title, text=text)
    size = f"the difference of {100 * pair.mean:.2f} points"
    # The first block orders the rows; on the second one the runner-up may be ahead.
    is_behind = pair.better != best
    difference = (
        f"{size} by which {best} is behind its runner-up {second}"
        if is_behind
        else f"{size} between {best} and its runner-up {second}"
    )
    if pair.n < FEW_SEEDS:
        text = f"{pair.n} seeds do not show {difference}, and are too few to say how many would. {MORE_SEEDS}"
        return Check(mark=LOOK, title=title, text=text)
    needed = seeds_needed(pair, len(comparisons) * (BLOCKS if sweep.summary.decision else 1))
    such = f" that compare {len(comparisons)} pairs" if len(comparisons) > 1 else ""
    text = (
        f"If that is the true difference, about {needed} seeds would show it in four of five sweeps{such}."
        if needed
        else "No number of seeds would show so small a difference reliably"
        + (
            f", since the choice of the pool's images alone moves it by {100 * pair.images_error:.2f} points."
            if pair.images_error
            else "."
        )
    )
    return Check(mark=LOOK, title=title, text=f"{pair.n} seeds do not show {difference}. {text}")


def seeds_needed(pair: Comparison, pairs: int) -> int | None:
    """Seeds at which a test, one of so many, shows the observed difference with a power of 80 %; None if none do.

    `n = sd^2 / (d^2 / z^2 - e^2)`, with the mean `d` and the standard deviation `sd` of the paired differences, the
    images' error `e`, and `z` the normal quantiles of the corrected two-sided level and of the power. Never fewer than
    there were, which did not show it.
    """
    z = scipy.stats.norm.isf(ERROR / 2 / pairs) + scipy.stats.norm.ppf(POWER)
    of_seeds = (pair.mean / z) ** 2 - pair.images_error**2
    if of_seeds <= 0:
        return None
    return max(pair.n + 1, math.ceil(pair.sd**2 / of_seeds))


def optimism(sweep: CheckedSweep) -> Check:
    """Where choosing flattered the winner by a relevant amount, even at the lower end of the interval."""
    clear = [
        f"{row.approach} ({percent(row.optimism.mean)} points, {interval_percent(row.optimism.low, row.optimism.high)})"
        for row in sweep.rows
        if row.optimism and row.optimism.low >= FLATTERED
    ]
    trouble = (
        f"Choosing on the search's seeds clearly flattered the winner: {', '.join(clear)}. Take more --seeds."
        if clear
        else ""
    )
    fine = f"Choosing is not shown to have flattered any winner by {percent(FLATTERED)} points or more."
    return of_choosing(sweep, "Optimism of the search", trouble, fine)


def test_openings(sweep: CheckedSweep) -> Check:
    """How often the test split was used, over all sweeps of these images."""
    openings = sweep.summary.openings
    often = [
        f"{row.approach}: for {row.test_openings} configurations, as more search found a new best one"
        for row in sweep.rows
        if row.test_openings > 1
    ]
    # Those of one sweep that was not extended were all chosen before any was seen.
    of_several = LOOK if openings.others or often else KNOW
    mark = FINE if openings.is_synthetic or openings.total <= 1 else of_several
    return Check(mark=mark, title="Test split", text=in_words(openings), items=tuple(often))


def intervals(sweep: CheckedSweep) -> Check:
    """What no sweep on one data set can say."""
    best = sweep.rows[0].quoted if sweep.rows else None
    images = sum(sweep.summary.spec.protocol.pool)
    adds = (
        "The intervals hold for other draws and for other images of the same source; what the choice of these "
        f"{images} images adds ({100 * best.images_error:.2f} points as a standard error, to the first) is estimated "
        "from which of them each seed got right."
        if best and best.images_error
        else f"The intervals hold for other draws from these {images} images."
    )
    text = (
        f"{adds} What was searched was chosen on images of this pool, on which it looks better on fresh seeds too: of "
        "PneumoniaMNIST by 0.5 points with 300 images a class and by 3 with 30. The test split has other images. "
        "Intervals say nothing of other sources, such as other hospitals, machines or diseases."
    )
    return Check(mark=KNOW, title="What the intervals cover", text=text)

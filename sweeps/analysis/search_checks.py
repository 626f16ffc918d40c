"""Checks of the search: whether it was long enough, where its winners lie, and what failed."""

from __future__ import annotations

import math
from collections import Counter

import scipy
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from sweeps.analysis.approach_summary import ApproachSummary
from sweeps.analysis.check import FINE, KNOW, LOOK, Check, CheckedSweep, look_or_fine, of_choosing
from sweeps.analysis.comparisons import ERROR
from sweeps.analysis.curves import history
from sweeps.analysis.ranges import place_in_range
from sweeps.core.errors import first_line
from sweeps.core.formatting import counted, percent, points, readable
from sweeps.store.trials import CONFIRM, CURVE, DECIDE, INTENSIFY, ROBUSTNESS, SEARCH, TrialRecord

# Of a searched range, counted from either end: values there may want to lie beyond it.
EDGE = 0.05
# Accuracy that a search must have gained in its last part to count as still improving: about what the choice of the
# pool's images moves a mean.
GAIN = 0.005
LAST_PART = 0.2
# Expected regret of choosing above which more seeds or validation images are worth their time.
REGRET = 0.005
# Below so many configurations, complete or raced out, a search has hardly begun.
FEW_TRIED = 10
# A whole number of fewer values than this is at an end of its range too often to mean anything.
FEW_VALUES = 10


def edges(sweep: CheckedSweep) -> Check:
    """Winners whose values lie at an end of their searched range, in log units where the range is searched so."""
    texts, numeric, at_ends = [], 0, 0
    for row in sweep.rows:
        trial = sweep.best_trial(row)
        # Where the search starts was not chosen by it.
        if trial is None or row.is_best_at_start:
            continue
        places = {name: place for name in trial.params if (place := _place(trial, name)) is not None}
        numeric += len(places)
        at_end = [
            f"{name}={readable(trial.params[name])} at the {'lower' if place < 0.5 else 'upper'} end"
            for name, place in places.items()
            if min(place, 1 - place) <= EDGE
        ]
        at_ends += len(at_end)
        if at_end:
            texts.append(f"{row.approach}: {', '.join(at_end)}")
    title = "Edges of the search space"
    if not texts:
        return Check(
            mark=FINE,
            title=title,
            text="No best value that a search chose lies at an end of its range.",
        )
    is_more_than_chance = scipy.stats.binom.sf(at_ends - 1, numeric, 2 * EDGE) < ERROR
    text = (
        f"{at_ends} of the {numeric} numeric values that the searches chose lie at an end of their searched range; by "
        f"chance alone about {2 * EDGE * numeric:.1f} would. Where that end is no natural limit, such as 0, a wider "
        "range in search_spaces/ may do better:"
    )
    return Check(mark=LOOK if is_more_than_chance else KNOW, title=title, text=text, items=tuple(texts))


def _place(trial: TrialRecord, name: str) -> float | None:
    """Where a value lies in its range, from 0 to 1; None for a choice, and for a range of one or few values."""
    distribution = trial.distributions.get(name)
    if distribution is None or isinstance(distribution, CategoricalDistribution) or distribution.single():
        return None
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if isinstance(distribution, IntDistribution) and distribution.high - distribution.low + 1 < FEW_VALUES:
        return None
    return place_in_range(trial.params[name], distribution)


def improving(sweep: CheckedSweep) -> Check:
    """Searches that found something better in their last fifth."""
    gains = []
    for row in _extendable(sweep):
        found = [point for point in history(sweep.trials, row.approach) if point.state != "RUNNING"]
        last = math.ceil(LAST_PART * len(found))
        before = found[-last - 1].incumbent if len(found) > last else None
        after = found[-1].incumbent if found else None
        if before is not None and after is not None and after - before >= GAIN:
            gains.append(f"{row.approach} ({points(after - before)} points)")
    trouble = (
        f"Still improving in the last fifth of the configurations: {', '.join(gains)}. Extend the search with a larger "
        "--num-samples."
        if gains
        else ""
    )
    fine = f"No search gained {percent(GAIN)} points or more in the last fifth of its configurations."
    return look_or_fine("End of the search", trouble, fine)


def _extendable(sweep: CheckedSweep) -> list[ApproachSummary]:
    """The approaches whose search a larger --num-samples would extend."""
    return [row for row in sweep.rows if not row.configurations.is_all]


def few_tried(sweep: CheckedSweep) -> Check:
    """Searches that were too short to choose from."""
    few = [
        f"{row.approach} {row.configurations.tried}"
        for row in _extendable(sweep)
        if row.configurations.tried < FEW_TRIED
    ]
    with_more = "a larger --num-samples"
    if any(row.configurations.behind_after is not None for row in _extendable(sweep)):
        with_more = "--allocation even for those that got no more since they were behind, or " + with_more
    trouble = (
        f"Fewer than {FEW_TRIED} configurations complete or raced out: {', '.join(few)}. Extend the search with "
        f"{with_more}."
        if few
        else ""
    )
    fine = f"Every approach has at least {FEW_TRIED} configurations, complete or raced out, or all that its space has."
    return look_or_fine("Size of the search", trouble, fine)


def gain(sweep: CheckedSweep) -> Check:
    """Searches that found nothing better than the configuration they began with."""
    title = "Gain of the search"
    short = [row.approach for row in sweep.rows if row.best_params is None or row.configurations.begun < 2]
    if short:
        text = f"No complete configuration, or none but the first: {', '.join(short)}."
        return Check(mark=LOOK, title=title, text=text)
    names = [row.approach for row in sweep.rows if row.is_best_at_start]
    trouble = (
        "Nothing better was found than the setting that the search starts from (the study's, where it has one): "
        f"{', '.join(names)}."
        if names
        else ""
    )
    fine = "Every search that began with a setting which completed found one that looked better on the search's seeds."
    return look_or_fine(title, trouble, fine)


def regret(sweep: CheckedSweep) -> Check:
    """Searches that chose on so few images and seeds that a better configuration was probably passed over."""
    spec = sweep.summary.spec
    much = [
        f"{row.approach} {percent(row.optimism.regret)}"
        for row in sweep.rows
        if row.optimism and row.optimism.regret >= REGRET
    ]
    seeds = max((row.search.n for row in sweep.rows if row.search), default=0)
    trouble = (
        f"With {spec.protocol.validation} validation images a class and {seeds} seeds, the chosen configuration "
        f"is expected to be worse than the best one that was searched, by so many points: {', '.join(much)}. Choose "
        "with more --seeds, or more --validation images where there are some."
        if much
        else ""
    )
    fine = f"No choice of a configuration is expected to have lost {percent(REGRET)} points or more."
    return of_choosing(sweep, "Choosing the best", trouble, fine)


def failures(sweep: CheckedSweep) -> Check:
    """Configurations that raised an error or diverged."""
    reasons = [_without_seed(trial.reason) for trial in sweep.trials if trial.stage == SEARCH and trial.state == "FAIL"]
    trouble = ""
    if reasons:
        (reason, count), *_ = Counter(reasons).most_common(1)
        by = [f"{row.approach} {row.configurations.failed}" for row in sweep.rows if row.configurations.failed]
        how_often = f"{counted(len(reasons), 'configuration')} failed ({', '.join(by)})"
        trouble = f"{how_often}. Most frequent reason, {counted(count, 'time')}: {reason}"
    stopped = [f"{row.approach} was {row.stopped}" for row in sweep.rows if row.stopped]
    return look_or_fine("Failures", trouble, "No configuration failed.", stopped)


def _without_seed(reason: str | None) -> str:
    """A reason without the seed it begins with, so that equal ones count together."""
    line = first_line(reason or "", "not recorded")
    begin, _, rest = line.partition(": ")
    return rest if begin.startswith("seed ") and rest else line


UNFINISHED = {
    SEARCH: "configuration",
    INTENSIFY: "finalist",
    CONFIRM: "confirmation",
    DECIDE: "decision",
    CURVE: "shot-curve point",
    ROBUSTNESS: "changed-image run",
}


def unfinished(sweep: CheckedSweep) -> Check:
    """Configurations and confirmations that were begun and did not end."""
    running = Counter(trial.stage for trial in sweep.trials if trial.state == "RUNNING")
    if sweep.summary.starts[-1].options.get("robustness") == "off":
        # It would not go on.
        del running[ROBUSTNESS]
    texts = [counted(running[stage], what) for stage, what in UNFINISHED.items() if running[stage]]
    trouble = f"Begun and not finished, so not ranked: {' and '.join(texts)}. Go on with --resume." if texts else ""
    return look_or_fine("Unfinished", trouble, "Everything that was begun has ended.")

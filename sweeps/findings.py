"""What a careful reader would check before believing a sweep, checked: one sentence each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import stats

from sweeps import marks
from sweeps.comparisons import DIFFERENCE_ERROR, ERROR, holm
from sweeps.curves import history
from sweeps.record import CONFIRM, SEARCH, TrialRecord, confirmed_results
from sweeps.tables import readable
from sweeps.verdict import BETTER, percent, versus
from trainables.protocol import VALIDATION

LOOK, KNOW, FINE = "look at this", "keep in mind", "fine"
# Of a searched range, counted from either end: values there may want to lie beyond it.
EDGE = 0.05
# Accuracy that a search must have gained in its last part to count as still improving: about what the choice of the
# pool's images moves a mean.
GAIN = 0.005
LAST_PART = 0.2
# Below so many configurations, complete or raced out, a search has hardly begun.
FEW_TRIED = 10
# A whole number of fewer values than this is at an end of its range too often to mean anything.
FEW_VALUES = 10
POWER = 0.8


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check: `mark` is LOOK, KNOW or FINE, `title` says what was checked, `text` what was found, `items` where."""

    mark: str
    title: str
    text: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Sweep:
    """What the checks look at: the summary, and the record's trials."""

    found: Mapping[str, Any]
    trials: Sequence[TrialRecord]

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = self.found["approaches"]
        return rows

    def best_trial(self, row: Mapping[str, Any]) -> TrialRecord | None:
        """The search trial that an approach's row ranks."""
        own = (t for t in self.trials if t.approach == row["approach"] and t.stage == SEARCH)
        return next((trial for trial in own if trial.number == row["best_trial"]), None)


def findings(found: Mapping[str, Any], trials: Sequence[TrialRecord]) -> list[Finding]:
    """Every check, those to look at first, then what to keep in mind, then what is fine.

    Args:
        found: The summary.
        trials: The record's, of the approaches in it.
    """
    sweep = _Sweep(found=found, trials=trials)
    order = (LOOK, KNOW, FINE)
    return sorted((check(sweep) for check in CHECKS), key=lambda finding: order.index(finding.mark))


def _finding(title: str, trouble: str, fine: str, items: Sequence[str] = ()) -> Finding:
    """To look at where there is trouble, else fine."""
    return Finding(mark=LOOK if trouble else FINE, title=title, text=trouble or fine, items=tuple(items))


def images(sweep: _Sweep) -> Finding:
    """Whether the images are real."""
    synthetic = [mark for mark in marks.warnings(sweep.found) if mark.startswith("PHANTOM")]
    trouble = (
        "The built-in phantom, which is synthetic, stands in for them: numbers that rest on it mean nothing medical."
    )
    return _finding("Images", f"{', '.join(synthetic)}. {trouble}" if synthetic else "", "All images are real.")


def weights(sweep: _Sweep) -> Finding:
    """Whether pretrained weights are pretrained."""
    is_random = "RANDOM WEIGHTS" in marks.warnings(sweep.found)
    trouble = "Weights that should be pretrained are random: the numbers show what untrained networks are worth."
    return _finding("Weights", trouble if is_random else "", "No weights are random that should be pretrained.")


def smoke(sweep: _Sweep) -> Finding:
    """Whether the numbers are meant."""
    trouble = "This was a smoke run, which shows that everything works; its training is too short for its numbers."
    return _finding("Kind of run", trouble if sweep.found["smoke"] else "", "This was a full run.")


def code(sweep: _Sweep) -> Finding:
    """Whether one known version of the code made all numbers, and whether several kinds of processor may have."""
    revisions = list(dict.fromkeys(start.get("git_revision", "unknown") for start in sweep.found["starts"]))
    texts = []
    if len(revisions) > 1:
        texts.append(f"The sweep was started with {len(revisions)} versions of the code.")
    if any(revision.endswith("-dirty") for revision in revisions):
        texts.append("The code had changes that were not committed, so the git revision alone does not bring it back.")
    if "unknown" in revisions:
        texts.append("The git revision is not known.")
    processors = list(dict.fromkeys(start["processor"] for start in sweep.found["starts"] if "processor" in start))
    if len(processors) > 1:
        texts.append(
            f"The sweep was started on {len(processors)} kinds of processor ({'; '.join(processors)}), which may round "
            "the last digits differently."
        )
    return _finding("Code", " ".join(texts), "One committed version of the code made all numbers.")


def confirmation(sweep: _Sweep) -> Finding:
    """Whether every approach has its fresh seeds."""
    missing = [
        f"{row['approach']} ({row['confirmed_failure'] or 'not run to its end'})"
        for row in sweep.rows
        if not row["is_confirmed"]
    ]
    trouble = f"Without confirmation on all fresh seeds, and so not ranked: {', '.join(missing)}." if missing else ""
    return _finding("Confirmation", trouble, "Every approach is confirmed on fresh seeds.")


def baseline(sweep: _Sweep) -> Finding:
    """Whether anything is better than the plain baseline."""
    title, name = "Plain baseline", sweep.found["baseline"]
    compared = versus(sweep.found, name)
    if not compared:
        text = (
            "The plain baseline is not confirmed beside another approach on at least two seeds, so nothing tells "
            "whether the others are worth their training."
        )
        return Finding(mark=LOOK, title=title, text=text)
    better = [other for other, pair in compared.items() if pair["verdict"] == BETTER]
    trouble = "" if better else f"No approach is shown to be better than the plain baseline {name}."
    return _finding(title, trouble, f"Shown to be better than {name}: {', '.join(better)}.")


def separation(sweep: _Sweep) -> Finding:
    """Whether the best is told apart from its runner-up, and how many seeds that would take."""
    title = "Enough seeds"
    if len(sweep.rows) < 2 or not all(row["is_confirmed"] for row in sweep.rows[:2]):
        return Finding(mark=KNOW, title=title, text="There are no two confirmed approaches to tell apart.")
    best, second = (row["approach"] for row in sweep.rows[:2])
    comparisons = sweep.found["comparisons"]
    pair = next((pair for pair in comparisons if {pair["better"], pair["worse"]} == {best, second}), None)
    if pair is None:
        text = f"One common seed tells nothing of {best} and its runner-up {second}: take more --confirm-seeds."
        return Finding(mark=LOOK, title=title, text=text)
    if pair["is_shown"]:
        text = f"{best} and its runner-up {second} are told apart with {pair['n']} seeds."
        return Finding(mark=FINE, title=title, text=text)
    difference = f"the difference of {100 * pair['mean']:.2f} points between {best} and its runner-up {second}"
    needed = seeds_needed(pair, len(comparisons))
    text = (
        f"If that is the true difference, about {needed} seeds would show it in four of five sweeps that compare "
        f"{len(comparisons)} pairs."
        if needed
        else "No number of seeds would show so small a difference surely, since the choice of the pool's images alone "
        f"moves a difference by {100 * DIFFERENCE_ERROR:.1f} points."
    )
    return Finding(mark=LOOK, title=title, text=f"{pair['n']} seeds do not show {difference}. {text}")


def seeds_needed(pair: Mapping[str, Any], pairs: int) -> int | None:
    """Seeds at which a test, one of so many, shows the observed difference with a power of 80 %; None if none do.

    `n = sd^2 / (d^2 / z^2 - e^2)`, with the mean `d` and the standard deviation `sd` of the paired differences, the
    images' error `e`, and `z` the normal quantiles of the corrected two-sided level and of the power. Never fewer than
    there were, which did not show it.
    """
    z = stats.norm.isf(ERROR / 2 / pairs) + stats.norm.ppf(POWER)
    of_seeds = (pair["mean"] / z) ** 2 - DIFFERENCE_ERROR**2
    if of_seeds <= 0:
        return None
    error = (pair["high"] - pair["low"]) / 2 / stats.t.ppf(0.975, pair["n"] - 1)
    variance = max(error**2 - DIFFERENCE_ERROR**2, 0.0) * pair["n"]
    return max(pair["n"] + 1, math.ceil(variance / of_seeds))


def optimism(sweep: _Sweep) -> Finding:
    """Where the search's seeds flattered the winner by more than chance explains: Welch's test, one-sided, Holm."""
    tested = {}
    for row in sweep.rows:
        trial = sweep.best_trial(row)
        if trial is None or not row["is_confirmed"]:
            continue
        fresh = [
            result.accuracy
            for result in confirmed_results(sweep.trials, row["approach"], trial.number)
            if result.split == VALIDATION and result.accuracy is not None
        ]
        searched_N, fresh_N = trial.values("accuracy"), np.array(fresh)
        if min(len(searched_N), len(fresh_N)) > 1 and max(searched_N.std(), fresh_N.std()) > 0:
            test = stats.ttest_ind(searched_N, fresh_N, equal_var=False, alternative="greater")
            tested[row["approach"]] = (float(test.pvalue), float(searched_N.mean() - fresh_N.mean()))
    corrected = holm([p for p, _ in tested.values()])
    clear = [
        f"{name} ({100 * by:+.1f} points)"
        for (name, (_, by)), p in zip(tested.items(), corrected, strict=True)
        if p < ERROR
    ]
    trouble = (
        f"The search looked clearly better than fresh seeds: {', '.join(clear)}. Take more --seeds." if clear else ""
    )
    fine = "In no approach does the search look better than fresh seeds by more than chance explains."
    return _finding("Optimism of the search", trouble, fine)


def edges(sweep: _Sweep) -> Finding:
    """Winners whose values lie at an end of their searched range, in log units where the range is searched so."""
    texts, numeric, at_ends = [], 0, 0
    for row in sweep.rows:
        trial = sweep.best_trial(row)
        # Where the search starts was not chosen by it.
        if trial is None or trial.params == row["reported"]["params"]:
            continue
        places = {name: _place(trial, name) for name in trial.params}
        known = {name: place for name, place in places.items() if place is not None}
        numeric += len(known)
        at_end = [
            f"{name}={readable(trial.params[name])} at the {'lower' if place < 0.5 else 'upper'} end"
            for name, place in known.items()
            if min(place, 1 - place) <= EDGE
        ]
        at_ends += len(at_end)
        if at_end:
            texts.append(f"{row['approach']}: {', '.join(at_end)}")
    title = "Edges of the search space"
    if not texts:
        return Finding(mark=FINE, title=title, text="No best value lies at an end of its searched range.")
    is_more_than_chance = stats.binom.sf(at_ends - 1, numeric, 2 * EDGE) < ERROR
    text = (
        f"{at_ends} of the {numeric} numeric values that the searches chose lie at an end of their searched range; by "
        f"chance alone about {2 * EDGE * numeric:.1f} would. Where that end is no natural limit, such as 0, a wider "
        "range in search_spaces/ may do better:"
    )
    return Finding(mark=LOOK if is_more_than_chance else KNOW, title=title, text=text, items=tuple(texts))


def _place(trial: TrialRecord, name: str) -> float | None:
    """Where a value lies in its range, from 0 to 1; None for a choice, and for a range of one or few values."""
    distribution = trial.distributions.get(name)
    if distribution is None or isinstance(distribution, CategoricalDistribution) or distribution.single():
        return None
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if isinstance(distribution, IntDistribution) and distribution.high - distribution.low + 1 < FEW_VALUES:
        return None
    scale: Callable[[float], float] = math.log if distribution.log else float
    low, high = scale(distribution.low), scale(distribution.high)
    return (scale(trial.params[name]) - low) / (high - low)


def improving(sweep: _Sweep) -> Finding:
    """Searches that found something better in their last fifth."""
    gains = {}
    for row in sweep.rows:
        points = [point for point in history(sweep.trials, row["approach"]) if point.state != "RUNNING"]
        last = math.ceil(LAST_PART * len(points))
        before = points[-last - 1].incumbent if len(points) > last else None
        after = points[-1].incumbent if points else None
        if before is not None and after is not None and after - before >= GAIN:
            gains[row["approach"]] = after - before
    trouble = (
        "Still improving in the last fifth of the configurations: "
        + ", ".join(f"{name} ({100 * gain:+.1f} points)" for name, gain in gains.items())
        + ". Extend the search with a larger --num-samples."
        if gains
        else ""
    )
    fine = f"No search gained {100 * GAIN:.1f} points or more in the last fifth of its configurations."
    return _finding("End of the search", trouble, fine)


def published(sweep: _Sweep) -> Finding:
    """Searches that found nothing better than where they began."""
    searched = [row for row in sweep.rows if row["best_params"] is not None and sum(row["configurations"].values()) > 1]
    names = [row["approach"] for row in searched if row["best_params"] == row["reported"]["params"]]
    if len(searched) < len(sweep.rows):
        text = "Some approaches have no complete configuration, or none but the setting that a search starts from."
        return Finding(mark=LOOK, title="Gain of the search", text=text)
    trouble = (
        "Nothing better was found than the setting that the search starts from (the study's, where it has one): "
        f"{', '.join(names)}."
        if names
        else ""
    )
    fine = "Every search found something that looked better, on the search's seeds, than the setting it starts from."
    return _finding("Gain of the search", trouble, fine)


def failures(sweep: _Sweep) -> Finding:
    """Configurations that raised an error or diverged."""
    reasons = [_first_line(trial.reason) for trial in sweep.trials if trial.stage == SEARCH and trial.state == "FAIL"]
    trouble = ""
    if reasons:
        (reason, count), *_ = Counter(reasons).most_common(1)
        by = {row["approach"]: row["configurations"]["failed"] for row in sweep.rows if row["configurations"]["failed"]}
        where = ", ".join(f"{name} {number}" for name, number in by.items())
        trouble = f"{len(reasons)} configurations failed ({where}). Most frequent reason, {count} times: {reason}"
    stopped = [f"{row['approach']} was {row['stopped']}" for row in sweep.rows if row["stopped"]]
    return _finding("Failures", trouble, "No configuration failed.", stopped)


def _first_line(reason: str | None) -> str:
    """A reason without the seed it begins with, so that equal ones count together."""
    line = ((reason or "").strip().splitlines() or ["not recorded"])[0]
    begin, _, rest = line.partition(": ")
    return rest if begin.startswith("seed ") and rest else line


def unfinished(sweep: _Sweep) -> Finding:
    """Configurations and confirmations that were begun and did not end."""
    running = Counter(trial.stage for trial in sweep.trials if trial.state == "RUNNING")
    texts = [
        f"{running[stage]} {what}"
        for stage, what in ((SEARCH, "configurations"), (CONFIRM, "confirmations"))
        if running[stage]
    ]
    trouble = f"Begun and not finished, so not ranked: {' and '.join(texts)}. Go on with --resume." if texts else ""
    return _finding("Unfinished", trouble, "Everything that was begun has ended.")


def few_tried(sweep: _Sweep) -> Finding:
    """Searches that were too short to choose from."""
    tried = {
        row["approach"]: row["configurations"]["complete"] + row["configurations"]["raced_out"] for row in sweep.rows
    }
    few = {name: count for name, count in tried.items() if count < FEW_TRIED}
    trouble = (
        f"Fewer than {FEW_TRIED} configurations complete or raced out: "
        f"{', '.join(f'{name} {count}' for name, count in few.items())}. Extend with a larger --num-samples."
        if few
        else ""
    )
    return _finding(
        "Size of the search", trouble, f"Every approach has at least {FEW_TRIED} configurations, complete or raced out."
    )


def test_openings(sweep: _Sweep) -> Finding:
    """Whether the test split was used more than once."""
    often = {row["approach"]: row["test_openings"] for row in sweep.rows if row["test_openings"] > 1}
    trouble = (
        "The test split was opened more than once, as an extended search found a new best configuration: "
        f"{', '.join(f'{name} {count} times' for name, count in often.items())}. Its numbers are a little less "
        "independent."
        if often
        else ""
    )
    return _finding("Test split", trouble, "The test split was opened at most once for each approach.")


def pool(sweep: _Sweep) -> Finding:
    """What no sweep on one data set can say."""
    best = sweep.rows[0]["confirmed"] if sweep.rows else None
    error = f" ({percent(best['images_error'])} points as a standard error)" if best and best["images_error"] else ""
    text = (
        "All intervals speak of other draws of ten images and of other images from the same source, as far as what the "
        f"choice of these 2000 adds{error} was measured on PneumoniaMNIST. They do not speak of other hospitals, "
        "machines or diseases."
    )
    return Finding(mark=KNOW, title="What the intervals speak of", text=text)


CHECKS: tuple[Callable[[_Sweep], Finding], ...] = (
    images,
    weights,
    smoke,
    confirmation,
    baseline,
    separation,
    optimism,
    edges,
    improving,
    few_tried,
    published,
    failures,
    unfinished,
    test_openings,
    code,
    pool,
)

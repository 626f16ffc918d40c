"""The answer in words: which approach is best, by how much, would it hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy

from sweeps.analysis import caveats
from sweeps.analysis.approach_summary import ApproachSummary
from sweeps.analysis.comparisons import ERROR, Comparison
from sweeps.analysis.image_error import FEW_SEEDS
from sweeps.analysis.intervals import Estimate
from sweeps.analysis.lucky_seeds import Adjusted
from sweeps.analysis.other_searches import in_words
from sweeps.analysis.summary import Summary
from sweeps.core.formatting import counted, interval_percent, percent, points

# What such a sweep is advised to take: the default of --confirm-seeds.
ENOUGH_SEEDS = 50
# Means and spreads below this are what rounding leaves of none.
LEVEL = 1e-12
# Shares of resamples below this are not named.
LEAST_SHARE = 0.01

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
    """Three sentences, or up to five; one if nothing is confirmed.

    They are: the best approach with its interval and what it gains over the plain baseline; which others it is shown
    to be better than, and which not; whether it held outside the search, on fresh seeds and on the test split; how
    lucky its fresh seeds are, where a control tells; and whether other searches of the same sweep find the same one, if
    there are any and seeds enough to call one the best.
    """
    best = summary.approaches[0]
    if not best.is_confirmed or best.quoted is None:
        return [f"No approach has all its fresh seeds yet, so there is no answer.{_partly(summary)}"]
    compared = " ".join(filter(None, [_compared(summary, best.approach), _how_sure(summary)]))
    sentences = [_which(summary, best, best.quoted), compared, _held(best, best.quoted)]
    if best.adjusted is not None:
        sentences.append(_adjusted(best.adjusted))
    if best.quoted.n >= FEW_SEEDS and summary.other_searches:
        sentences.append(in_words(best.approach, summary.other_searches))
    return sentences


def _which(summary: Summary, best: ApproachSummary, quoted: Estimate) -> str:
    name = best.approach
    is_few = quoted.n < FEW_SEEDS
    is_named = summary.decision is None or name == summary.decision.named
    others = versus(summary, name)
    level = [other for other, pair in others.items() if abs(pair.mean) < LEVEL]
    # The first block orders the rows, whatever the means on the second one are.
    is_greatest = not best.decided or all(pair.mean < LEVEL for pair in others.values())
    of_first = _level_on_the_first_block(summary, best) if best.decided and is_named else []
    is_shown = all(pair.verdict == WORSE for pair in others.values())
    word = "has" if not others else "is best with" if is_shown else "comes first with"
    if of_first:
        word = f"comes first by the first block, as {', '.join(of_first)} does; it has"
    elif is_few and best.decided:
        word = "comes first by the first block; it has" if is_named else "has"
    elif is_few or (level and is_greatest):
        word = "has the greatest mean,"
    fresh = fresh_seeds(quoted.n, "more " if best.decided else "")
    mean = f"{percent(quoted.mean)} %{_interval(quoted)}"
    text = f"{name} {word} {mean} on {fresh}{caveats.with_warnings(summary.warnings)}"
    if best.decided and summary.decision:
        first = summary.decision.named
        text += (
            ", which had no part in naming it"
            if is_named
            else f", which show it to be better than {first}, the best of the first block"
        )
    if level:
        text += f", the same as {', '.join(level)}"
    if is_few:
        untold = f", but {'one' if quoted.n == 1 else 'so few'} cannot tell which is best: "
        text += f"{'; ' if others and is_shown else untold}{_what_more_would_give(summary, quoted)}"
    against = versus(summary, summary.baseline).get(name)
    if against is None:
        if name != summary.baseline:
            missing = [row for row in summary.approaches if row.approach == summary.baseline and not row.is_confirmed]
            return f"{text}; the plain baseline {_how_far(summary, missing[0])}." if missing else f"{text}."
        if best.decided:
            return f"{text}; no other confirmed approach is shown to be better than the plain baseline."
        return (
            f"{text}: no other confirmed approach has a greater mean than the plain baseline." if others else f"{text}."
        )
    # One that is shown to be better than the best would be the best.
    word = "better than" if against.verdict == BETTER else "not shown to differ from"
    uncorrected = (
        f"; without the correction for {_correction(summary)} it would be"
        if against.verdict == UNDECIDED and against.low > 0 and _correction(summary)
        else ""
    )
    return f"{text}; it is {word} the plain baseline {summary.baseline} ({against.in_points} points{uncorrected})."


def _level_on_the_first_block(summary: Summary, best: ApproachSummary) -> list[str]:
    """Which others have the best one's mean on the first block, so that their order decided which comes first."""
    means = {row.approach: row.confirmed.mean for row in summary.approaches if row.is_confirmed and row.confirmed}
    return [name for name, mean in means.items() if name != best.approach and abs(mean - means[best.approach]) < LEVEL]


def _compared(summary: Summary, name: str) -> str:
    others = versus(summary, name)
    partly = _partly(summary)
    if not others:
        return f"There is no other confirmed approach to compare it with on at least two common seeds.{partly}"
    correction = f"at a level of {100 * ERROR:.0f} %{corrected_for(summary)}"
    missing = sum(not row.is_confirmed and not row.is_partly_confirmed for row in summary.approaches)
    more = partly + (f" Not confirmed, so not compared: {missing} more." if missing else "")
    # Seen from the others: where they are worse, it is better. The first sentence has the baseline's numbers.
    alike = [
        other if other == summary.baseline else f"{other} ({pair.in_points})"
        for other, pair in others.items()
        if pair.verdict != WORSE
    ]
    if not alike:
        alone = ", by one block of fresh seeds alone" if summary.decision is None else ""
        return f"It is shown to be better than every other confirmed approach ({correction}){alone}.{more}"
    shown = len(others) - len(alike)
    text = (
        f"is shown to be better than {shown} of the {len(others)} others"
        if shown
        else "is not shown to be better than any other confirmed approach"
    )
    in_points = " (their differences from it in points)" if alike != [summary.baseline] else ""
    return f"It {text} ({correction}). It cannot be distinguished from these{in_points}: {', '.join(alike)}.{more}"


def _partly(summary: Summary) -> str:
    """Which approaches have some of their fresh seeds, in a sentence behind a blank; empty where none has."""
    partly = [f"{row.approach} on {summary.seeds_there(row)}" for row in summary.approaches if row.is_partly_confirmed]
    return f" Confirmed on some of the fresh seeds, so not ranked yet: {', '.join(partly)}." if partly else ""


def _how_far(summary: Summary, row: ApproachSummary) -> str:
    """What is known of an approach that is not ranked."""
    if row.is_partly_confirmed:
        return f"{row.approach} is confirmed on {summary.seeds_there(row)} fresh seeds, so not compared yet"
    return f"{row.approach} is not confirmed"


def corrected_for(summary: Summary, every: str = "all ") -> str:
    """What the verdicts' correction is for, behind a comma; empty where there is none."""
    found = _correction(summary, every)
    return f", corrected for {found}" if found else ""


def _correction(summary: Summary, every: str = "") -> str:
    pairs = len(summary.comparisons)
    of_pairs = f"{every}{pairs} pairs" if pairs > 1 else ""
    return " and ".join(filter(None, (of_pairs, "both blocks of seeds" if summary.decision else "")))


def _what_more_would_give(summary: Summary, quoted: Estimate) -> str:
    """What so few seeds lack, and what more would give if they spread as those of all approaches together do."""
    if quoted.n == 1:
        return f"it gives no interval; --confirm-seeds {ENOUGH_SEEDS} gives one"
    luck = f"with so few, an interval's width is itself luck; --confirm-seeds {ENOUGH_SEEDS} gives better ones"
    # Those that are all alike say nothing of others.
    if not quoted.sd or quoted.sd < LEVEL:
        return luck
    spreads = [row.quoted.sd**2 for row in summary.approaches if row.is_confirmed and row.quoted and row.quoted.sd]
    of_seeds = scipy.stats.t.ppf(0.975, ENOUGH_SEEDS - 1) * math.sqrt(sum(spreads) / len(spreads) / ENOUGH_SEEDS)
    half = math.hypot(of_seeds, scipy.stats.norm.ppf(0.975) * quoted.images_error)
    return f"{luck}, of about {percent(half)} points to either side if they spread as these do"


def _how_sure(summary: Summary) -> str:
    """How sure the rank is, and what is missing to know."""
    decision = summary.decision
    confirmed = {row.approach for row in summary.approaches if row.is_confirmed}
    meeting = [name for name in decision.candidates if name in confirmed] if decision else []
    unfinished = (
        f"{' and '.join(meeting[:2])}{' and others' if meeting[2:] else ''} are to meet more "
        "fresh seeds, since the best of several on one block is flattered by it; that is not finished, so go on with "
        f"--resume{_of_others(summary, decision.members)}."
        if decision and not decision.is_complete
        else ""
    )
    best, *others = summary.approaches
    if best.first_share is None or best.quoted is None or best.quoted.n < FEW_SEEDS:
        return unfinished
    shares = sorted(((row.first_share or 0.0, row.approach) for row in others), reverse=True)
    named = [f"{name} in {100 * share:.0f} %" for share, name in shares if share >= LEAST_SHARE]
    rest = f" ({', '.join(named)})" if named else ""
    share = "all" if best.first_share == 1 else f"{100 * best.first_share:.0f} % of the"
    # An AUROC is no share of hits, by which images are resampled.
    images = " and of the images" if summary.spec.ranked_by == "accuracy" else ""
    sure = f"In {share} resamples of the fresh seeds{images} it comes first{rest}."
    return f"{sure} {unfinished}".rstrip()


def _of_others(summary: Summary, members: tuple[str, ...]) -> str:
    """The option that names those that are to go on, where the last start was of others."""
    asked = summary.starts[-1].options.get("approaches")
    is_of_them = not isinstance(asked, list | tuple) or {*members} <= {*asked}
    return "" if is_of_them else f" --approaches {' '.join(members)}"


def _held(best: ApproachSummary, quoted: Estimate) -> str:
    text = _flattered(best)
    if best.search:
        text += (
            f". Its mean was {percent(best.search.mean)} % on the search's {best.search.n} seeds and is "
            f"{percent(quoted.mean)} % on the fresh ones, which may be easier or harder"
        )
    test = best.test_accuracy
    if test is None:
        return f"{text}."
    return (
        f"{text}; on the test split, which has other images, its balanced accuracy is {percent(test.mean)} %"
        f"{_interval(test)}."
    )


def _adjusted(found: Adjusted) -> str:
    easy = f"easier by {percent(found.ease)}" if found.ease >= 0 else f"harder by {percent(-found.ease)}"
    return (
        f"Its fresh seeds are {easy} points than {found.others} others for z-score ridge on pixels, which trains in "
        f"milliseconds; without that luck its mean would be about {percent(found.mean)} % (95 % interval "
        f"{interval_percent(found.low, found.high)})."
    )


def _flattered(best: ApproachSummary) -> str:
    optimism = best.optimism
    if optimism is None:
        if best.configurations.tried < 2:
            return "It was not chosen among others"
        if best.search and best.search.sd is not None and best.search.sd < LEVEL:
            return "How much choosing flattered it is not known (its search seeds all have one score)"
        return "How much choosing flattered it is not known (too few complete configurations or seeds)"
    ends = f"{percent(optimism.low)} to {percent(optimism.high)}"
    return f"Choosing flattered it in the search by about {percent(optimism.mean)} points (95 % interval {ends})"


def fresh_seeds(count: int, more: str = "") -> str:
    """So many fresh seeds: "1 fresh seed", "50 more fresh seeds"."""
    return counted(count, f"{more}fresh seed")


def too_few(count: int, what: str) -> str:
    """A sentence in the place of claims that so few fresh seeds cannot bear."""
    are = "is" if count == 1 else "are"
    return f"{fresh_seeds(count)} {are} too few to say {what}: take --confirm-seeds {ENOUGH_SEEDS}."


def _interval(estimate: Estimate) -> str:
    """The 95 % interval in per cent, behind a number; empty where there is none."""
    interval = interval_percent(estimate.low, estimate.high)
    return f" (95 % interval {interval})" if interval else ""

"""The shot curve in words: which approach leads with how many labels, and what more of them bring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from sweeps.analysis.comparisons import Comparison
from sweeps.analysis.image_error import FEW_SEEDS
from sweeps.analysis.shot_curve import ApproachCurve, ShotCurve, Step
from sweeps.analysis.summary import Summary
from sweeps.analysis.verdict import LEVEL, too_few
from sweeps.core.formatting import percent, points


def shot_verdict(summary: Summary) -> list[str]:
    """Sentences on the curve; none if there is no curve.

    They are: which approach leads with how many labels, and where another one takes over; with how many the best
    approach of the table beats the plain baseline; what more labels would bring it; what failed. Where some number of
    labels has few fresh seeds alone, one sentence says so in the place of all but the last.
    """
    curve = summary.shot_curve
    if curve is None:
        return []
    counts = [point.score.n for each in curve.curves for point in each.points if point.is_complete and point.score]
    if counts and min(counts) < FEW_SEEDS:
        what = "which approach leads with how many labels, or what more labels bring"
        return [too_few(min(counts), what), *_failures(curve)]
    return [
        *_leaders(curve),
        *_against_baseline(curve, curve.curves[0].approach, summary.baseline),
        *_more_labels(curve.curves[0], curve.own),
        *_failures(curve),
    ]


def leaders(curve: ShotCurve) -> dict[int, str | None]:
    """The approach with the greatest mean at each number of shots, of those that are complete there; None of equals."""
    found: dict[int, str | None] = {}
    for shots in curve.shots:
        means = {
            each.approach: point.score.mean
            for each in curve.curves
            if (point := each.at(shots)) and point.is_complete and point.score
        }
        if len(means) > 1:
            first, second = sorted(means, key=lambda name: -means[name])[:2]
            found[shots] = first if means[first] - means[second] >= LEVEL else None
    return found


def _leaders(curve: ShotCurve) -> Iterator[str]:
    found = leaders(curve)
    if len(found) < 2:
        return
    always, *others = set(found.values())
    if always and not others:
        numbers = f"{min(found)} to {max(found)}"
        yield f"{always} has the greatest mean with every number of labels, from {numbers} images a class."
    alone = ((shots, leader) for shots, leader in found.items() if leader)
    for (fewer, before), (more, after) in pairwise(alone):
        if before != after:
            yield _takeover(curve, fewer, before, more, after)


def _takeover(curve: ShotCurve, fewer: int, before: str, more: int, after: str) -> str:
    """What the seeds show of one approach that leads with fewer labels, and another one with more."""
    at_fewer, at_more = curve.pair(fewer, before, after), curve.pair(more, before, after)
    is_shown = _is_shown(at_fewer, before) and _is_shown(at_more, after)
    how = "takes over" if is_shown else "appears to take over"
    return (
        f"Between {fewer} and {more} images a class {after} {how} from {before}: "
        f"{_lead(fewer, before, after, at_fewer)}, {_lead(more, after, before, at_more)}."
    )


def _is_shown(pair: Comparison | None, leader: str) -> bool:
    return pair is not None and pair.is_shown and pair.better == leader


def _lead(shots: int, leader: str, other: str, pair: Comparison | None) -> str:
    if pair is None:
        return f"with {shots} there is no complete {other} to compare {leader} with"
    # Where one has more seeds, their common ones may say otherwise.
    if pair.better != leader:
        return f"with {shots} {leader} has the greater mean, but not on their common seeds"
    shown = "shown" if pair.is_shown else "not shown"
    return f"with {shots} {leader} is ahead by {percent(pair.mean)} points ({_interval(pair)}, {shown})"


def _interval(value: Comparison | Step) -> str:
    return f"{points(value.low)} to {points(value.high)}"


def _against_baseline(curve: ShotCurve, best: str, baseline: str | None) -> Iterator[str]:
    """With how many labels the best approach is worth more than the plain baseline."""
    if baseline is None or best == baseline:
        return
    pairs = {shots: pair for shots in curve.shots if (pair := curve.pair(shots, best, baseline))}
    if not pairs:
        return
    verdicts = {
        f"shown to be better than the plain baseline {baseline}": lambda pair: pair.is_shown and pair.better == best,
        f"not shown to differ from the plain baseline {baseline}": lambda pair: not pair.is_shown,
        f"shown to be worse than the plain baseline {baseline}": lambda pair: pair.is_shown and pair.worse == best,
    }
    for words, holds in verdicts.items():
        numbers = [shots for shots, pair in pairs.items() if holds(pair)]
        if numbers:
            yield f"With {_images(numbers)} {best} is {words}."


def _images(numbers: Sequence[int]) -> str:
    *first, last = map(str, numbers)
    text = f"{', '.join(first)} and {last}" if first else last
    return f"{text} {'image' if text == '1' else 'images'} a class"


def _more_labels(curve: ApproachCurve, own: int | None) -> Iterator[str]:
    """The step from the sweep's own number of labels, to twice as many if there is one, and the last step."""
    from_own = sorted((step for step in curve.steps if step.fewer == own), key=lambda step: not step.is_doubling)
    chosen = [*from_own[:1], *curve.steps[-1:]]
    for step in dict.fromkeys(chosen):
        what = "Twice the labels" if step.is_doubling else "More labels"
        doubt = "" if step.low > 0 else ", so that no gain is shown"
        yield (
            f"{what}, {step.more} instead of {step.fewer} images a class, bring {curve.approach} {points(step.mean)} "
            f"points (95 % interval {_interval(step)}){doubt}."
        )


def _failures(curve: ShotCurve) -> Iterator[str]:
    for each in curve.curves:
        for point in each.points:
            if point.failure and point.shots != curve.own:
                yield f"{each.approach} failed with {_images([point.shots])}: {point.failure}"

"""What the winners make of other numbers of training images: scores by shots, and what more labels bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sweeps.analysis.comparisons import Comparison, compare_all, holm
from sweeps.analysis.hits import hits_of
from sweeps.analysis.image_error import ImageTable
from sweeps.analysis.intervals import Estimate, score
from sweeps.analysis.lucky_seeds import Adjusted, adjusted
from sweeps.core.seeds import CONTROL_SEEDS
from sweeps.stages.outcomes import NOT_ASKED
from sweeps.stages.ranking import confirmed_trials, curve_trials
from sweeps.store.spec import Spec, Stored
from sweeps.store.trials import CURVE, TrialRecord
from trainables.parts.protocol import VALIDATION, Protocol
from trainables.parts.results import SeedResult

# About twice as many each time, from a single image of each class on.
USUAL_NUMBERS = (1, 2, 5, 10, 20)


class CurvePoint(Stored):
    """An approach's best configuration that learns from so many images of each class.

    Attributes:
        shots: These images of each class.
        score: What ranks, on fresh seeds; None if it failed, or none has finished.
        adjusted: The same without these seeds' luck; None where too little is known.
        is_complete: Whether all its fresh seeds are there.
        failure: Why it failed, if it did.
    """

    shots: int
    score: Estimate | None
    adjusted: Adjusted | None = None
    is_complete: bool
    failure: str | None


class Step(Stored):
    """What more labels bring an approach: the difference, on the same seeds, between two numbers of shots.

    Of a seed the fewer images are among the more.

    Attributes:
        fewer: Images of each class.
        more: Images of each class.
        n: Common seeds.
        mean: Mean score with more less that with fewer.
        low: Lower end of its 95 % interval, without a correction for other steps.
        high: Its upper end.
    """

    fewer: int
    more: int
    n: int
    mean: float
    low: float
    high: float

    @property
    def is_doubling(self) -> bool:
        """Whether it is one from a number of labels to twice as many."""
        return self.more == 2 * self.fewer


class ApproachCurve(Stored):
    """The scores of one approach by shots, and the steps from each number to the next and to its double."""

    approach: str
    points: tuple[CurvePoint, ...]
    steps: tuple[Step, ...]

    def at(self, shots: int) -> CurvePoint | None:
        """Its point at this number of shots, if it has one."""
        return next((point for point in self.points if point.shots == shots), None)


class AtShots(Stored):
    """Every pair of approaches at one number of shots, on their common fresh seeds."""

    shots: int
    comparisons: tuple[Comparison, ...]


class ShotCurve(Stored):
    """Every approach's scores by shots.

    Attributes:
        own: The sweep's own number of shots, at which configurations were searched; None if classes have several.
        shots: All numbers that some approach has.
        curves: By approach, in the order of the table.
        pairs: Of approaches that are complete there, at each number. At the sweep's own number they are those of the
            first block of fresh seeds, shown where what is quoted of them is; all others are corrected together, for
            they are claims of their own.
    """

    own: int | None
    shots: tuple[int, ...]
    curves: tuple[ApproachCurve, ...]
    pairs: tuple[AtShots, ...]

    def pair(self, shots: int, one: str, other: str) -> Comparison | None:
        """The comparison of these two at this number of shots, if there is one."""
        found = (pair for at in self.pairs if at.shots == shots for pair in at.comparisons)
        return next((pair for pair in found if {pair.better, pair.worse} == {one, other}), None)


def shot_curve(
    trials: Sequence[TrialRecord],
    winners: Mapping[str, int],
    wanted: int,
    spec: Spec,
    comparisons: Sequence[Comparison],
    control: Mapping[int, float],
) -> ShotCurve | None:
    """The curves of these winners; None if none of them was run at another number of shots.

    Args:
        trials: Of the journal.
        winners: Number of the best configuration of each approach, in the order of the table.
        wanted: Fresh seeds that each is to have.
        spec: Of the sweep.
        comparisons: Of the confirmed approaches, on the first block of fresh seeds, which all points have.
        control: Scores by seed of the control of lucky seeds, at the sweep's own shots.
    """
    runs = {name: _runs(trials, name, number, spec) for name, number in winners.items()}
    own = own_shots(spec)
    if all(of_approach.keys() <= {own} for of_approach in runs.values()):
        return None
    curves = [_curve(name, of_approach, wanted, spec, control) for name, of_approach in runs.items()]
    numbers = sorted({point.shots for curve in curves for point in curve.points})
    return ShotCurve(
        own=own, shots=tuple(numbers), curves=tuple(curves), pairs=tuple(_pairs(curves, runs, spec, comparisons))
    )


def usual_numbers(protocol: Protocol) -> list[int]:
    """Numbers of shots that are worth a curve, as far as these images are enough for them."""
    most = min(protocol.pool) // 2
    if protocol.groups:
        groups, labels = np.array(protocol.groups), protocol.labels
        owners = [len(np.unique(groups[labels == label])) for label in range(len(protocol.classes))]
        # Each class may take others' groups.
        most = min(most, (min(owners) - 1) // len(owners))
    return [shots for shots in USUAL_NUMBERS if shots <= most]


def own_shots(spec: Spec) -> int | None:
    """The number of images of each class that the sweep itself learns from; None if classes have several."""
    numbers = set(spec.protocol.shots)
    return numbers.pop() if len(numbers) == 1 else None


def _runs(trials: Sequence[TrialRecord], name: str, number: int, spec: Spec) -> dict[int, list[TrialRecord]]:
    """What was run of a winner on fresh seeds, by shots."""
    own = own_shots(spec)
    numbers = {trial.shots for trial in trials if trial.approach == name and trial.of_trial == number}
    found = {shots: curve_trials(trials, name, number, shots) for shots in sorted(filter(None, numbers))}
    confirmed = confirmed_trials(trials, name, number)
    return found | ({own: confirmed} if own is not None and confirmed else {})


def _curve(
    name: str, runs: Mapping[int, Sequence[TrialRecord]], wanted: int, spec: Spec, control: Mapping[int, float]
) -> ApproachCurve:
    points = [_point(shots, runs[shots], wanted, spec, control) for shots in sorted(runs)]
    known = [point.shots for point in points if point.is_complete]
    doublings = [(fewer, 2 * fewer) for fewer in known if 2 * fewer in known]
    steps = [_step(*pair, runs, spec) for pair in sorted({*pairwise(known), *doublings})]
    return ApproachCurve(approach=name, points=tuple(points), steps=tuple(filter(None, steps)))


def _point(
    shots: int, runs: Sequence[TrialRecord], wanted: int, spec: Spec, control: Mapping[int, float]
) -> CurvePoint:
    last = runs[-1]
    failure = last.reason if last.state == "FAIL" and last.reason != NOT_ASKED.reason else None
    found = None if failure else score(_results(runs), CURVE, spec.at_shots(shots))
    is_complete = bool(found and found.n >= wanted)
    return CurvePoint(
        shots=shots,
        score=found,
        # Of a seed the fewer images are among the more, so that the control's luck is partly that of any number.
        adjusted=adjusted(found, _scores(runs), control, CONTROL_SEEDS) if is_complete else None,
        is_complete=is_complete,
        failure=failure,
    )


def _results(runs: Sequence[TrialRecord]) -> list[SeedResult]:
    return [result for trial in runs for result in trial.results]


def _scores(runs: Sequence[TrialRecord]) -> dict[int, float]:
    return {seed: score for trial in runs for seed, score in trial.scores_by_seed.items()}


def _step(fewer: int, more: int, runs: Mapping[int, Sequence[TrialRecord]], spec: Spec) -> Step | None:
    """The difference between two numbers of shots on their common seeds.

    The images that both are scored on, and learn from, are those of the larger number but for a few, so that the error
    of the images is that of a difference between two approaches that learn from so many.
    """
    numbers = {"more": more, "fewer": fewer}
    found = compare_all(
        {name: _scores(runs[shots]) for name, shots in numbers.items()},
        {name: _images(runs[shots], shots, spec) for name, shots in numbers.items()},
    )
    if not found:
        return None
    (pair,) = found
    mean, low, high = pair.mean, pair.low, pair.high
    if pair.better == "fewer":
        mean, low, high = -mean, -high, -low
    return Step(fewer=fewer, more=more, n=pair.n, mean=mean, low=low, high=high)


def _images(runs: Sequence[TrialRecord], shots: int, spec: Spec) -> ImageTable | None:
    """What each image adds to what ranks; None where that is no share of hits, or they are not known."""
    hits = hits_of(_results(runs), VALIDATION, CURVE, spec.at_shots(shots)) if spec.ranked_by == "accuracy" else None
    return hits.table(hits.shares) if hits else None


def _pairs(
    curves: Sequence[ApproachCurve],
    runs: Mapping[str, Mapping[int, Sequence[TrialRecord]]],
    spec: Spec,
    comparisons: Sequence[Comparison],
) -> list[AtShots]:
    """Comparisons at every number of shots; those that the confirmation does not have are corrected together."""
    own = own_shots(spec)
    numbers = sorted({point.shots for curve in curves for point in curve.points if point.shots != own})
    found: list[tuple[int, Comparison]] = []
    for shots in numbers:
        complete = [curve.approach for curve in curves if (point := curve.at(shots)) and point.is_complete]
        scores = {name: _scores(runs[name][shots]) for name in complete}
        tables = {name: _images(runs[name][shots], shots, spec) for name in complete}
        found += [(shots, pair) for pair in compare_all(scores, tables)]
    adjusted = holm([pair.p for _, pair in found])
    by_shots: dict[int, list[Comparison]] = {shots: [] for shots in numbers}
    for (shots, pair), p in zip(found, adjusted, strict=True):
        by_shots[shots].append(replace(pair, p_holm=p))
    if own is not None:
        by_shots[own] = list(comparisons)
    return [AtShots(shots=shots, comparisons=tuple(by_shots[shots])) for shots in sorted(by_shots)]

"""How a search went on: each configuration, the best until then, and what had been spent on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sweeps.store.trials import CONFIRM, CURVE, DECIDE, INTENSIFY, REPEAT, ROBUSTNESS, TrialRecord, searched
from trainables.parts.protocol import VALIDATION


@dataclass(frozen=True, kw_only=True)
class Point:
    """A search after one more configuration.

    Attributes:
        number: Of the configuration.
        state: Optuna's, as in the journal.
        mean: Its mean score over the seeds that it has; None without one.
        seconds: worker seconds of this configuration and all before it.
        incumbent: The greatest mean of a complete configuration until now; None before the first.
    """

    number: int
    state: str
    mean: float | None
    seconds: float
    incumbent: float | None


def history(trials: Iterable[TrialRecord], approach: str) -> list[Point]:
    """The approach's search in the order in which its configurations were first suggested."""
    tried = [trial for trial in searched(trials, approach) if trial.state != REPEAT]
    return _walk(sorted(tried, key=lambda trial: trial.number))


def spending(trials: Iterable[TrialRecord], approach: str) -> list[Point]:
    """The approach's search in the order in which its configurations ended, which is when their seconds were spent."""
    ended = [trial for trial in searched(trials, approach) if trial.ended_ms is not None and trial.state != REPEAT]
    return _walk(sorted(ended, key=lambda trial: (trial.ended_ms, trial.number)))


def _walk(trials: Iterable[TrialRecord]) -> list[Point]:
    points: list[Point] = []
    seconds, incumbent = 0.0, None
    for trial in trials:
        values = trial.scores
        mean = float(values.mean()) if len(values) else None
        seconds += trial.seconds
        # Raced-out configurations have fewer seeds, so they are not ranked with the complete ones.
        if trial.state == "COMPLETE" and mean is not None:
            incumbent = mean if incumbent is None else max(mean, incumbent)
        points.append(Point(number=trial.number, state=trial.state, mean=mean, seconds=seconds, incumbent=incumbent))
    return points


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """Of a long search about so many points, evenly spread, and each at which the incumbent changes; else all."""
    every = -(-len(points) // most)
    before = [None, *(point.incumbent for point in points)]
    return [
        point
        for at, point in enumerate(points)
        if at % every == 0 or at == len(points) - 1 or point.incumbent != before[at]
    ]


def incumbent_at(points: Iterable[Point], seconds: float) -> float | None:
    """The best complete configuration that was known when so many worker seconds were spent."""
    # Equal costs are sums of the same numbers, which may differ in their last digit.
    known = [point.incumbent for point in points if point.seconds <= seconds * (1 + 1e-9)]
    return known[-1] if known else None


def budgets(spendings: Mapping[str, Sequence[Point]]) -> list[float]:
    """Worker seconds at which approaches can be compared: all that the cheapest spent, ten times that, and so on.

    The last is the last that at least two approaches spent.
    """
    totals = sorted((points[-1].seconds for points in spendings.values() if points), reverse=True)
    if not totals or totals[-1] <= 0:
        return []
    most = totals[min(1, len(totals) - 1)]
    found = [totals[-1]]
    while found[-1] * 10 <= most:
        found.append(found[-1] * 10)
    return found


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an approach cost, in worker seconds, and what racing spared, in seeds.

    `spared` are the seeds that raced-out configurations did not run; `planned` are the seeds that all ended, unfailed
    configurations would have run without racing.
    """

    complete_seconds: float
    other_seconds: float
    intensify_seconds: float
    confirm_seconds: float
    curve_seconds: float
    changed_seconds: float
    planned: int
    spared: int

    @property
    def seconds(self) -> float:
        """All of it."""
        of_search = self.complete_seconds + self.other_seconds + self.intensify_seconds
        return of_search + self.confirm_seconds + self.curve_seconds + self.changed_seconds


def cost(trials: Iterable[TrialRecord], approach: str, seeds: int) -> Cost:
    """Of one approach, whose complete configurations have `seeds` seeds."""
    own = [trial for trial in trials if trial.approach == approach]
    in_search = searched(own, approach)
    complete = [trial for trial in in_search if trial.state == "COMPLETE"]
    raced = [trial for trial in in_search if trial.state == "PRUNED"]
    run = [sum(result.split == VALIDATION for result in trial.results) for trial in raced]
    return Cost(
        complete_seconds=sum(trial.seconds for trial in complete),
        other_seconds=sum(trial.seconds for trial in in_search if trial.state != "COMPLETE"),
        intensify_seconds=sum(trial.seconds for trial in own if trial.stage == INTENSIFY),
        confirm_seconds=sum(trial.seconds for trial in own if trial.stage in (CONFIRM, DECIDE)),
        curve_seconds=sum(trial.seconds for trial in own if trial.stage == CURVE),
        changed_seconds=sum(trial.seconds for trial in own if trial.stage == ROBUSTNESS),
        planned=seeds * (len(complete) + len(raced)),
        spared=sum(max(seeds - count, 0) for count in run),
    )

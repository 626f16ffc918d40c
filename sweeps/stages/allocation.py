"""Allocation: which approaches get more configurations, where not all get as many."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FrozenTrial, TrialState
from scipy import special

from sweeps.stages.repeats import distinct

# What ranks, of one configuration by seed.
Scores = Mapping[int, float]


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """After how many configurations approaches are compared, and which of them then get no more.

    The first comparison is after `first` configurations of each approach, each next one after `growth` times as many.
    An approach is behind if Student's paired t test finds its best complete configuration worse than another
    approach's, on their common seeds, with a one-sided p-value below `p`. Both are the best of equally many, so that
    choosing flatters both. How often that ends a search that would have won, what it saves, and other rules are in
    `benchmarks/allocation.py`.
    """

    first: int = 8
    growth: float = 2.0
    p: float = 0.02

    def rounds(self, num_samples: int) -> list[int]:
        """After how many of `num_samples` configurations to compare; empty if all are to have all."""
        found, after = [], self.first
        while after < num_samples:
            found.append(after)
            after = math.ceil(after * self.growth)
        return found

    def is_behind(self, own: Scores, rival: Scores) -> bool:
        """Whether a configuration is worse than a rival's; never on fewer than three common seeds."""
        common = sorted(own.keys() & rival.keys())
        if len(common) < 3:
            return False
        differences = np.array([own[seed] - rival[seed] for seed in common])
        mean = float(differences.mean())
        if mean >= 0:
            return False
        error = float(differences.std(ddof=1)) / math.sqrt(len(common))
        # Of equal differences, which a few scored images often give, `compare` takes the same error.
        error = error if error > 1e-12 else -mean / len(common)
        return bool(special.stdtr(len(common) - 1, mean / error) < self.p)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the comparisons say so far.

    Attributes:
        behind: After how many configurations each approach that gets no more fell behind.
        undecided: After how many the next comparison is, which still waits for some; None if there is no other.
    """

    behind: Mapping[str, int]
    undecided: int | None


def standing(
    allocation: Allocation,
    num_samples: int,
    bests: Mapping[str, Mapping[int, Scores | None]],
    kept: Collection[str] = (),
) -> Standing:
    """Which approaches are behind, by as many first configurations of each.

    A comparison counts once those before it are decided, which they are when all approaches that are not behind have
    ended so many configurations. One that is worse than a rival that is there is behind at once, since nothing that is
    still to come makes it better. So what comes out does not depend on the order in which configurations end.

    Args:
        allocation: When to compare, and how.
        num_samples: The most that an approach gets.
        bests: Of each approach, by the number of first configurations once they have all ended, the scores of the best
            complete one; None if none of them is complete.
        kept: Approaches that get all of them whatever is found; others are compared with them.
    """
    behind: dict[str, int] = {}
    for after in allocation.rounds(num_samples):
        inside = [name for name in bests if name not in behind]
        known = {name: bests[name][after] for name in inside if after in bests[name]}
        behind |= {name: after for name in known if name not in kept and _is_beaten(allocation, name, known)}
        if len(known) < len(inside):
            return Standing(behind=behind, undecided=after)
    return Standing(behind=behind, undecided=None)


def _is_beaten(allocation: Allocation, name: str, bests: Mapping[str, Scores | None]) -> bool:
    own = bests[name]
    if own is None:
        # Nothing is known against it.
        return False
    return any(allocation.is_behind(own, best) for other, best in bests.items() if best is not None and other != name)


class Rounds:
    """The comparisons of one search: what has ended, who is behind, and who may get a configuration now."""

    def __init__(self, allocation: Allocation, num_samples: int, names: Collection[str], kept: Collection[str]) -> None:
        """Begin with nothing known of these approaches; `kept` get `num_samples` whatever is found."""
        self._allocation, self._num_samples, self._kept = allocation, num_samples, kept
        self._counts = allocation.rounds(num_samples)
        self._bests: dict[str, dict[int, Scores | None]] = {name: {} for name in names}
        self._standing = standing(allocation, num_samples, self._bests, kept)

    @property
    def behind(self) -> Mapping[str, int]:
        """The approaches that get no more, each with the number of configurations after which it fell behind."""
        return self._standing.behind

    def waits_for(self, name: str, begun: int, *, is_over: bool) -> bool:
        """Whether a comparison lacks this approach, which has begun so many; `is_over` says that no more will come."""
        lacking = self._lacking(name)
        return bool(lacking) and (begun >= lacking[0] or is_over)

    def note(self, name: str, trials: Sequence[FrozenTrial], *, is_over: bool) -> None:
        """Take in what has ended of an approach's search; `is_over` says that it gets no more whatever is found."""
        begun = distinct(trials)
        for after in self._lacking(name):
            first = begun[:after]
            if all(trial.state.is_finished() for trial in first) and (len(first) == after or is_over):
                self._bests[name][after] = _scores_of_best(first)
        self._standing = standing(self._allocation, self._num_samples, self._bests, self._kept)

    def next_of(self, short: Sequence[str], started: Mapping[str, int], best: Mapping[str, float]) -> str | None:
        """Which of these approaches gets the next configuration; None while all have to wait for a comparison.

        The one that has had the fewest, up to the next comparison. While that waits for configurations that still run,
        workers do not: kept approaches go on, and then those that are best so far, up to the comparison after it.

        Args:
            short: Approaches that are not behind and have had fewer than all.
            started: How many each has had.
            best: The best mean of each so far.
        """
        limit = self._standing.undecided or self._num_samples
        ready = [name for name in short if started[name] < limit]
        if ready:
            return min(ready, key=lambda name: started[name])
        further = next((after for after in self._counts if after > limit), self._num_samples)
        ahead = [name for name in short if name in self._kept or started[name] < further]
        return min(ahead, key=lambda name: (name not in self._kept, -best.get(name, 0.0)), default=None)

    def _lacking(self, name: str) -> list[int]:
        return [after for after in self._counts if after not in self._bests[name]]


def _scores_of_best(trials: Sequence[FrozenTrial]) -> Scores | None:
    """What ranks, by seed, of the complete trial with the greatest mean, the earliest of equals."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None]
    best = max(complete, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)
    return None if best is None else dict(best.intermediate_values)

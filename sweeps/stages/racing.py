"""Racing: when configurations are looked at, and when one of them is stopped as a loser."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

# Fewer seeds a configuration say too little of the best one's spread.
LEAST_RACED = 4
# Scores are fractions of counts: differences and means are equal, or apart by far more than the last of these digits.
EXACT_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Racing:
    """When a configuration is looked at, and what shows that it is worse than the approach's best complete ones.

    That is a moderated t test (Smyth 2004, Linear models and empirical Bayes methods for assessing differential
    expression in microarray experiments) of its differences from their mean, seed by seed. The mean of several tells
    better than one how difficult a seed is, and is not as flattered by having been chosen. A few differences tell
    little of their own spread, so the spread of the best one's scores stands in for it, as if it came from `prior`
    further observations. So a look after a single seed says something, and most configurations of a search at random
    are so much worse that it is enough.

    With ten seeds, seven looks, three rivals that are equally good and not lucky on these seeds, and scores that spread
    by 3 points, half of whose variance is the seed's, all looks together stop 90 % of the configurations that are a
    point worse, 60 % of those as good, which loses nothing, 28 % of those a point better and 11 % of those two points
    better; with a single rival 59, 27, 9 and 3 %. In searches replayed on real results it saves seven tenths of the
    seeds and hardly loses anything (`benchmarks/racing.py`, which compares it with other rules).

    Attributes:
        p: The one-sided p-value of one look below which a configuration is stopped, for each of its rivals: the first
            complete ones may be lucky or poor, so more must speak against what is compared with few.
        prior: Weight of the best one's spread, in observations.
        first: After how many seeds the first look comes.
        growth: The next look comes after so many times as many seeds, so that many seeds mean few more looks.
        rivals: How many of the best complete ones it is compared with; where there are fewer, with those.
    """

    p: float = 0.12
    prior: float = 2.0
    first: int = 1
    growth: float = 1.25
    rivals: int = 3

    def looks(self, seeds: int) -> list[int]:
        """After how many of `seeds` seeds to look."""
        found, look = [], self.first
        if seeds < LEAST_RACED:
            return []
        while look < seeds:
            found.append(look)
            look = math.ceil(look * self.growth)
        return found

    def is_worse(self, own: Mapping[int, float], rivals: Sequence[Mapping[int, float]]) -> bool:
        """Whether a configuration loses; one whose mean is not below that of its rivals never does.

        Args:
            own: Its score by seed.
            rivals: Those of its rivals, the best first, each with the same seeds.
        """
        mean = {seed: sum(rival[seed] for rival in rivals) / len(rivals) for seed in rivals[0]} if rivals else {}
        own_N, mean_M = np.array(list(own.values())), np.array(list(mean.values()))
        differences_N = np.array([value - mean[seed] for seed, value in own.items() if seed in mean])
        if not len(differences_N) or not np.isfinite([*own_N, *mean_M]).all():
            return False
        if round(own_N.mean() - mean_M.mean(), EXACT_DIGITS) >= 0:
            return False
        spread = float(np.std(list(rivals[0].values()), ddof=1)) if len(mean) > 1 else 0.0
        p_value = float(p_of_less(differences_N[None], np.array([spread]), self.prior)[0])
        return p_value < self.p * len(rivals)


def p_of_less(differences_DN: np.ndarray, spread_D: np.ndarray, prior: float) -> np.ndarray:
    """One-sided p-values (D,) of the moderated t test (Smyth 2004, section 4) that means are below zero.

    Differences that are all alike, where nothing else tells of a spread, have those of the sign test.

    Args:
        differences_DN: D samples of N differences.
        spread_D: The standard deviation that is expected of each. Zero expects nothing, so that this is Student's test:
            scores that are all alike say nothing of the spread of others.
        prior: Its weight, in observations.
    """
    number = differences_DN.shape[1]
    mean_D = differences_DN.mean(axis=1)
    squares_D = ((differences_DN - mean_D[:, None]) ** 2).sum(axis=1)
    freedom_D = number - 1 + np.where(_is_some(spread_D), prior, 0.0)
    squares_D += prior * spread_D**2
    varies_D = _is_some(np.sqrt(squares_D))
    root_D = np.sqrt(np.divide(number * freedom_D, squares_D, out=np.ones_like(squares_D), where=varies_D))
    by_signs_D = np.where(mean_D < 0, 0.5**number, 1.0)
    return np.where(varies_D, stdtr(freedom_D, mean_D * root_D), by_signs_D)


def _is_some(spread_D: np.ndarray) -> np.ndarray:
    """Whether it is more than what rounding leaves of none."""
    found: np.ndarray = spread_D.round(EXACT_DIGITS) > 0
    return found

"""Racing: when configurations are looked at, and when one of them is stopped as a loser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import wilcoxon

# With so many seeds scipy counts all signs where differences are equal, too; with more it takes a normal distribution.
MOST_COUNTED = 13
# Scores are fractions of counts: differences are equal, or apart by far more than the last of these digits.
EXACT_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Racing:
    """When a configuration is looked at, and below which p-value of Wilcoxon's test it is stopped as a loser.

    The first look is after three seeds, where the least p-value is 2^-3; each next one comes after a quarter as many
    seeds again, so that many seeds mean few more looks. `p` is of one look. With ten seeds, five looks, and paired
    differences that spread by 3 points, all looks together stop 95 % of the configurations that are two points worse
    than the best so far, 45 % of those as good, which loses nothing, 18 % of those a point better and 5 % of those two
    points better. In searches replayed on real results it saves about half of the seeds and loses less than a tenth of
    a point (`benchmarks/racing.py`, which compares it with other rules).
    """

    p: float = 0.3
    first: int = 3
    growth: float = 1.25

    def looks(self, seeds: int) -> list[int]:
        """After how many of `seeds` seeds to look."""
        found, look = [], self.first
        while look < seeds:
            found.append(look)
            look = math.ceil(look * self.growth)
        return found

    def is_worse(self, own: Mapping[int, float], best: Mapping[int, float]) -> bool:
        """Whether a configuration loses against another one: as Optuna's `WilcoxonPruner` decides, but for rounding.

        Differences that are equal but for their last digits count as equal: with few scored images many are, and the
        pruner ranks those by the errors of subtraction. A difference of zero counts half for either side. One whose
        mean is not below the other's never loses, however the signs are.

        Args:
            own: Its score by seed.
            best: The other one's.
        """
        if not np.isfinite([*own.values(), *best.values()]).all():
            return False
        differences = np.array([value - best[seed] for seed, value in own.items() if seed in best]).round(EXACT_DIGITS)
        ahead = sum(best.values()) / len(best) - sum(own.values()) / len(own) if best else 0.0
        if len(differences) < 2 or round(ahead, EXACT_DIGITS) <= 0:
            return False
        return p_of_less(differences) < self.p


def p_of_less(differences_N: np.ndarray) -> float:
    """One-sided p-value of Wilcoxon's signed-rank test that differences are below zero; zeros are split.

    As `scipy.stats.wilcoxon(..., alternative="less", zero_method="zsplit")`, which takes milliseconds for what is
    counted here: in how many of all 2^N choices of signs the ranks that have a plus sum up to no more.
    """
    if len(differences_N) > MOST_COUNTED:
        return float(wilcoxon(differences_N, alternative="less", zero_method="zsplit").pvalue)
    _, at_N, counts = np.unique(np.abs(differences_N), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks_N = (ends - (counts - 1) / 2)[at_N]
    # Ranks are halves and zeros count half of theirs, so that all sums are exact.
    is_zero_N = differences_N == 0
    observed = ranks_N[differences_N > 0].sum() + ranks_N[is_zero_N].sum() / 2
    sums = _signs(len(differences_N) - int(is_zero_N.sum())) @ ranks_N[~is_zero_N] + ranks_N[is_zero_N].sum() / 2
    return float(np.count_nonzero(sums <= observed) / len(sums))


@cache
def _signs(count: int) -> np.ndarray:
    """All choices of which of so many have a plus, as rows of 0 and 1."""
    return (np.arange(2**count)[:, None] >> np.arange(count) & 1).astype(float)

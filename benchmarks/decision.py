"""Is the winner's number honest? Thousands of confirmations replayed on a table whose true means are known.

python benchmarks/decision.py [--table FILE] [--sweeps 4000] [--confirm-seeds 50] [--few 3 5 8 10 15 20 50]

Configurations of the table (`make_table.py`) stand for the approaches of a sweep: 5, 8 or 12 of them,

- `equal`: with means within .3 points of each other;
- `one`: one of them 2 points or a little more above all others;
- `spread`: any of the table, so that several are often near the best;
- `same`: as `equal`, each shifted to the same mean, so that every claim of a difference is wrong.

A block of fresh seeds is drawn from those of the table, with replacement, since blocks without common seeds of so few
would lean against each other: what is lucky in the first would be unlucky in the second. All approaches have the same
seeds (`common`), or each has its own, as if nothing but chance made seeds differ (`own`, the worst case). The truth is
the mean over all seeds of the table; they share one pool of images, so that errors are of the seeds alone here. One
approach at random is the plain baseline. How the best is named and measured:

- `one block`: by the same block, as without a decision;
- `first names`: the first block names it; the approaches that it does not tell from the best, and the baseline, meet a
  second block, which measures; another one is named if the second block shows it to be better. What a sweep does;
- `second names`: the second block names the best of the same approaches, and measures it;
- `both name`: the mean over both blocks names, and measures, shrunken towards the candidates' mean (James and Stein).

Printed: bias of the quoted mean in points; in how many of 100 sweeps its 95 % interval, and that of the difference to
the baseline, hold the truth; sweeps in which any quoted comparison claims the wrong sign (or any, for `same`); sweeps
that name the truly best, and what the named one lacks to it (regret, in points); fresh seeds for each approach.
`--few` numbers of seeds get a second table: what an interval of so few is worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import stats
from tables import TABLE, read_tables

from sweeps.analysis.comparisons import ERROR
from sweeps.views.text_table import aligned

KINDS, SIZES, SEEDS = ("equal", "one", "spread", "same"), (5, 8, 12), ("common", "own")
ONE_BLOCK, FIRST, SECOND, BOTH = WAYS = ("one block", "first names", "second names", "both name")
WITHIN, AHEAD = 0.3, 2.0


@dataclass(frozen=True, kw_only=True)
class Block:
    """What one block of n seeds says of k approaches in R sweeps: means (R, k), their covariances over seeds (R, k, k),
    and p-values of all pairs of approaches, uncorrected (R, P)."""

    n: int
    means: np.ndarray
    covariances: np.ndarray
    p: np.ndarray

    def half(self, variance: np.ndarray) -> np.ndarray:
        """Half of the 95 % interval of a mean with this variance of single seeds."""
        half: np.ndarray = stats.t.ppf(0.975, self.n - 1) * np.sqrt(variance / self.n)
        return half


def block(values_RKN: np.ndarray, pairs: np.ndarray) -> Block:
    """Summarise the block."""
    n = values_RKN.shape[-1]
    means_RK = values_RKN.mean(-1)
    off_RKN = values_RKN - means_RK[..., None]
    covariance_RKK = off_RKN @ off_RKN.swapaxes(1, 2) / (n - 1)
    t = (means_RK[:, pairs[:, 0]] - means_RK[:, pairs[:, 1]]) / np.sqrt(
        np.maximum(variance_of_pairs(covariance_RKK, pairs), 1e-12) / n
    )
    return Block(n=n, means=means_RK, covariances=covariance_RKK, p=2 * stats.t.sf(np.abs(t), n - 1))


def variance_of_pairs(covariance_RKK: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Of single seeds' differences (R, P)."""
    one, other = pairs.T
    found: np.ndarray = (
        covariance_RKK[:, one, one] + covariance_RKK[:, other, other] - 2 * covariance_RKK[:, one, other]
    )
    return found


def holm(p_RP: np.ndarray) -> np.ndarray:
    """As `comparisons.holm`, for many sweeps at once."""
    order = np.argsort(p_RP, 1)
    stepped = np.maximum.accumulate(np.take_along_axis(p_RP, order, 1) * np.arange(p_RP.shape[1], 0, -1), 1)
    found = np.empty_like(p_RP)
    np.put_along_axis(found, order, np.minimum(stepped, 1), 1)
    return found


def drawn(values_CS: np.ndarray, kind: str, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The results of the approaches of one sweep (k, S), and their true means (k,)."""
    means = values_CS.mean(1)
    while True:
        best = rng.choice(np.flatnonzero(means >= np.median(means)))
        below = means[best] - means
        if kind == "spread":
            fit = np.arange(len(means))
        elif kind == "one":
            fit = np.flatnonzero((below >= AHEAD) & (below <= AHEAD + 0.6))
        else:
            fit = np.flatnonzero((below >= 0) & (below <= WITHIN))
        fit = fit[fit != best]
        if len(fit) >= size - 1:
            break
    chosen = [best, *rng.choice(fit, size - 1, replace=False)] if kind != "spread" else rng.choice(fit, size, False)
    found = values_CS[chosen]
    if kind == "same":
        found = found - found.mean(1, keepdims=True) + found.mean()
    return found, found.mean(1)


def blocks(
    values_CS: np.ndarray, kind: str, size: int, seeds: str, n: int, sweeps: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two blocks of each sweep (R, k, n), and the true means (R, k)."""
    found, truths = [], []
    for _ in range(sweeps):
        values_KS, truth_K = drawn(values_CS, kind, size, rng)
        rows = 1 if seeds == "common" else size
        at = rng.integers(values_KS.shape[1], size=(rows, 2 * n))
        found.append(np.take_along_axis(values_KS, np.broadcast_to(at, (size, 2 * n)), 1))
        truths.append(truth_K)
    both = np.array(found)
    return both[..., :n], both[..., n:], np.array(truths)


def replay(first_RKN: np.ndarray, second_RKN: np.ndarray, truth_RK: np.ndarray) -> Iterator[dict[str, str]]:
    """What each way says; a row for each."""
    sweeps, size, n = first_RKN.shape
    pairs = np.array(list(combinations(range(size), 2)))
    one, two = block(first_RKN, pairs), block(second_RKN, pairs)
    pooled = block(np.concatenate([first_RKN, second_RKN], -1), pairs)
    rows, base = np.arange(sweeps), size - 1
    best = one.means.argmax(1)
    p_one = holm(one.p)
    is_shown = p_one < ERROR
    # Each claim has two chances, so that each gets half of the error.
    is_told = p_one < ERROR / 2
    told_from_best = np.zeros((sweeps, size), bool)
    for at, (a, b) in enumerate(pairs):
        told_from_best[:, b] |= is_told[:, at] & (best == a)
        told_from_best[:, a] |= is_told[:, at] & (best == b)
    is_candidate = ~told_from_best
    is_decided = is_candidate.sum(1) > 1
    is_member = (is_candidate | (np.arange(size) == base)) & is_decided[:, None]
    both = is_member[:, pairs[:, 0]] & is_member[:, pairs[:, 1]]
    p = np.where(both, two.p, one.p)
    of_pair = lambda block: block.means[:, pairs[:, 0]] - block.means[:, pairs[:, 1]]  # noqa: E731
    difference, shown = np.where(both, of_pair(two), of_pair(one)), holm(p) * (1 + is_decided[:, None]) < ERROR
    # Another candidate that the second block shows to be better than the first one's best.
    beats = np.zeros((sweeps, size), bool)
    for at, (a, b) in enumerate(pairs):
        ok = shown[:, at] & both[:, at]
        beats[:, a] |= ok & (best == b) & (difference[:, at] > 0) & is_candidate[:, a]
        beats[:, b] |= ok & (best == a) & (difference[:, at] < 0) & is_candidate[:, b]
    overtaker = np.where(beats, two.means, -np.inf).argmax(1)
    true_difference = truth_RK[:, pairs[:, 0]] - truth_RK[:, pairs[:, 1]]
    true_difference[np.abs(true_difference) < 1e-9] = 0
    named = {
        ONE_BLOCK: best,
        FIRST: np.where(beats.any(1), overtaker, best),
        SECOND: np.where(is_decided, np.where(is_candidate, two.means, -np.inf).argmax(1), best),
        BOTH: np.where(is_decided, np.where(is_candidate, pooled.means, -np.inf).argmax(1), best),
    }
    for way in WAYS:
        name, second = named[way], is_decided & (way != ONE_BLOCK)
        quoted = pooled if way == BOTH else two
        pick = lambda value_RK, other_RK: np.where(  # noqa: E731
            second,
            value_RK[rows, name],
            other_RK[rows, name],  # noqa: B023
        )
        mean = pick(quoted.means, one.means)
        if way == BOTH:
            mean = np.where(second, shrunken(pooled, is_candidate, name), mean)
        variance = [np.diagonal(each.covariances, axis1=1, axis2=2) for each in (quoted, one)]
        half = np.where(second, quoted.half(variance[0][rows, name]), one.half(variance[1][rows, name]))
        truth = truth_RK[rows, name]
        has_base = name != base
        gaps, gap_halves = [], []
        for each in (quoted, one):
            gaps.append(each.means[rows, name] - each.means[:, base])
            cov = each.covariances
            gap_halves.append(each.half(cov[rows, name, name] + cov[:, base, base] - 2 * cov[rows, name, base]))
        gap, gap_half = np.where(second, gaps[0], gaps[1]), np.where(second, gap_halves[0], gap_halves[1])
        claimed = is_shown if way == ONE_BLOCK else shown
        sign = of_pair(one) if way == ONE_BLOCK else difference
        wrong = (claimed & (np.sign(sign) != np.sign(true_difference))).any(1)
        seeds = n * (1 + (is_member.mean(1) if way != ONE_BLOCK else 0))
        yield {
            "named and measured": way,
            "bias": f"{(mean - truth).mean():+.2f}",
            "coverage": f"{100 * (np.abs(mean - truth) <= half).mean():.1f}",
            "of difference": f"{100 * (np.abs(gap - truth + truth_RK[:, base]) <= gap_half)[has_base].mean():.1f}",
            "wrong claims": f"{100 * wrong.mean():.1f}",
            "named the best": f"{100 * (truth >= truth_RK.max(1) - 1e-9).mean():.0f}",
            "regret": f"{(truth_RK.max(1) - truth).mean():.2f}",
            "fresh": f"{np.mean(seeds):.0f}",
            "decided": f"{100 * is_decided.mean():.0f}" if way != ONE_BLOCK else "",
        }


def shrunken(pooled: Block, is_candidate: np.ndarray, name: np.ndarray) -> np.ndarray:
    """The named one's mean, shrunken towards the mean of all candidates (R,)."""
    rows = np.arange(len(name))
    count = is_candidate.sum(1)
    middle = np.where(is_candidate, pooled.means, 0).sum(1) / count
    spread = np.where(is_candidate, np.square(pooled.means - middle[:, None]), 0).sum(1)
    # Of the means' deviations from each other, which common seeds make smaller.
    variance = np.diagonal(pooled.covariances, axis1=1, axis2=2)
    own = np.where(is_candidate, variance, 0).sum(1) / count
    within = np.where(is_candidate[:, :, None] & is_candidate[:, None, :], pooled.covariances, 0).sum((1, 2))
    common = (within - own * count) / np.maximum(count * (count - 1), 1)
    error = np.maximum(own - common, 0) / pooled.n
    kept = np.clip(1 - (count - 3) * error / np.maximum(spread, 1e-12), 0, 1)
    return np.asarray(middle + kept * (pooled.means[rows, name] - middle))


def few(values_CS: np.ndarray, numbers: list[int], sweeps: int, rng: np.random.Generator) -> Iterator[dict[str, str]]:
    """What the interval of so few seeds is worth, of eight approaches of which any may be near the best."""
    for n in numbers:
        first, second, truth = blocks(values_CS, "spread", 8, "common", n, sweeps, rng)
        half = block(second, np.array(list(combinations(range(8), 2)))).half(second.var(-1, ddof=1))
        way = {row["named and measured"]: row for row in replay(first, second, truth)}[FIRST]
        low, middle, high = np.quantile(half, (0.05, 0.5, 0.95))
        yield {
            "fresh seeds": str(n),
            "half interval": f"{middle:.1f}",
            "in 90 % of sweeps": f"{low:.1f} to {high:.1f}",
            "widest / narrowest": f"{high / low:.1f}",
            "coverage": way["coverage"],
            "named the best": way["named the best"],
            "regret": way["regret"],
        }


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=TABLE, help="made by make_table.py")
    parser.add_argument("--sweeps", type=int, default=4000, help="of each kind")
    parser.add_argument("--confirm-seeds", type=int, default=50, help="of each block")
    parser.add_argument("--few", type=int, nargs="*", default=[3, 5, 8, 10, 15, 20, 50], help="numbers of fresh seeds")
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    values_CS = np.concatenate([table.accuracies for table in read_tables(asked.table).values()])
    found = [
        {"approaches": kind, "of": str(size), "seeds": seeds, **row}
        for kind in KINDS
        for size in SIZES
        for seeds in SEEDS
        for row in replay(*blocks(values_CS, kind, size, seeds, asked.confirm_seeds, asked.sweeps, rng))
    ]
    print(aligned(found, left=("approaches", "named and measured")))
    if asked.few:
        print("\nFew fresh seeds: eight approaches, half of the 95 % interval of a mean in points\n")
        print(aligned(list(few(values_CS, asked.few, asked.sweeps, rng)), left=("fresh seeds",)))


if __name__ == "__main__":
    main()

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
`--few` numbers of seeds get a second table: what an interval of so few is worth. A third one: how often the first
block's best is the truly best one, by the share of resamples of both blocks' seeds in which it comes first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from scipy import stats
from tables import TABLE, read_tables

from sweeps.analysis.comparisons import ERROR
from sweeps.analysis.first_shares import first_shares
from sweeps.views.text_table import aligned

KINDS, SIZES, SEEDS = ("equal", "one", "spread", "same"), (5, 8, 12), ("common", "own")
ONE_BLOCK, FIRST, SECOND, BOTH = ("one block", "first names", "second names", "both name")
WITHIN, AHEAD = 0.3, 2.0
# Borders of the groups of shares.
SHARES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.01)


@dataclass(frozen=True, kw_only=True)
class Block:
    """What one block of n seeds says of k approaches in R sweeps.

    Attributes:
        n: Seeds.
        means: (R, k).
        covariances: (R, k, k), of single seeds.
        p: (R, P), of all pairs of approaches, uncorrected.
    """

    n: int
    means: np.ndarray
    covariances: np.ndarray
    p: np.ndarray

    def half(self, variance: np.ndarray) -> np.ndarray:
        """Half of the 95 % interval of a mean with this variance of single seeds."""
        half: np.ndarray = stats.t.ppf(0.975, self.n - 1) * np.sqrt(np.maximum(variance, 0) / self.n)
        return half

    def differences(self, pairs: np.ndarray) -> np.ndarray:
        """Of the means of each pair (R, P)."""
        found: np.ndarray = self.means[:, pairs[:, 0]] - self.means[:, pairs[:, 1]]
        return found


def block(values_RKN: np.ndarray, pairs: np.ndarray) -> Block:
    """Summarise the block."""
    n = values_RKN.shape[-1]
    means_RK = values_RKN.mean(-1)
    off_RKN = values_RKN - means_RK[..., None]
    covariance_RKK = off_RKN @ off_RKN.swapaxes(1, 2) / (n - 1)
    one, other = pairs.T
    variance_RP = covariance_RKK[:, one, one] + covariance_RKK[:, other, other] - 2 * covariance_RKK[:, one, other]
    t = (means_RK[:, one] - means_RK[:, other]) / np.sqrt(np.maximum(variance_RP, 1e-12) / n)
    return Block(n=n, means=means_RK, covariances=covariance_RKK, p=2 * stats.t.sf(np.abs(t), n - 1))


def holm(p_RP: np.ndarray) -> np.ndarray:
    """As `comparisons.holm`, for many sweeps at once."""
    order = np.argsort(p_RP, 1)
    stepped = np.maximum.accumulate(np.take_along_axis(p_RP, order, 1) * np.arange(p_RP.shape[1], 0, -1), 1)
    found = np.empty_like(p_RP)
    np.put_along_axis(found, order, np.minimum(stepped, 1), 1)
    return found


def drawn(
    values_CS: np.ndarray, good: np.ndarray, kind: str, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The results of the approaches of one sweep (k, S), the best being a good one, and their true means (k,)."""
    means = values_CS.mean(1)
    while True:
        best = rng.choice(good)
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
    tables: Sequence[np.ndarray], kind: str, size: int, seeds: str, n: int, sweeps: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two blocks of each sweep (R, k, n), and the true means (R, k)."""
    values_CS = np.concatenate(tables)
    # The better half of each approach of the table.
    good = np.flatnonzero(np.concatenate([own.mean(1) >= np.median(own.mean(1)) for own in tables]))
    found, truths = [], []
    for _ in range(sweeps):
        values_KS, truth_K = drawn(values_CS, good, kind, size, rng)
        rows = 1 if seeds == "common" else size
        at = rng.integers(values_KS.shape[1], size=(rows, 2 * n))
        found.append(np.take_along_axis(values_KS, np.broadcast_to(at, (size, 2 * n)), 1))
        truths.append(truth_K)
    both = np.array(found)
    return both[..., :n], both[..., n:], np.array(truths)


def replay(first_RKN: np.ndarray, second_RKN: np.ndarray, truth_RK: np.ndarray) -> Iterator[dict[str, str]]:
    """What each way says; a row for each."""
    size, n = first_RKN.shape[1:]
    pairs = np.array(list(combinations(range(size), 2)))
    one, two = block(first_RKN, pairs), block(second_RKN, pairs)
    pooled = block(np.concatenate([first_RKN, second_RKN], -1), pairs)
    base, best, p_one = size - 1, one.means.argmax(1), holm(one.p)
    # Each claim has two chances, so that each gets half of the error.
    is_candidate = ~worse_than(best, one.differences(pairs), p_one < ERROR / 2, pairs)
    is_decided = is_candidate.sum(1) > 1
    is_member = (is_candidate | (np.arange(size) == base)) & is_decided[:, None]
    is_second = is_member[:, pairs[:, 0]] & is_member[:, pairs[:, 1]]
    differences = np.where(is_second, two.differences(pairs), one.differences(pairs))
    shown = holm(np.where(is_second, two.p, one.p)) * (1 + is_decided[:, None]) < ERROR
    shown |= ~is_second & (p_one < ERROR / 2)
    overtaking = worse_than(best, -differences, shown & is_second, pairs)
    true_differences = truth_RK[:, pairs[:, 0]] - truth_RK[:, pairs[:, 1]]
    true_differences[np.abs(true_differences) < 1e-9] = 0

    def greatest(means: np.ndarray, among: np.ndarray) -> np.ndarray:
        """The one of these with the greatest mean; the first block's best where there is none of them."""
        return np.where(among.any(1), np.where(among, means, -np.inf).argmax(1), best)

    named = {
        ONE_BLOCK: best,
        FIRST: greatest(two.means, overtaking),
        SECOND: greatest(two.means, is_candidate & is_decided[:, None]),
        BOTH: greatest(pooled.means, is_candidate & is_decided[:, None]),
    }
    for way, name in named.items():
        is_one = way == ONE_BLOCK
        quoted = Quoted.of(one, name, base)
        if not is_one:
            second = Quoted.of(pooled if way == BOTH else two, name, base)
            if way == BOTH:
                second = replace(second, mean=shrunken(pooled, is_candidate, name))
            quoted = second.where(is_decided, quoted)
        truth = np.take_along_axis(truth_RK, name[:, None], 1)[:, 0]
        true_gap = truth - truth_RK[:, base]
        claimed, sign = (p_one < ERROR, one.differences(pairs)) if is_one else (shown, differences)
        wrong = (claimed & (np.sign(sign) != np.sign(true_differences))).any(1)
        yield {
            "named and measured": way,
            "bias": f"{(quoted.mean - truth).mean():+.2f}",
            "coverage": f"{100 * (np.abs(quoted.mean - truth) <= quoted.half).mean():.1f}",
            "of gap": f"{100 * (np.abs(quoted.gap - true_gap) <= quoted.half_gap)[name != base].mean():.1f}",
            "wrong claims": f"{100 * wrong.mean():.1f}",
            "named the best": f"{100 * (truth >= truth_RK.max(1) - 1e-9).mean():.0f}",
            "regret": f"{(truth_RK.max(1) - truth).mean():.2f}",
            "fresh seeds": f"{n if is_one else n * (1 + is_member.mean()):.0f}",
            "decided": "" if is_one else f"{100 * is_decided.mean():.0f}",
        }


def worse_than(best: np.ndarray, differences_RP: np.ndarray, shown_RP: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Which approaches (R, k) these comparisons show to be worse than the best one."""
    found = np.zeros((len(best), pairs.max() + 1), bool)
    for at, (one, other) in enumerate(pairs):
        found[:, other] |= shown_RP[:, at] & (best == one) & (differences_RP[:, at] > 0)
        found[:, one] |= shown_RP[:, at] & (best == other) & (differences_RP[:, at] < 0)
    return found


@dataclass(frozen=True, kw_only=True)
class Quoted:
    """What is said of the named best of each sweep (R,): its mean, its gap to the baseline, half of the intervals."""

    mean: np.ndarray
    half: np.ndarray
    gap: np.ndarray
    half_gap: np.ndarray

    @classmethod
    def of(cls, block: Block, name: np.ndarray, base: int) -> Quoted:
        """As that block measures it."""
        rows, own = np.arange(len(name)), block.covariances
        of_gap = own[rows, name, name] + own[:, base, base] - 2 * own[rows, name, base]
        mean = block.means[rows, name]
        gap = mean - block.means[:, base]
        return cls(mean=mean, half=block.half(own[rows, name, name]), gap=gap, half_gap=block.half(of_gap))

    def where(self, is_so: np.ndarray, other: Quoted) -> Quoted:
        """This one in those sweeps, else the other."""
        return Quoted(**{name: np.where(is_so, value, vars(other)[name]) for name, value in vars(self).items()})


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


def few(
    tables: Sequence[np.ndarray], numbers: list[int], sweeps: int, rng: np.random.Generator
) -> Iterator[dict[str, str]]:
    """What the interval of so few seeds is worth, of eight approaches of which any may be near the best."""
    for n in numbers:
        first, second, truth = blocks(tables, "spread", 8, "common", n, sweeps, rng)
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


def of_shares(first_RKN: np.ndarray, second_RKN: np.ndarray, truth_RK: np.ndarray) -> Iterator[dict[str, str]]:
    """Whether the shares are calibrated: by the share of the first block's best, how often it is the truly best one."""
    names = [str(at) for at in range(truth_RK.shape[1])]
    best = first_RKN.mean(-1).argmax(1)
    found = []
    for name, values_KN in zip(best, np.concatenate([first_RKN, second_RKN], -1), strict=True):
        shares = first_shares({own: dict(enumerate(row)) for own, row in zip(names, values_KN, strict=True)})
        found.append(shares[names[name]])
    share, is_best = np.array(found), np.take_along_axis(truth_RK, best[:, None], 1)[:, 0] >= truth_RK.max(1)
    for low, high in pairwise(SHARES):
        own = (share >= low) & (share < high)
        if own.any():
            yield {
                "share": f"{100 * low:.0f} to {100 * min(high, 1):.0f} %",
                "sweeps": str(own.sum()),
                "mean share": f"{100 * share[own].mean():.0f} %",
                "truly best": f"{100 * is_best[own].mean():.0f} %",
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
    tables = [table.accuracies for table in read_tables(asked.table).values()]
    found = [
        {"approaches": kind, "of": str(size), "seeds": seeds, **row}
        for kind in KINDS
        for size in SIZES
        for seeds in SEEDS
        for row in replay(*blocks(tables, kind, size, seeds, asked.confirm_seeds, asked.sweeps, rng))
    ]
    print(aligned(found, left=("approaches", "named and measured")))
    if asked.few:
        print("\nFew fresh seeds: eight approaches, half of the 95 % interval of a mean in points\n")
        print(aligned(list(few(tables, asked.few, asked.sweeps, rng)), left=("fresh seeds",)))
    for kind in ("spread", "equal"):
        print(f"\nShares of resamples in which the first block's best comes first, of eight approaches ({kind})\n")
        made = blocks(tables, kind, 8, "common", asked.confirm_seeds, asked.sweeps // 2, rng)
        print(aligned(list(of_shares(*made)), left=("share",)))


if __name__ == "__main__":
    main()

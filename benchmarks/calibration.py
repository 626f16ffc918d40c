"""Is the claim calibrated? Confirmed intervals and comparisons against other pools, and other seeds, of known truth.

python benchmarks/calibration.py [--dataset PATH] [--pools 300] [--approaches ...] [--search-seeds 8]

Other pools: `--pools` pools of each of 30, 60 and 200 images a class are drawn from all training images, 50 seeds are
run on each, and the interval of one pool's seeds should hold the mean over all pools in 95 % of cases. Of two settings
of `pixel_baseline`, which take milliseconds, and of their paired difference. (Pools of 200 share images, as there are
but 1214 of the smaller class, so that their intervals should hold it in about 96 %.)

Other seeds: a configuration of each approach (the best of one search) is confirmed again and again, each time on
another block of fresh seeds; `--search-seeds` is the number of blocks, 0 omits this part. All of them validate on
images of the same pool, so the interval of the seeds alone is what is judged here.

1. Intervals: how often a block's 95 % interval holds the mean of all other blocks (95 % if it is calibrated), and how
   often the mean of a second block falls into the interval of a first (83 % if it is: both blocks are luck) and into
   one that is wider by the root of two (95 %).
2. Comparisons of all pairs of approaches, likewise with the error of the seeds alone: of the differences that a block
   shows (Holm, 5 %), how many have the sign of the mean of all other blocks; and by how probable it says an approach to
   be the better one, in what share of cases that is the sign.
"""

from __future__ import annotations

import argparse
from itertools import pairwise, permutations

import numpy as np
from scipy import stats
from searching import Job, Laboratory, on_all, options
from sub_pools import coverage

from sweeps.analysis.comparisons import compare_all
from sweeps.views.text_table import aligned

# Far from the seeds of searches, of confirmations and of the study.
BLOCKS_FROM = 10_000
# Images of each class in the pools.
POOL_SIZES = (30, 60, 200)
# Borders of the groups; no probability lies above the last.
PROBABILITIES = (0.5, 0.75, 0.95, 0.99, 1.01)


def block(job: Job, confirm_seeds: int) -> np.ndarray:
    """Accuracies in per cent (N,) of the approach's best configuration on one block of seeds."""
    first = Laboratory(Job(**{**vars(job), "search_seed": 0}))
    best = first.best(first.search())
    return first.confirm(best, confirm_seeds, BLOCKS_FROM + job.search_seed * confirm_seeds)


def main() -> None:
    """Run the benchmark and print its tables."""
    approaches = ["pixel_baseline", "starter_cnn", "cnn_cirillo"]
    asked = options(__doc__ or "", approaches, num_samples=30, search_seeds=8, pools=300)
    if asked.pools:
        print(f"\nIntervals of {asked.pools} pools of images against the mean over all pools\n")
        print(aligned(list(coverage(asked.dataset, POOL_SIZES, asked.pools, asked.confirm_seeds)), left=("of",)))
    if asked.search_seeds:
        _other_seeds(asked)


def _other_seeds(asked: argparse.Namespace) -> None:
    found = {approach: np.array(blocks) for approach, blocks in on_all(asked, block).items()}
    print(f"\n{asked.search_seeds} blocks of {asked.confirm_seeds} fresh seeds for each of {len(found)} approaches\n")
    rows = [_intervals(approach, values_BN) for approach, values_BN in found.items()]
    print(aligned([*rows, _mean(rows)]))
    print("\nComparisons of all pairs by one block, against the mean of the other blocks\n")
    print(aligned(_comparisons(found), left=("claim",)))


def _intervals(approach: str, values_BN: np.ndarray) -> dict[str, str]:
    means_B = values_BN.mean(axis=1)
    halves_B = stats.t.ppf(0.975, values_BN.shape[1] - 1) * stats.sem(values_BN, axis=1)
    others_B = (means_B.sum() - means_B) / (len(means_B) - 1)
    # The mean of the others is itself uncertain.
    wide_B = halves_B * np.sqrt(1 + 1 / (len(means_B) - 1))
    pairs = list(permutations(range(len(means_B)), 2))
    second = [abs(means_B[b] - means_B[a]) <= halves_B[a] for a, b in pairs]
    predicted = [abs(means_B[b] - means_B[a]) <= np.sqrt(2) * halves_B[a] for a, b in pairs]
    return {
        "approach": approach,
        "mean": f"{means_B.mean():.1f}",
        "half of an interval": f"{halves_B.mean():.2f}",
        "sd of blocks x 1.96": f"{1.96 * means_B.std(ddof=1):.2f}",
        "holds the truth": f"{100 * np.mean(abs(means_B - others_B) <= wide_B):.0f} %",
        "second block inside": f"{100 * np.mean(second):.0f} %",
        "inside the wider one": f"{100 * np.mean(predicted):.0f} %",
    }


def _mean(rows: list[dict[str, str]]) -> dict[str, str]:
    shares = {
        name: f"{np.mean([float(row[name].split()[0]) for row in rows]):.0f} %"
        for name in rows[0]
        if "%" in rows[0][name]
    }
    return {**dict.fromkeys(rows[0], ""), "approach": "all", **shares}


def _comparisons(found: dict[str, np.ndarray]) -> list[dict[str, str]]:
    """By the strength of the claim, how many claims there were and in what share the other blocks agree."""
    claims = []
    blocks = len(next(iter(found.values())))
    for one in range(blocks):
        own = {approach: dict(enumerate(values_BN[one])) for approach, values_BN in found.items()}
        others = {approach: np.delete(values_BN, one, axis=0).mean() for approach, values_BN in found.items()}
        claims += [(pair, others[pair.better] > others[pair.worse]) for pair in compare_all(own)]
    groups = {"shown (Holm)": [right for pair, right in claims if pair.is_shown]}
    for low, high in pairwise(PROBABILITIES):
        name = f"better with probability {low:g} to {min(high, 1):g}"
        groups[name] = [right for pair, right in claims if low <= pair.probability < high]
    return [
        {"claim": name, "claims": str(len(group)), "right": f"{100 * np.mean(group):.0f} %" if group else ""}
        for name, group in groups.items()
    ]


if __name__ == "__main__":
    main()

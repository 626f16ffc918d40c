"""Two means over the same seeds without the single seeds: how often is "noise explains it" said wrongly?

python benchmarks/against_study.py [--table PATH] [--pairs 400] [--studies 500]

Real configurations of two approaches stand for the study's system and ours: pairs of one approach, and of two. Each
is compared on 50 common seeds, drawn with replacement, by means and standard deviations alone, as `reproduce.py` does
it, with one row and so without Holm's correction. The true difference is set: none, or so many points.

- Welch's: how often Welch's test shows a difference at 5 %. Without a true one it should be one in twenty.
- no, depends, yes: what is printed under "noise explains it".
- error: the standard error that each test takes, less the true one, in per cent of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tables import TABLE, read_tables

from sweeps.analysis.comparisons import ERROR
from sweeps.analysis.unpaired import LEAST_CORRELATION, MOST_CORRELATION, p_value, standard_error
from sweeps.views.text_table import aligned

SEEDS = 50
DIFFERENCES_POINTS = (0.0, 1.0, 2.0)


def main() -> None:
    """Print a row for each kind of pair and true difference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--table", type=Path, default=TABLE, help="from make_table.py")
    parser.add_argument("--pairs", type=int, default=400, help="pairs of configurations of each kind")
    parser.add_argument("--studies", type=int, default=500, help="draws of common seeds for each pair")
    asked = parser.parse_args()
    tables = {name: table.accuracies for name, table in read_tables(asked.table).items()}
    rng = np.random.default_rng(0)
    rows = []
    names = list(tables)
    for at, one in enumerate(names):
        for other in names[at:]:
            seeds = np.arange(min(tables[one].shape[1], tables[other].shape[1]))
            drawn = [_pair(rng, tables[one], tables[other], one == other) for _ in range(asked.pairs)]
            picks_RS = rng.choice(seeds, (asked.studies, SEEDS))
            kind = f"two of {one}" if one == other else f"{one}, {other}"
            rows += [_row(kind, drawn, picks_RS, difference) for difference in DIFFERENCES_POINTS]
    print(aligned(rows, left=("pair",)))


def _pair(
    rng: np.random.Generator, one_CS: np.ndarray, other_CS: np.ndarray, is_one: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Two configurations' accuracies by seed, without their means."""
    first, second = rng.choice(len(one_CS), 2, replace=False)
    own, others = one_CS[first], other_CS[second if is_one else rng.integers(len(other_CS))]
    return own - own.mean(), others - others.mean()


def _row(
    kind: str, pairs: Sequence[tuple[np.ndarray, np.ndarray]], picks_RS: np.ndarray, difference: float
) -> dict[str, str]:
    shown = {LEAST_CORRELATION: [], MOST_CORRELATION: []}
    errors = {LEAST_CORRELATION: [], MOST_CORRELATION: []}
    correlations = []
    for own, others in pairs:
        own_RS, others_RS = own[picks_RS] + difference, others[picks_RS]
        found = own_RS.mean(1) - others_RS.mean(1)
        moments = (own_RS.std(1, ddof=1), SEEDS, others_RS.std(1, ddof=1), SEEDS)
        true = (own - others).std() / np.sqrt(SEEDS)
        correlations.append(np.corrcoef(own, others)[0, 1])
        for correlation, each in shown.items():
            each.append(p_value(found, *moments, correlation) < ERROR)
            errors[correlation].append(standard_error(*moments, correlation).mean() / true)
    least, most = (np.array(shown[correlation]) for correlation in (LEAST_CORRELATION, MOST_CORRELATION))
    low, middle, high = np.quantile(correlations, [0.05, 0.5, 0.95])
    return {
        "pair": kind,
        "correlation": f"{middle:.2f} ({low:.2f} to {high:.2f})",
        "true points": f"{difference:.0f}",
        "Welch's": f"{100 * least.mean():.1f} %",
        "no": f"{100 * (least & most).mean():.1f} %",
        "depends": f"{100 * (least ^ most).mean():.1f} %",
        "yes": f"{100 * (~least & ~most).mean():.1f} %",
        "Welch's error": f"{100 * np.median(errors[LEAST_CORRELATION]) - 100:+.0f} %",
        "the other's": f"{100 * np.median(errors[MOST_CORRELATION]) - 100:+.0f} %",
    }


if __name__ == "__main__":
    main()

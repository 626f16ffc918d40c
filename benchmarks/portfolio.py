"""Whether a portfolio of settings to start with serves other images than those it was chosen on, by replay.

python benchmarks/portfolio.py [--tables FILE ...] [--searches 2000]

Each table is of one set of images, and all have the same configurations (`make_table.py` draws the same ones whatever
the images). On half of a table's seeds a portfolio of six is chosen (`surrogate_benchmark.py` says how); on the other
half of each table, searches at random are replayed with and without it after the start. Regret is that of the table's
best configuration less that of what is handed on, in points. Both searches of a pair have the same seeds; the interval
of 95 % is over searches.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from replay import Raced, Rule, replayed, with_interval
from surrogate_benchmark import SEEDS, chosen
from tables import OTHER_IMAGES, TABLE, Table, read_tables

from sweeps.stages.racing import Racing
from sweeps.views.text_table import aligned

LENGTHS = (10, 25, 50)


def regrets(table: Table, first: Sequence[int], length: int, searches: int) -> tuple[np.ndarray, Raced]:
    """Regret (S,) of searches of so many configurations that begin with those of these numbers, then at random."""
    rng = np.random.default_rng(0)
    total = len(table.params)
    drawn = [rng.permutation(total) for _ in range(searches)]
    numbers_SC = np.array([[*first, *each[~np.isin(each, first)]][:length] for each in drawn])
    seeds_SN = np.random.default_rng(1).integers(len(table.seeds), size=(searches, SEEDS))
    raced = replayed(table.accuracies[numbers_SC[:, :, None], seeds_SN[:, None]], Rule(racing=Racing()))
    means = table.accuracies.mean(axis=1)
    return means.max() - means[numbers_SC[np.arange(searches), raced.best]], raced


def main() -> None:
    """Replay, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--tables", nargs="+", type=Path, default=[TABLE, *OTHER_IMAGES], help="made by make_table.py")
    parser.add_argument("--searches", type=int, default=2000, help="replayed of each kind")
    asked = parser.parse_args()
    tables = {path.stem: read_tables(path) for path in asked.tables}
    common = set.intersection(*map(set, tables.values()))
    print(aligned([row for name in sorted(common) for row in _rows(name, tables, asked.searches)]))


def _rows(approach: str, tables: dict[str, dict[str, Table]], searches: int) -> list[dict[str, str]]:
    rows = []
    for chosen_on, theirs in tables.items():
        portfolio = [theirs[approach].params.index(params) for params in chosen(theirs[approach].half(0))]
        for judged_on, of_approach in tables.items():
            table = of_approach[approach].half(1)
            # A setting has the same number in all tables.
            assert table.params == theirs[approach].params
            for length in LENGTHS:
                without, raced = regrets(table, [0], length, searches)
                having, raced_too = regrets(table, [0, *(each for each in portfolio if each)], length, searches)
                rows.append(
                    {
                        "approach": approach,
                        "chosen on": chosen_on,
                        "judged on": judged_on,
                        "configurations": str(length),
                        "regret": with_interval(without),
                        "with portfolio": with_interval(having),
                        "difference": with_interval(having - without),
                        "runs of ten": f"{raced.ran.sum(axis=1).mean() / SEEDS:.1f}",
                        "with it": f"{raced_too.ran.sum(axis=1).mean() / SEEDS:.1f}",
                    }
                )
    return rows


if __name__ == "__main__":
    main()

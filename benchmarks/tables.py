"""The tables that `make_table.py` makes: real accuracies of many configurations on many seeds, to replay sweeps on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trainables.parts.results import unpacked_hits

# Of two approaches, on many seeds; of networks from scratch, which take longer, on fewer; and of other images.
TABLE = Path(__file__).parent / "tables" / "pneumoniamnist.parquet"
NETWORKS = Path(__file__).parent / "tables" / "networks.parquet"
OTHER_IMAGES = tuple(Path(__file__).parent / "tables" / f"{name}.parquet" for name in ("phantom", "digits"))


@dataclass(frozen=True, kw_only=True)
class Table:
    """C configurations of one approach on the same S seeds; the first one is where its search starts.

    Attributes:
        approach: Its name.
        params: Of each configuration.
        seeds: Ascending.
        accuracies: (C, S), of validation images, in points (0 to 100).
        seconds: (C, S), CPU seconds.
        images: That an accuracy is of.
    """

    approach: str
    params: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    accuracies: np.ndarray
    seconds: np.ndarray
    images: int

    def without(self, numbers: np.ndarray) -> Table:
        """The table without the configurations of these numbers."""
        kept = np.setdiff1d(np.arange(len(self.params)), numbers)
        return replace(
            self,
            params=tuple(self.params[number] for number in kept),
            accuracies=self.accuracies[kept],
            seconds=self.seconds[kept],
        )

    def half(self, which: int) -> Table:
        """The table of every other seed, those in even (0) or in odd (1) places."""
        return replace(
            self,
            seeds=self.seeds[which::2],
            accuracies=self.accuracies[:, which::2],
            seconds=self.seconds[:, which::2],
        )


def read_all(paths: Sequence[Path]) -> dict[str, Table]:
    """The table of each approach in these files."""
    return {name: table for path in paths for name, table in read_tables(path).items()}


def read_tables(path: Path = TABLE) -> dict[str, Table]:
    """The table of each approach."""
    found = {}
    for name, rows in pd.read_parquet(path).groupby("approach"):
        rows = rows.sort_values(["configuration", "seed"])
        seeds = tuple(sorted(rows.seed.unique().tolist()))
        of_configuration = rows.drop_duplicates("configuration")
        shape = (len(of_configuration), len(seeds))
        found[str(name)] = Table(
            approach=str(name),
            params=tuple(json.loads(each) for each in of_configuration.params),
            seeds=seeds,
            accuracies=100 * (rows.accuracy / rows.images).to_numpy().reshape(shape),
            seconds=rows.seconds.to_numpy().reshape(shape),
            images=int(rows.images.iloc[0]),
        )
    return found


def scored_on_fewer(path: Path, table: Table, validation: Sequence[int]) -> Iterator[Table]:
    """The table with accuracies of so many images of each of two classes, drawn for each seed.

    Raises:
        SystemExit: Its file has no hits, or there are fewer images.
    """
    rows = pd.read_parquet(path)
    half = table.images // 2
    if "hits" not in rows:
        raise SystemExit(f"Expected a table with hits, as make_table.py --hits makes one; {path} has none.")
    if max(validation) > half:
        raise SystemExit(f"Expected at most {half} images of each class, which {path} has; got {max(validation)}.")
    rows = rows[rows.approach == table.approach].sort_values(["configuration", "seed"])
    # A tenth of the memory: bits.
    hits_RB = np.stack([np.packbits(unpacked_hits(each, table.images).astype(bool)) for each in rows.hits])
    hits_CSB = hits_RB.reshape(*table.accuracies.shape, -1)
    for number in validation:
        rng, accuracies = np.random.default_rng(0), np.empty(table.accuracies.shape)
        # The first half of the images is of one class.
        for seed in range(len(table.seeds)):
            which = np.r_[rng.permutation(half)[:number], half + rng.permutation(half)[:number]]
            accuracies[:, seed] = 100 * np.unpackbits(hits_CSB[:, seed], axis=1)[:, which].mean(1)
        yield replace(table, accuracies=accuracies, images=2 * number)

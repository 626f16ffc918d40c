"""The table that `make_table.py` makes: real accuracies of many configurations on many seeds, to replay sweeps on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TABLE = Path(__file__).parent / "tables" / "pneumoniamnist.parquet"


@dataclass(frozen=True, kw_only=True)
class Table:
    """C configurations of one approach on the same S seeds; the first one is where its search starts.

    Attributes:
        approach: Its name.
        params: Of each configuration.
        seeds: Ascending.
        accuracies: (C, S), of validation images, in points (0 to 100).
        seconds: (C, S), CPU seconds.
    """

    approach: str
    params: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    accuracies: np.ndarray
    seconds: np.ndarray


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
        )
    return found

"""What real searches found, as a small file that allocations are replayed on: `allocation.py` reads it.

python benchmarks/make_searches.py FOLDER ... [--to FILE]

FOLDER is a sweep's, such as results/NAME. Only search seeds are kept, of configurations that were complete or raced
out; of two sweeps of one challenge the first counts.

Columns: challenge, approach, configuration (its number in the search), seed, accuracy (in hits), images (that were
scored), seconds (of the worker that ran it).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from sweeps.store.journal import Journal
from sweeps.store.trials import SEARCH

SEARCHES = Path(__file__).parent / "tables" / "searches.parquet"


def rows(folder: Path) -> pd.DataFrame:
    """The searches of one sweep."""
    journal = Journal(folder, write=False)
    images = 2 * journal.spec.protocol.validation
    found = [
        {
            "challenge": journal.spec.challenge,
            "approach": trial.approach,
            "configuration": np.uint16(trial.number),
            "seed": result.seed,
            "accuracy": np.uint16(round(images * (result.accuracy or 0.0))),
            "images": np.uint16(images),
            "seconds": np.float32(result.seconds),
        }
        for trial in journal.trials()
        if trial.stage == SEARCH and trial.state in ("COMPLETE", "PRUNED")
        for result in trial.results
    ]
    journal.close()
    return pd.DataFrame(found)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of a sweep")
    parser.add_argument("--to", type=Path, default=SEARCHES, help="the file")
    asked = parser.parse_args()
    every = [rows(folder) for folder in asked.folders]
    firsts = {frame.challenge.iloc[0]: frame for frame in reversed(every)}
    table = pd.concat(firsts.values(), ignore_index=True)
    table.to_parquet(asked.to, index=False, compression="zstd")
    print(table.groupby(["challenge", "approach"]).agg({"configuration": "nunique", "seconds": "sum"}))


if __name__ == "__main__":
    main()

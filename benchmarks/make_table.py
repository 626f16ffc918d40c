"""Real results of many configurations on many seeds, once, as a table that searches can be replayed on.

python benchmarks/make_table.py [--dataset PATH] [--approaches ...] [--configurations 150] [--seeds 240] [--to FILE]

The tables that are kept were made by

    python benchmarks/make_table.py --approaches efficientnet_lite0 pixel_baseline --seeds 400
    python benchmarks/make_table.py --approaches pixel_baseline --dataset phantom --seeds 60
        --to benchmarks/tables/phantom.parquet
    python benchmarks/make_table.py --approaches pixel_baseline --dataset FOLDER --seeds 40
        --to benchmarks/tables/digits.parquet

where FOLDER has scikit-learn's digits as 8 x 8 PNGs, odd ones in one folder and even ones in another;

and that of networks, in 20 to 45 minutes of two cores each, by

    python benchmarks/make_table.py --approaches cnn starter_cnn cnn_cirillo cnn_satoto siamese_bce
        siamese_contrastive cnn_attention --seeds 60 --to benchmarks/tables/networks.parquet

The first configuration of each approach is the one that its search starts from, the others are drawn at random from
its space; none is drawn twice, and each runs all its seeds, without racing. The seeds are in no block that sweeps use.
The table is written after every configuration, so that it can be stopped at any time; the same command goes on, since
of a table that is there only what it lacks is run. `tables.py` reads it.

Columns: approach, configuration (its number), params (JSON), seed, accuracy (in hits), images (that were scored),
seconds (of the process, whatever else the machine did), and with `--hits` which images were right, as journals have it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import optuna
import pandas as pd
from searching import quiet
from tables import TABLE

from sweeps import challenge1, challenge2
from sweeps.core.challenge import Approach
from sweeps.core.files import whole
from sweeps.engine import cluster
from sweeps.inputs.downloads import AUTO
from sweeps.inputs.inputs import Inputs
from trainables.parts.image_sets import POOL, ImageSet
from trainables.parts.learner import Learner
from trainables.parts.run_seed import prepare_worker, run_seed

FIRST_SEED = 10_000
APPROACHES = {each.name: each for challenge in (challenge2, challenge1) for each in challenge.CHALLENGE.approaches}
# Draws of a configuration after which a space counts as exhausted.
MOST_DRAWS = 10_000


def configurations(approach: Approach, number: int) -> list[dict[str, Any]]:
    """So many different configurations: the start of its search, and random ones; fewer if the space has no more."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    if approach.start is not None:
        study.enqueue_trial(dict(approach.start))
    found: dict[str, dict[str, Any]] = {}
    for _ in range(MOST_DRAWS):
        if len(found) == number:
            break
        trial = study.ask()
        approach.suggest(trial)
        found.setdefault(json.dumps(trial.params, sort_keys=True), trial.params)
    return list(found.values())


def main() -> None:
    """Run what the table lacks, configuration by configuration, and write it."""
    asked = _asked()
    quiet()
    seeds = range(FIRST_SEED, FIRST_SEED + asked.seeds)
    target = Path(asked.to)
    table = pd.read_parquet(target) if target.exists() else pd.DataFrame()
    for name in asked.approaches:
        approach = APPROACHES[name]
        images = images_of([approach], asked.dataset)
        known = set() if table.empty else set(table.loc[table.approach == name, "params"])
        jobs = [
            (number, params)
            for number, params in enumerate(configurations(approach, asked.configurations))
            if json.dumps(params, sort_keys=True) not in known
        ]
        found = joblib.Parallel(n_jobs=asked.processes, return_as="generator_unordered")(
            joblib.delayed(_rows)(approach.learner, name, number, params, seeds, images, asked.hits)
            for number, params in jobs
        )
        for done, rows in enumerate(found, start=1):
            table = pd.concat([table, pd.DataFrame(rows)], ignore_index=True)
            _write(table, target)
            print(f"{name}: {done} of {len(jobs)} configurations", flush=True)
    print(table.groupby("approach").agg({"configuration": "nunique", "seed": "nunique", "seconds": "mean"}))


def _write(table: pd.DataFrame, target: Path) -> None:
    """Write the table whole or not at all, in an order that does not depend on which process was first."""
    table = table.sort_values(["approach", "configuration", "seed"])
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole(target) as unfinished:
        table.to_parquet(unfinished, index=False, compression="zstd")


def _rows(
    learner: type[Learner],
    name: str,
    number: int,
    params: Mapping[str, Any],
    seeds: Sequence[int],
    images: Mapping[str, ImageSet],
    with_hits: bool,
) -> list[dict[str, Any]]:
    """The rows of one configuration; none if a seed of it fails, as in a search."""
    prepare_worker()
    rows: list[dict[str, Any]] = []
    scored = 2 * images[POOL].protocol.validation  # type: ignore[union-attr]
    for seed in seeds:
        begin = time.process_time()
        (result,) = run_seed(learner, params, seed, images)
        if result.accuracy is None:
            return []
        rows.append(
            {
                "approach": name,
                "configuration": number,
                "params": json.dumps(params, sort_keys=True),
                "seed": seed,
                "accuracy": np.uint16(round(scored * result.accuracy)),
                "images": np.uint16(scored),
                "seconds": np.float32(time.process_time() - begin),
                **({"hits": result.hits} if with_hits else {}),
            }
        )
    return rows


def images_of(approaches: Sequence[Approach], dataset: str, weights: str = AUTO) -> dict[str, ImageSet]:
    """The pool and the other data sets that these approaches may learn from, with the features that they may need."""
    inputs = Inputs.find(approaches, Path("results"), dataset=dataset, weights=weights, precision=AUTO, smoke=False)
    print(f"Images: {inputs.dataset.source}", flush=True)
    names = sorted({POOL, *(name for each in approaches for name in each.learner.may_need.other_datasets)})
    if inputs.seconds_to_compute(approaches, names):
        cluster.start_ray(None, None)
    try:
        return inputs.image_sets(approaches, names, slots=cluster.Slots(None))
    finally:
        cluster.stop_ray(0)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--dataset", default=AUTO, help="as for a sweep")
    parser.add_argument("--approaches", nargs="+", choices=sorted(APPROACHES), default=["pixel_baseline", "cnn"])
    parser.add_argument("--configurations", type=int, default=150, help="of each approach")
    parser.add_argument("--seeds", type=int, default=240, help="of each configuration")
    parser.add_argument("--hits", action="store_true", help="keep which images were right; many times the size")
    parser.add_argument("--processes", type=int, default=joblib.cpu_count(), help="configurations at the same time")
    parser.add_argument("--to", default=str(TABLE), help="the table")
    return parser.parse_args()


if __name__ == "__main__":
    main()

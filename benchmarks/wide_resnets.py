"""What a ResNet18 of 64 channels loses and saves in bfloat16 (`--precision`), on a processor that computes in it.

python benchmarks/wide_resnets.py [--dataset PATH] [--configurations 4] [--seeds 30]

Of `resnet18`, `resnet18_attention` and `cnn_resnet18_ensemble` the published setting and random configurations of the
shape 7x7-64 are trained and validated on the same seeds (from 10000 on), in float32 and then in bfloat16. A row's
accuracy is bfloat16's, in per cent, with its difference in points and the 95 % interval of that over seeds; "ratio" is
of the seconds that all seeds of a configuration took. The last line is the mean difference over configurations, with
its standard error by their spread.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import joblib
import numpy as np
import optuna
from many_seeds import BATCH, compared, percentages
from scipy import stats
from searching import quiet

from search_spaces.published.challenge1 import PUBLISHED
from sweeps.challenge1 import CHALLENGE
from sweeps.core.challenge import Approach
from sweeps.inputs.images import find_dataset
from sweeps.views.text_table import aligned
from trainables.parts.image_sets import POOL, PRECISIONS

APPROACHES = ["resnet18", "resnet18_attention", "cnn_resnet18_ensemble"]
SHAPE = "7x7-64"
FIRST_SEED = 10_000


def configurations(approach: Approach, number: int) -> list[dict[str, Any]]:
    """The published setting, which has that shape, and random ones that have it too."""
    found = [dict(PUBLISHED[approach.name].params)]
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    while len(found) < number:
        trial = study.ask()
        approach.suggest(trial)
        if trial.params["shape"] == SHAPE:
            found.append(dict(trial.params))
    return found


def main() -> None:
    """Train all and print the table."""
    parser = argparse.ArgumentParser(description="A ResNet18 of 64 channels in bfloat16, against float32.")
    parser.add_argument("--dataset", default="phantom", help="path of an .npz file (default: the built-in phantom)")
    parser.add_argument("--configurations", type=int, default=4, help="of each approach (default: 4)")
    parser.add_argument("--seeds", type=int, default=30, help="of each configuration (default: 30)")
    options = parser.parse_args()
    quiet()
    pool = find_dataset(options.dataset)[0].pixel_sets()[POOL]
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    rows, differences = [], []
    for approach in CHALLENGE.named(APPROACHES):
        for number, params in enumerate(configurations(approach, options.configurations)):
            if not rows:
                # Each process imports what it needs before the clock starts.
                short = params | {"steps": 1}
                percentages(approach.learner, short, range(joblib.cpu_count() * BATCH), {POOL: pool})
            found, seconds = [], []
            for precision in PRECISIONS:
                begin = time.perf_counter()
                images = {POOL: replace(pool, precision=precision)}
                found.append(percentages(approach.learner, params, seeds, images))
                seconds.append(time.perf_counter() - begin)
            exact_N, rounded_N = found
            differences.append(rounded_N.mean() - exact_N.mean())
            cells = {"approach": approach.name, "configuration": "published" if number == 0 else f"random {number}"}
            ratio = {"ratio": f"{seconds[1] / seconds[0]:.2f}"}
            rows.append(cells | compared(rounded_N, exact_N, PRECISIONS[0]) | ratio)
    print(aligned(rows, left=("approach", "configuration")))
    print(f"\nMean difference: {np.mean(differences):+.2f} points, standard error {stats.sem(differences):.2f}")


if __name__ == "__main__":
    main()

"""What a ResNet18 of 64 channels loses and saves in bfloat16 (`--precision`), on a processor that computes in it.

python benchmarks/wide_resnets.py [--dataset PATH] [--configurations 4] [--seeds 30]

Of `resnet18`, `resnet18_attention` and `cnn_resnet18_ensemble` the published setting and random configurations of the
shape 7x7-64 are trained and validated on the same seeds (from 10000 on) in either precision, one after the other, in as
many single-threaded processes as there are CPUs. "accuracy" is in per cent, with its difference in points and the
standard error of that over seeds; "ratio" is the median of the seeds' own ratios of seconds. The last line is the mean
difference over configurations, with its standard error by their spread.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import joblib
import numpy as np
import optuna

from search_spaces.published.challenge1 import PUBLISHED
from sweeps.challenge1 import CHALLENGE
from sweeps.core.challenge import Approach
from sweeps.inputs.images import find_dataset
from sweeps.views.text_table import aligned
from trainables.parts.image_sets import POOL, PRECISIONS, ImageSet
from trainables.parts.learner import Learner
from trainables.parts.run_seed import prepare_worker, run_seed

APPROACHES = ("resnet18", "resnet18_attention", "cnn_resnet18_ensemble")
SHAPE = "7x7-64"
SEEDS_FROM = 10_000


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


def in_both(learner: type[Learner], params: Mapping[str, Any], seed: int, pool: ImageSet) -> list[tuple[float, float]]:
    """Accuracy in per cent and seconds of a seed, in each of `PRECISIONS`.

    Raises:
        RuntimeError: A seed failed.
    """
    prepare_worker()
    found = []
    for precision in PRECISIONS:
        (result,) = run_seed(learner, params, seed, {POOL: replace(pool, precision=precision)})
        if result.accuracy is None:
            raise RuntimeError(f"Seed {seed} failed: {result.error}.")
        found.append((100 * result.accuracy, result.seconds))
    return found


def row(
    approach: Approach, params: Mapping[str, Any], seeds: Sequence[int], pool: ImageSet
) -> tuple[dict[str, str], float]:
    """A row of the table, and the mean difference of accuracy in points."""
    jobs = [joblib.delayed(in_both)(approach.learner, params, seed, pool) for seed in seeds]
    found_NPM = np.array(joblib.Parallel(n_jobs=joblib.cpu_count())(jobs))
    accuracy_NP, seconds_NP = found_NPM[..., 0], found_NPM[..., 1]
    difference_N = accuracy_NP[:, 1] - accuracy_NP[:, 0]
    error = difference_N.std(ddof=1) / np.sqrt(len(seeds)) if len(seeds) > 1 else 0.0
    cells = {
        "approach": approach.name,
        **{f"accuracy, {name}": f"{mean:.1f}" for name, mean in zip(PRECISIONS, accuracy_NP.mean(0), strict=True)},
        "difference": f"{difference_N.mean():+.1f} +- {error:.1f}",
        **{f"seconds, {name}": f"{mean:.2f}" for name, mean in zip(PRECISIONS, seconds_NP.mean(0), strict=True)},
        "ratio": f"{np.median(seconds_NP[:, 1] / seconds_NP[:, 0]):.2f}",
    }
    return cells, float(difference_N.mean())


def main() -> None:
    """Train all and print the table."""
    parser = argparse.ArgumentParser(description="A ResNet18 of 64 channels in bfloat16, against float32.")
    parser.add_argument("--dataset", default="phantom", help="path of an .npz file (default: the built-in phantom)")
    parser.add_argument("--configurations", type=int, default=4, help="of each approach (default: 4)")
    parser.add_argument("--seeds", type=int, default=30, help="of each configuration (default: 30)")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pool = find_dataset(options.dataset)[0].pixel_sets()[POOL]
    seeds = range(SEEDS_FROM, SEEDS_FROM + options.seeds)
    rows, differences = [], []
    for approach in CHALLENGE.named(list(APPROACHES)):
        for params in configurations(approach, options.configurations):
            cells, difference = row(approach, params, seeds, pool)
            rows.append(cells)
            differences.append(difference)
    print(aligned(rows, left=("approach",)))
    error = np.std(differences, ddof=1) / np.sqrt(len(differences))
    print(f"\nMean difference: {np.mean(differences):+.2f} points, standard error {error:.2f}")


if __name__ == "__main__":
    main()

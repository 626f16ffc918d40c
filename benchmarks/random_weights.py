"""Do random weights see more in larger images? Heads on frozen random backbones, by tap.

python benchmarks/random_weights.py [--dataset PATH] [--approaches ...] [--configurations 12] [--seeds 12]

Configurations are drawn at random from each approach's space; each of them runs at every tap on images of at most 128
pixels, on the same seeds, which are in no block that sweeps use. "On average" is over configurations and seeds, with
the paired difference to the tap on the smallest images and its 95 % interval over configurations; "the best" is the
greatest mean of one configuration; CPU seconds are of a seed, without its features.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from make_table import APPROACHES, FIRST_SEED, configurations
from replay import with_interval
from searching import quiet

from sweeps.core.challenge import TAP, Approach
from sweeps.engine import cluster
from sweeps.inputs.downloads import AUTO
from sweeps.inputs.inputs import Inputs
from sweeps.inputs.weights import RANDOM
from sweeps.views.text_table import aligned
from trainables.parts.image_sets import POOL, ImageSet
from trainables.parts.learner import Learner
from trainables.parts.run_seed import prepare_worker, run_seed
from trainables.parts.taps import size_px_of

MOST_PX = 128
ASKED = ["vgg11", "vgg11_mlp", "vgg11_vgg16", "resnet50_focal", "alexnet_focal", "triplet"]


def main() -> None:
    """Run and print the table."""
    asked = _asked()
    quiet()
    approaches = [replace(APPROACHES[name], most_px=MOST_PX) for name in asked.approaches]
    images = _images(approaches, asked.dataset)
    seeds = range(FIRST_SEED, FIRST_SEED + asked.seeds)
    for approach in approaches:
        drawn = configurations(approach, asked.configurations)
        taps = sorted({str(params[TAP]) for params in configurations(approach, 200)}, key=size_px_of)
        found = joblib.Parallel(n_jobs=-1)(
            joblib.delayed(_run)(approach.learner, {**params, TAP: tap}, seeds, images)
            for tap in taps
            for params in drawn
        )
        accuracies_TC, seconds_TC = np.array(found).reshape(len(taps), len(drawn), 2).transpose(2, 0, 1)
        rows = [
            {
                "approach": approach.name,
                "tap": tap,
                "on average": f"{accuracies_TC[at].mean():.1f}",
                "less the first's": with_interval(accuracies_TC[at] - accuracies_TC[0]) if at else "",
                "the best": f"{accuracies_TC[at].max():.1f}",
                "CPU seconds": f"{seconds_TC[at].mean():.2f}",
            }
            for at, tap in enumerate(taps)
        ]
        print(aligned(rows, left=("approach", "tap")), flush=True)


def _run(
    learner: type[Learner], params: Mapping[str, Any], seeds: Sequence[int], images: Mapping[str, ImageSet]
) -> tuple[float, float]:
    """The mean accuracy in per cent, and the CPU seconds of a seed."""
    prepare_worker()
    begin = time.process_time()
    results = [run_seed(learner, params, seed, images)[0] for seed in seeds]
    failed = next((each.error for each in results if each.error), None)
    if failed:
        raise RuntimeError(f"{params} failed: {failed}")
    return 100 * float(np.mean([each.accuracy for each in results])), (time.process_time() - begin) / len(seeds)


def _images(approaches: Sequence[Approach], dataset: str) -> dict[str, ImageSet]:
    inputs = Inputs.find(approaches, Path("results"), dataset=dataset, weights=RANDOM, precision=AUTO, smoke=False)
    names = sorted({POOL, *(name for each in approaches for name in each.learner.may_need.other_datasets)})
    if inputs.seconds_to_compute(approaches, names):
        cluster.start_ray(None, None)
    try:
        return inputs.image_sets(approaches, names, slots=cluster.Slots(None))
    finally:
        cluster.stop_ray(0, None)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--dataset", default=AUTO, help="as for a sweep")
    parser.add_argument("--approaches", nargs="+", choices=sorted(APPROACHES), default=ASKED, help="which")
    parser.add_argument("--configurations", type=int, default=12, help="of each approach")
    parser.add_argument("--seeds", type=int, default=12, help="of each configuration")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Do random weights see more in larger images? Heads on frozen random backbones, by tap.

python benchmarks/random_weights.py [--dataset PATH] [--approaches ...] [--configurations 16] [--seeds 10]

Configurations are the start of the search, if it fits, and others drawn at random from the approach's space. Each runs
at every tap on images of at most 128 pixels, on the same seeds, which are in no block that sweeps use. "On average" is
over configurations and seeds, with the paired difference to the tap on the smallest images and its 95 % interval over
configurations (Student's t); "the best" is the greatest mean of one configuration; CPU seconds are of a seed, without
its features.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import joblib
import numpy as np
from make_table import APPROACHES, FIRST_SEED, configurations, images_of
from searching import quiet, with_t_interval

from sweeps.core.challenge import TAP, TAPS
from sweeps.inputs.downloads import AUTO
from sweeps.inputs.weights import RANDOM
from sweeps.views.text_table import aligned
from trainables.parts.image_sets import ImageSet
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
    images = images_of(approaches, asked.dataset, RANDOM)
    seeds = range(FIRST_SEED, FIRST_SEED + asked.seeds)
    for approach in approaches:
        drawn = configurations(approach, asked.configurations)
        taps = sorted(
            {str(params[TAP]) for params in configurations(approach, 200)}, key=lambda tap: (size_px_of(tap), tap)
        )
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
                "less the first's": with_t_interval(accuracies_TC[at] - accuracies_TC[0]) if at else "",
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


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--dataset", default=AUTO, help="as for a sweep")
    tapped = sorted(name for name, each in APPROACHES.items() if hasattr(each.learner, TAPS) and not each.on_backbone)
    parser.add_argument("--approaches", nargs="+", choices=tapped, default=ASKED, help="on frozen backbones")
    parser.add_argument("--configurations", type=int, default=16, help="of each approach")
    parser.add_argument("--seeds", type=int, default=10, help="of each configuration")
    return parser.parse_args()


if __name__ == "__main__":
    main()

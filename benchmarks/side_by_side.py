"""What is gained by training an ensemble's networks side by side (trainables/parts/side_by_side.py).

python benchmarks/side_by_side.py [--dataset PATH] [--seeds 10]

Networks of `cnn_ensemble`, at the setting that its search starts from, are trained on the same seeds as one network of
grouped convolutions, as a sweep does it, and one after another; both score the same images. One process with one
thread, as a worker has; the two take turns. Seconds are of CPU, the median over seeds; "ratio" is the median of the
seeds' own ratios, with the least and the greatest.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from search_spaces.published.challenge1 import PUBLISHED
from sweeps.inputs.images import find_dataset
from sweeps.views.text_table import aligned
from trainables.cnn_ensemble import CNNEnsemble, CnnEnsembleConfig
from trainables.parts.image_sets import POOL, ImageSet
from trainables.parts.learner import Classifier, Needs, Support
from trainables.parts.run_seed import classify, prepare_worker, protocol_of, support_of
from trainables.parts.scratch import fit_network
from trainables.parts.streams import Streams
from trainables.parts.training import mean_probability

MEMBERS = (1, 2, 3, 5)


def one_after_another(config: CnnEnsembleConfig, support: Support, streams: Streams) -> Classifier:
    """The same networks, each trained by itself."""
    build, augment = partial(CNNEnsemble.network, config), partial(CNNEnsemble.augment, config)
    return mean_probability(
        [
            fit_network(build, augment, config, support, streams.within(f"member {number}"))
            for number in range(config.members)
        ]
    )


def measured(
    fit: Callable[[CnnEnsembleConfig, Support, Streams], Classifier],
    config: CnnEnsembleConfig,
    seed: int,
    image_sets: dict[str, ImageSet],
) -> tuple[float, float]:
    """CPU seconds of training, and of scoring."""
    needs = Needs()
    train_rows, validation_rows = protocol_of(image_sets).split(seed)
    support = support_of(needs, train_rows, image_sets, {})
    views = [image_sets[POOL].view(name) for name in needs.view_names]
    begin = time.process_time()
    classifier = fit(config, support, Streams(seed))
    middle = time.process_time()
    logits = classify(classifier, views, validation_rows, support.classes)
    end = time.process_time()
    if not np.isfinite(logits).all():
        raise RuntimeError(f"The networks of seed {seed} diverged.")
    return middle - begin, end - middle


def compared(members: int, seeds: int, image_sets: dict[str, ImageSet]) -> dict[str, str]:
    """A row of the table."""
    config = CnnEnsembleConfig(**{**PUBLISHED["cnn_ensemble"].params, "members": members})
    sides = [("together", CNNEnsemble.fit), ("apart", one_after_another)]
    times: dict[str, list[tuple[float, float]]] = {"together": [], "apart": []}
    for seed in range(seeds + 1):
        for side, fit in sides if seed % 2 else reversed(sides):
            times[side].append(measured(fit, config, seed, image_sets))
    # The first is for warming up.
    together, apart = times["together"][1:], times["apart"][1:]
    ratios = [sum(theirs) / sum(ours) for ours, theirs in zip(together, apart, strict=True)]
    median = {
        (side, part): f"{statistics.median(each[index] for each in found):.3f}"
        for side, found in (("together", together), ("apart", apart))
        for index, part in enumerate(("training", "scoring"))
    }
    return {
        "networks": str(members),
        **{f"{part}: {side}": median[side, part] for part in ("training", "scoring") for side in ("apart", "together")},
        "ratio": f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
    }


def main() -> None:
    """Measure each number of networks, and print the table."""
    parser = argparse.ArgumentParser(description="CPU seconds of an ensemble whose networks are trained side by side.")
    parser.add_argument("--dataset", default="phantom", help="path of an .npz file (default: the built-in phantom)")
    parser.add_argument("--seeds", type=int, default=10, help="seeds of each number of networks (default: 10)")
    options = parser.parse_args()
    prepare_worker()
    dataset, _ = find_dataset(options.dataset)
    image_sets = {POOL: dataset.pixel_sets()[POOL]}
    print(aligned([compared(members, options.seeds, image_sets) for members in MEMBERS], left=("networks",)))


if __name__ == "__main__":
    main()

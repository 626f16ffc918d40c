"""Whether focal loss helps where one class has fewer labelled images: the study's main hypothesis about it.

python benchmarks/unbalanced_shots.py [--dataset PATH] [--first 5000] [--seeds 200]

A linear layer on frozen EfficientNet-Lite0 at the setting that the search of `lite0_focal` starts from, with nothing
chosen: gamma 0, 1, 2 and 5, each with both classes weighted the same (alpha .5) and by the inverse of their shots.
Gamma 0 is cross-entropy, with class weights or without. All are compared with plain cross-entropy on the same seeds, by
balanced accuracy on validation images; the interval is about other draws of labelled images, not about other images to
validate on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from many_seeds import compared, percentages
from searching import quiet

from sweeps.challenge2 import CHALLENGE
from sweeps.engine import cluster
from sweeps.inputs.downloads import AUTO
from sweeps.inputs.inputs import Inputs
from sweeps.views.text_table import aligned
from trainables.parts.image_sets import POOL, ImageSet

GAMMAS = (0.0, 1.0, 2.0, 5.0)
UNBALANCED = ((2, 8), (8, 2), (5, 5))
(APPROACH,) = CHALLENGE.named(["lite0_focal"])


def main() -> None:
    """Print a row for each loss and number of shots."""
    quiet()
    asked = _asked()
    images = _images(asked.dataset)
    seeds = range(asked.first, asked.first + asked.seeds)
    rows: list[dict[str, str]] = []
    for shots in UNBALANCED:
        plain = None
        for name, params in _losses(shots).items():
            found_N = percentages(APPROACH.learner, params, seeds, _with_shots(images, shots))
            plain = found_N if plain is None else plain
            cells = compared(found_N, plain, "cross-entropy")
            rows.append({"shots": f"{shots[0]} + {shots[1]}", "loss": name, **cells})
    print(f"{APPROACH.name} on {asked.dataset}, seeds {seeds.start} to {seeds.stop - 1}, in per cent")
    print(aligned(rows, left=("shots", "loss")))


def _losses(shots: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Hyperparameters by the name of the loss, cross-entropy first."""
    start = dict(APPROACH.start or {})
    by_shots = shots[0] / sum(shots)
    weightings = {"": 0.5} | ({", weighted": by_shots} if by_shots != 0.5 else {})
    return {
        (f"focal, gamma {gamma:g}" if gamma else "cross-entropy") + weighting: {**start, "gamma": gamma, "alpha": alpha}
        for weighting, alpha in weightings.items()
        for gamma in GAMMAS
    }


def _images(dataset: str) -> dict[str, ImageSet]:
    inputs = Inputs.find(
        [APPROACH],
        Path(gettempdir()) / "seedsweep-benchmark",
        dataset=dataset,
        weights=AUTO,
        precision=AUTO,
        smoke=False,
    )
    views = APPROACH.learner.needs(APPROACH.learner.Config(**(APPROACH.start or {}))).view_names
    if inputs.seconds_to_compute([APPROACH], [POOL], views):
        cluster.start_ray(None, None)
    try:
        return inputs.image_sets([APPROACH], [POOL], slots=cluster.Slots(None), views=views)
    finally:
        cluster.stop_ray(0)


def _with_shots(images: Mapping[str, ImageSet], shots: tuple[int, int]) -> dict[str, ImageSet]:
    pool = images[POOL]
    assert pool.protocol is not None
    return {POOL: replace(pool, protocol=replace(pool.protocol, shots=shots))}


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--dataset", default=AUTO, help="the images, as for sweeps/challenge2.py")
    parser.add_argument("--first", type=int, default=5000, help="first seed of the block")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    return parser.parse_args()


if __name__ == "__main__":
    main()

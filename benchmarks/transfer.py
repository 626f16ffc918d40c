"""Whether a small network learns more from a few images if it has learned from others before, or less.

python benchmarks/transfer.py [--dataset PATH] [--other WHAT ...] [--first 5000] [--seeds 100]

`cnn_transfer` at the setting that its search starts from, with nothing chosen: without a first training, and after one
on each other set (anything that --also takes), with all of the network trained on as fast as its last layer, a tenth as
fast, or not at all. All are compared with the network from scratch on the same seeds; the interval is about other draws
of labelled images, not about other images to validate on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import gettempdir

from many_seeds import compared, percentages
from searching import quiet

from sweeps.challenge2 import CHALLENGE
from sweeps.engine import cluster
from sweeps.inputs.downloads import AUTO
from sweeps.inputs.inputs import Inputs
from sweeps.views.text_table import aligned
from trainables.parts.datasets import BREASTMNIST, PHANTOM
from trainables.parts.image_sets import POOL, ImageSet

BODY_RATES = (1.0, 0.1, 0.0)
(APPROACH,) = CHALLENGE.named(["cnn_transfer"])
START = dict(APPROACH.start or {})


def main() -> None:
    """Print a row for each other set and each way of going on from it."""
    quiet()
    asked = _asked()
    seeds = range(asked.first, asked.first + asked.seeds)
    scratch_N = percentages(
        APPROACH.learner, {**START, "first_steps": 0}, seeds, _images(asked.dataset, asked.other[0])
    )
    rows = [{"learned before": "nothing", "rate of its body": "", **compared(scratch_N, scratch_N, "from scratch")}]
    for other in asked.other:
        images = _images(asked.dataset, other)
        for rate in BODY_RATES:
            found_N = percentages(APPROACH.learner, {**START, "body_rate": rate}, seeds, images)
            cells = compared(found_N, scratch_N, "from scratch")
            rows.append({"learned before": other, "rate of its body": f"{rate:g}", **cells})
    print(f"{APPROACH.name} on {asked.dataset}, seeds {seeds.start} to {seeds.stop - 1}, accuracy in per cent")
    print(aligned(rows, left=("learned before",)))


def _images(dataset: str, other: str) -> dict[str, ImageSet]:
    inputs = Inputs.find(
        [APPROACH],
        Path(gettempdir()) / "seedsweep-benchmark",
        dataset=dataset,
        also=[f"{BREASTMNIST}={other}"],
        weights=AUTO,
        precision=AUTO,
        smoke=False,
    )
    # It looks at pixels alone, so nothing is computed.
    return inputs.image_sets([APPROACH], [POOL, BREASTMNIST], slots=cluster.Slots(None))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--dataset", default=AUTO, help="the images, as for sweeps/challenge2.py")
    parser.add_argument("--other", nargs="+", default=[PHANTOM], help="other sets, as behind --also breastmnist=")
    parser.add_argument("--first", type=int, default=5000, help="first seed of the block")
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""What `--robustness` says and costs before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sweeps.core.challenge import Approach
from sweeps.core.progress import duration
from sweeps.inputs import changed_images
from sweeps.inputs.inputs import Inputs
from sweeps.run.options import SweepOptions
from sweeps.stages.robustness import seeds_of_stage
from sweeps.store.spec import Spec
from trainables.parts.corruptions import KINDS


def seconds(options: SweepOptions, approaches: Sequence[Approach], inputs: Inputs) -> float:
    """About how long it takes one CPU: features of changed images, and scoring them."""
    if options.robustness == "off":
        return 0.0
    seeds = len(seeds_of_stage(options.confirm_seeds))
    # What confirms a seed is scored on about 600 images of each class besides.
    of_seeds = sum(seeds * approach.seconds_per_seed for approach in approaches)
    return of_seeds + inputs.seconds_to_change(approaches)


def plan_line(options: SweepOptions, spec: Spec, cpu_seconds: float) -> str:
    """What is scored, and what it costs."""
    labels = np.repeat(np.arange(len(spec.test_counts)), spec.test_counts)
    images = len(changed_images.rows(labels, smoke=spec.smoke))
    changes = len(changed_images.changes(smoke=spec.smoke))
    return (
        f"Changed   the best also meet {images} test images changed in {changes} ways ({len(KINDS)} kinds), on "
        f"{len(seeds_of_stage(options.confirm_seeds))} fresh seeds: about {duration(cpu_seconds)} on one CPU "
        "(--robustness off: none)"
    )

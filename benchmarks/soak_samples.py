"""What a long sweep's driver measures of itself now and then, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

FLAT = 1.25
# Names that are given to the parts of the driver's CPU time; of all, only the first is expected to grow.
PARTS = ("suggest", "tasks", "tune", "mlflow", "threads")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Where the driver stands; all seconds are since its start, those of CPU by part.

    `steps` are reports of workers that end a block of seeds, `busy` is the sum of what seeds took.
    """

    stage: str
    trials: int
    seeds: int
    steps: int
    busy: float
    wall: float
    suggest: float
    tasks: float
    tune: float
    mlflow: float
    threads: float
    ray: float
    workers: float
    rss_mb: float
    fds: int
    os_threads: int
    journal_mb: float
    mlflow_waiting: int


def of_search(samples: Sequence[Sample]) -> list[Sample]:
    """Those taken while the search ran."""
    return [sample for sample in samples if sample.stage == "search" and sample.trials > 0]


def rates(samples: Sequence[Sample]) -> list[tuple[Sample, dict[str, float]]]:
    """Samples with CPU and wall milliseconds a configuration since the one before, by part."""
    found = []
    for earlier, later in pairwise(samples):
        trials = later.trials - earlier.trials
        if trials > 0:
            keys = ("wall", *PARTS, "ray", "workers")
            found.append((later, {key: 1000 * (getattr(later, key) - getattr(earlier, key)) / trials for key in keys}))
    return found


def between(samples: Sequence[Sample], low: float, high: float) -> tuple[Sample, Sample]:
    """The samples nearest to these parts of all configurations."""
    whole = samples[-1].trials
    return tuple(min(samples, key=lambda each: abs(each.trials - part * whole)) for part in (low, high))  # type: ignore[return-value]


def a_trial(samples: Sequence[Sample], key: str, low: float, high: float) -> float:
    """Milliseconds (or whatever the key counts, times 1000) a configuration in that part of the run."""
    first, last = between(samples, low, high)
    return 1000 * (getattr(last, key) - getattr(first, key)) / max(last.trials - first.trials, 1)


def verdicts(samples: Sequence[Sample]) -> list[dict[str, str]]:
    """A row a part: what a configuration of the second and of the last quarter costs, and whether that is flat."""
    rows = []
    for key in ("wall", *PARTS, "ray", "workers"):
        early, late = (a_trial(samples, key, *quarter) for quarter in ((0.25, 0.5), (0.75, 1.0)))
        ratio = late / early if early > 0 else 1.0
        rows.append(
            {
                "ms a configuration": key,
                "second quarter": f"{early:.2f}",
                "last quarter": f"{late:.2f}",
                "ratio": f"{ratio:.2f}",
                "verdict": "flat" if ratio <= FLAT else "grows",
            }
        )
    return rows


def slope_kb(samples: Sequence[Sample], low: float, high: float) -> float:
    """Kilobytes of RSS a configuration in that part of the run, by least squares."""
    whole = samples[-1].trials
    points = [each for each in samples if low * whole <= each.trials <= high * whole]
    if len(points) < 2:
        return float("nan")
    return float(np.polyfit([each.trials for each in points], [each.rss_mb * 1024 for each in points], 1)[0])

"""One configuration on many seeds, several at the same time, and how it compares with another on the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import joblib
import numpy as np
from scipy import stats

from trainables.parts.image_sets import ImageSet
from trainables.parts.learner import Learner
from trainables.parts.run_seed import prepare_worker, run_seed

# Seeds that a process runs in one go.
BATCH = 20


def percentages(
    learner: type[Learner], params: Mapping[str, Any], seeds: Sequence[int], images: Mapping[str, ImageSet]
) -> np.ndarray:
    """Accuracy on balanced validation images of each seed, in per cent.

    Raises:
        RuntimeError: A seed failed.
    """
    found = joblib.Parallel(n_jobs=joblib.cpu_count())(
        joblib.delayed(_batch)(learner, params, seeds[start : start + BATCH], images)
        for start in range(0, len(seeds), BATCH)
    )
    return 100 * np.array([value for batch in found for value in batch])


def _batch(
    learner: type[Learner], params: Mapping[str, Any], seeds: Sequence[int], images: Mapping[str, ImageSet]
) -> list[float]:
    prepare_worker()
    found = [run_seed(learner, params, seed, images)[0] for seed in seeds]
    failed = [result.error for result in found if result.error]
    if failed:
        raise RuntimeError(failed[0])
    return [result.accuracy or 0.0 for result in found]


def compared(found_N: np.ndarray, other_N: np.ndarray, other: str) -> dict[str, str]:
    """Cells of a table: mean and standard deviation, and the difference to another with its interval over seeds."""
    cells = {"accuracy": f"{found_N.mean():.2f} +- {found_N.std(ddof=1):.1f}", f"less {other}": "", "95 % interval": ""}
    less_N = found_N - other_N
    if not less_N.any():
        return cells
    interval = stats.ttest_1samp(less_N, 0).confidence_interval(0.95)
    return cells | {
        f"less {other}": f"{less_N.mean():+.2f}",
        "95 % interval": f"{interval.low:+.2f} to {interval.high:+.2f}",
    }

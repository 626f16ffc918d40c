"""Where a value lies in the range that was searched."""

from __future__ import annotations

import math
from collections.abc import Callable

from optuna.distributions import FloatDistribution, IntDistribution


def place_in_range(value: float, distribution: FloatDistribution | IntDistribution) -> float:
    """From 0 at the lower end to 1 at the upper one, in log units where the range is searched so.

    The range must have more than one value.
    """
    scale: Callable[[float], float] = math.log if distribution.log else float
    low, high = scale(distribution.low), scale(distribution.high)
    return (scale(value) - low) / (high - low)

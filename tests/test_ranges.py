"""Where values lie in their searched ranges."""

from __future__ import annotations

import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from sweeps.analysis.ranges import place_in_range


@pytest.mark.parametrize(
    ("value", "distribution", "place"),
    [
        (0.0, FloatDistribution(0.0, 2.0), 0.0),
        (0.5, FloatDistribution(0.0, 2.0), 0.25),
        (2.0, FloatDistribution(0.0, 2.0), 1.0),
        (1e-3, FloatDistribution(1e-4, 1e-2, log=True), 0.5),
        (30, IntDistribution(10, 50), 0.5),
        (8, IntDistribution(1, 64, log=True), 0.5),
    ],
)
def test_places(value, distribution, place):
    assert place_in_range(value, distribution) == pytest.approx(place)

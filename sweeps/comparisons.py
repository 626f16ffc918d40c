"""Corrections of p-values where several comparisons are made at once."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that keep the chance of any false alarm among all comparisons at the level one compares with.

    The k-th smallest of m is multiplied by m - k + 1; none becomes smaller than the one before it, nor larger than 1.
    They come back in the order given. Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted

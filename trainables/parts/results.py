"""What one seed of one configuration gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """What one seed of one configuration gave on one split. Metrics are between 0 and 1, and None if it failed."""

    seed: int
    split: str
    seconds: float
    timestamp_ms: int
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    auroc: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    brier: float | None = None
    error: str | None = None

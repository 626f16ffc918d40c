"""What one seed of one configuration gives."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedResult:
    """What one seed of one configuration gave on one split. Metrics are between 0 and 1, and None if it failed.

    `sensitivity` and `specificity` exist for two classes, and `recalls`, the recall of each class, for more. `hits`
    says of each image that was scored whether it got its class, as `packed` writes it: in the order of
    `Protocol.split`, or of the test split class by class. `probabilities` are those of each image of the test split, in
    the same order, as `packed_probabilities` writes them; None of other splits, and where there are too many.
    """

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
    recalls: tuple[float, ...] = ()
    hits: str | None = None
    probabilities: str | None = None
    error: str | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> SeedResult:
        """Itself: nothing of it can change, and Optuna copies much."""
        return self


def packed(hits_N: np.ndarray) -> str:
    """Booleans as text, eight in a byte and three bytes in four letters (base64)."""
    return base64.b64encode(np.packbits(hits_N).tobytes()).decode()


def count_of(text: str) -> int:
    """How many booleans `packed` wrote, with those that fill the last byte."""
    return 8 * (len(text) // 4 * 3 - text.count("="))


def unpacked_hits(text: str, count: int) -> np.ndarray:
    """The booleans (count,) that `packed` wrote.

    Raises:
        ValueError: The text is not of so many.
    """
    bytes_M = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    if len(bytes_M) != (count + 7) // 8:
        raise ValueError(f"Expected the hits of {count} images, {(count + 7) // 8} bytes; got {len(bytes_M)}.")
    return np.unpackbits(bytes_M, count=count).astype(bool)


def packed_probabilities(p_NK: np.ndarray) -> str:
    """Probabilities of the classes as text: float16 of all but the first class, image by image (base64)."""
    return base64.b64encode(p_NK[:, 1:].astype("<f2").tobytes()).decode()


def unpacked_probabilities(text: str, count: int, classes: int) -> np.ndarray:
    """The probabilities, float32 (count, classes), that `packed_probabilities` wrote, to about three digits.

    Raises:
        ValueError: The text is not of so many.
    """
    found = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    if len(found) != count * (classes - 1):
        raise ValueError(f"Expected the probabilities of {count} images, {count * (classes - 1)}; got {len(found)}.")
    others_NK = found.reshape(count, classes - 1)
    return np.concatenate([1 - others_NK.sum(1, keepdims=True), others_NK], axis=1).clip(0, 1)

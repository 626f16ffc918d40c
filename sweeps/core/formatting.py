"""How numbers are printed: accuracies in per cent, differences in points, parameters with few digits."""

from __future__ import annotations

from typing import Any, Protocol

# What stands before a class in the name of the column with its probability.
PROBABILITY = "probability_"


class Spread(Protocol):
    """A mean over seeds and its standard deviation, both as fractions; `sd` None with a single seed."""

    @property
    def mean(self) -> float:
        """Of the seeds."""

    @property
    def sd(self) -> float | None:
        """Between the seeds."""


def percent(fraction: float) -> str:
    """A fraction in per cent, with one digit after the point: "87.1"."""
    return f"{100 * fraction:.1f}"


def points(fraction: float) -> str:
    """A difference of fractions in percentage points, with its sign: "+1.0"."""
    return signed_points(100 * fraction)


def signed_points(difference_points: float) -> str:
    """The same of a difference that is in points."""
    # Adding 0 turns a rounded -0.0 into 0.0.
    return f"{round(difference_points, 1) + 0.0:+.1f}"


def mean_sd(estimate: Spread | None) -> str:
    """Mean and standard deviation in per cent: "87.1 +- 3.9"; empty where there is no estimate."""
    if estimate is None:
        return ""
    return mean_sd_percent(100 * estimate.mean, None if estimate.sd is None else 100 * estimate.sd)


def mean_sd_percent(mean_percent: float, sd_percent: float | None) -> str:
    """The same of numbers that are in per cent, as the study gives them."""
    return f"{mean_percent:.1f}" + ("" if sd_percent is None else f" +- {sd_percent:.1f}")


def interval_percent(low: float | None, high: float | None) -> str:
    """An interval of fractions in per cent: "85.6 to 88.6"; empty where there is none."""
    return "" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def readable(value: Any) -> str:
    """A parameter's value with as many digits as one reads; the journal has all of them."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def capital(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def counted(count: int, what: str) -> str:
    """So many of what a plain s makes several: "1 image", "3 images"."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def megabytes(size: int) -> str:
    """A number of bytes as a person reads it: "3.1 MB"."""
    return f"{size / 1e6:.1f} MB"

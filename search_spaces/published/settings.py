"""What a published study gives for an approach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The study's number for the same system with some parameters at other values.

    Attributes:
        params: The parameters that differ.
        mean_percent: Accuracy; None where the study gives no number.
        sd_percent: Its standard deviation over seeds, in percentage points; None if and only if `mean_percent` is.
        seeds: How many seeds that is over; None where the study does not say.
    """

    params: Mapping[str, Any]
    mean_percent: float | None
    sd_percent: float | None
    seeds: int | None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A value for every parameter, and the study's number there; the other fields are those of `Variant`."""

    params: Mapping[str, Any]
    mean_percent: float | None
    sd_percent: float | None
    seeds: int | None


@dataclass(frozen=True, kw_only=True)
class Published:
    """A setting of all parameters that `suggest` searches, and the study's number for it.

    Attributes:
        params: A value for every parameter; a search starts from it, unless its backbone has random weights and its
            images are too large for them.
        mean_percent: Accuracy; None where the study gives no number.
        sd_percent: Its standard deviation over seeds, in percentage points; None if and only if `mean_percent` is.
        seeds: How many seeds that is over; None where the study does not say.
        note: Where the setting or the number comes from, what was not given and had to be chosen, and what makes the
            number another quantity than ours.
        fault: In one line, why the study's number is wrong, where that is known.
        is_class_accuracy: False where the study counts something else than images that get the right class.
        is_of_the_study: False where the study has no such system, so that the setting is ours.
        variants: Its further numbers that the space can express, by a name for each.
        portfolio: Settings that a search tries right after that; they are ours.
    """

    params: Mapping[str, Any]
    mean_percent: float | None
    sd_percent: float | None
    seeds: int | None
    note: str
    fault: str | None = None
    is_class_accuracy: bool = True
    is_of_the_study: bool = True
    variants: Mapping[str, Variant] = field(default_factory=dict)
    portfolio: tuple[Mapping[str, Any], ...] = ()

    def settings(self) -> dict[str, Setting]:
        """The main setting under "", then each variant with all its parameters."""
        main = Setting(
            params=dict(self.params), mean_percent=self.mean_percent, sd_percent=self.sd_percent, seeds=self.seeds
        )
        others = {
            name: Setting(
                params={**self.params, **each.params},
                mean_percent=each.mean_percent,
                sd_percent=each.sd_percent,
                seeds=each.seeds,
            )
            for name, each in self.variants.items()
        }
        return {"": main, **others}


def ours(params: Mapping[str, Any], note: str, portfolio: tuple[Mapping[str, Any], ...] = ()) -> Published:
    """The settings that the search of an approach starts from which the study does not have."""
    return Published(
        params=params,
        mean_percent=None,
        sd_percent=None,
        seeds=None,
        note=note,
        is_of_the_study=False,
        portfolio=portfolio,
    )

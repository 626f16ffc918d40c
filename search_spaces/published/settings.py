"""What a published study gives for an approach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The study's number for the same system at another setting.

    Attributes:
        params: The parameters that differ.
        mean: Accuracy in per cent; None where the study gives no number.
        sd: Its standard deviation over seeds, in percentage points; None if and only if `mean` is.
        seeds: How many seeds that is over; None where the study does not say.
    """

    params: Mapping[str, Any]
    mean: float | None
    sd: float | None
    seeds: int | None


@dataclass(frozen=True, kw_only=True)
class Published:
    """The study's own setting of the parameters that `suggest` searches, and its number for that setting.

    Attributes:
        params: A value for every parameter; a search starts from it.
        mean: Accuracy in per cent; None where the study gives no number.
        sd: Its standard deviation over seeds, in percentage points; None if and only if `mean` is.
        seeds: How many seeds that is over; None where the study does not say.
        note: Where the setting or the number comes from, what was not given and had to be chosen, and what makes the
            number another quantity than ours.
        fault: In one line, why the study's number is wrong, where that is known.
        is_class_accuracy: False where the study counts something else than images that get the right class.
        variants: Its further numbers that the space can express, by a name for each.
    """

    params: Mapping[str, Any]
    mean: float | None
    sd: float | None
    seeds: int | None
    note: str
    fault: str | None = None
    is_class_accuracy: bool = True
    variants: Mapping[str, Variant] = field(default_factory=dict)

    def settings(self) -> dict[str, Variant]:
        """Every setting with all its parameters and the study's number: the main one under "", then the variants."""
        main = Variant(params=dict(self.params), mean=self.mean, sd=self.sd, seeds=self.seeds)
        others = {
            name: Variant(params={**self.params, **each.params}, mean=each.mean, sd=each.sd, seeds=each.seeds)
            for name, each in self.variants.items()
        }
        return {"": main, **others}

"""What a published source gives for an approach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The study's number for the same system at another setting: `params` are those that differ."""

    params: Mapping[str, Any]
    mean: float | None
    sd: float | None
    seeds: int | None


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The study's own setting of the parameters that `suggest` searches, and the result it gives for it.

    A search starts from it. `mean` and `sd` are accuracy in per cent over `seeds` seeds; None where the study gives no
    number. `note` says where the setting or the number comes from, what was not given and had to be chosen, and what
    makes the number another quantity than ours. `fault` says in one line why the study's number is wrong, where it is
    known to be. `is_class_accuracy` is False where what the study counts is not whether images get the right class.
    `variants` are its further numbers that the space can express, by a name for each.
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

"""What a published source gives for an approach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The source's own setting of the parameters that `suggest` searches, and the result it gives for it.

    `mean` and `sd` are validation accuracy in per cent over `seeds` seeds; None where the source gives no number.
    `note` says where the setting or the number comes from, or what was not given and had to be chosen.
    """

    params: Mapping[str, Any]
    mean: float | None
    sd: float | None
    seeds: int | None
    note: str

"""What a published source gives for an approach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The study's own setting of the parameters that `suggest` searches, and the result it gives for it.

    A search starts from it. `mean` and `sd` are accuracy in per cent over `seeds` seeds; None where the study gives no
    number. `note` says where the setting or the number comes from, what was not given and had to be chosen, and what
    makes the number another quantity than ours.
    """

    params: Mapping[str, Any]
    mean: float | None
    sd: float | None
    seeds: int | None
    note: str

"""Variables of the environment that are set for a library before it reads them.

The package's `__init__.py` uses this before anything else is imported, so it needs the standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable of the environment.

    Attributes:
        name: Its name.
        value: What it is set to, if a person has not set it.
        read_in: The module or the package that reads it.
        reason: Why it is set.
    """

    name: str
    value: str
    read_in: str
    reason: str


def set_defaults(variables: Iterable[Variable]) -> None:
    """Set those of these variables that a person has not set. It must be called before the library reads them."""
    for variable in variables:
        os.environ.setdefault(variable.name, variable.value)

"""Variables of the environment that are set for a library before it reads them.

The package's `__init__.py` uses this before anything else is imported, so it needs the standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

# What this machine is called by programs that talk to others on it.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


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


def spare_loopback() -> None:
    """Have no library ask a proxy for this machine, where a person has set proxies: it would ask in vain.

    Other processes, such as Ray's workers, inherit it. Some libraries read the variable in small letters, some in
    large, some the large one only where there is no small one; names that a person has there stay. Without proxies
    nothing is set, since on some systems the variable alone replaces what the system knows of proxies.
    """
    names = {name.lower() for name, value in os.environ.items() if value}
    if not any(name.endswith("_proxy") and name != "no_proxy" for name in names):
        return
    for name, other in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
        text = os.environ.get(name) or os.environ.get(other) or ""
        hosts = [host.strip() for host in text.split(",") if host.strip()]
        if "*" not in hosts:
            os.environ[name] = ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])

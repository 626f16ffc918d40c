"""Where a Ray cluster is, looked at without importing Ray."""

from __future__ import annotations

import os
import re
import socket

from sweeps.core.errors import BadInput

MOST_PORT = 65535


def cluster_address(option: str | None) -> str | None:
    """Where the cluster is: as asked for, else as the environment says; None is this machine alone."""
    return option or os.environ.get("RAY_ADDRESS")


def check_address(address: str) -> None:
    """Refuse at once an address at which nothing listens; Ray itself tries for a long time.

    Raises:
        BadInput: It is neither "auto" nor host:port, or nothing answers.
    """
    if address == "auto":
        return
    if "://" in address:
        raise BadInput(
            f"Expected --address as host:port of a cluster that this machine belongs to; got {address!r}. Run the "
            "command on a machine of the cluster, or submit it with `ray job submit`."
        )
    host, _, port = address.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > MOST_PORT:
        raise BadInput(
            f'Expected --address as host:port, the port a number up to {MOST_PORT}, or "auto"; got {address!r}.'
        )
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except (OSError, ValueError) as error:
        raise BadInput(
            f"Expected a Ray cluster at --address {address}; nothing answers there ({error}). "
            "Start one with `ray start --head`, or omit the option to use this machine."
        ) from None

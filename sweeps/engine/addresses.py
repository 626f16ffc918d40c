"""Where a Ray cluster is, looked at without importing Ray."""

from __future__ import annotations

import os
import re
import socket

from sweeps.core.errors import BadInput

MOST_PORT = 65535
# As long as an address is given to take a connection, and then to answer, before anything starts.
ANSWER_SECONDS = 3.0
# How a client of Ray's head begins, by HTTP/2: the preface and an empty frame of settings. The answer begins with such
# a frame too; its kind is the fourth of nine bytes.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
_FRAME_HEAD, _SETTINGS = 9, 4


def cluster_address(option: str | None) -> str | None:
    """Where the cluster is: as asked for, else as the environment says; None is this machine alone."""
    return option or os.environ.get("RAY_ADDRESS")


def check_address(address: str) -> None:
    """Refuse at once an address at which no head of Ray's listens; Ray itself tries for a long time.

    Raises:
        BadInput: It is neither "auto" nor host:port, or nothing answers, or something else does.
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
        with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as connection:
            # One with TLS answers only those who have its certificates.
            is_head = bool(os.environ.get("RAY_USE_TLS")) or _speaks_http2(connection)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"Expected a Ray cluster at --address {address}; nothing answers there ({error}). "
            "Start one with `ray start --head`, or omit the option to use this machine."
        ) from None
    if not is_head:
        raise BadInput(
            f"Expected a Ray cluster at --address {address}; what listens there is no head of one. Give the address "
            "that `ray start --head` prints, which is not the dashboard's, or omit the option to use this machine."
        )


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether the other side answers as Ray's head does, and not as a web page or not at all."""
    try:
        connection.sendall(_GREETING)
        with connection.makefile("rb") as answer:
            head = answer.read(_FRAME_HEAD)
    except OSError:
        return False
    return len(head) == _FRAME_HEAD and head[3] == _SETTINGS

"""Downloads: only the driver makes any, and a person is told of each in our words."""

from __future__ import annotations

import contextlib
import io
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# What the options for images and weights call "what is here, else a download, else a substitute with a notice".
AUTO = "auto"
DOWNLOAD_TIMEOUT_S = 10.0


@contextmanager
def downloading(what: str) -> Iterator[None]:
    """Say what is being fetched, in our words instead of the library's, and do not wait for ever."""
    print(f"Fetching {what} ...", file=sys.stderr, flush=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)

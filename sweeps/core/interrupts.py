"""Ctrl-C while a command still imports its libraries, which takes seconds. Only the standard library is used here."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def exit_quietly_on_interrupt() -> None:
    """End the process at once with code 130 on Ctrl-C: until all is imported there is nothing to save or to say."""
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))


@contextmanager
def quiet_interrupts() -> Iterator[None]:
    """The same in this block alone. An exception amid an import could come out of it as another one."""
    before = signal.getsignal(signal.SIGINT)
    exit_quietly_on_interrupt()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

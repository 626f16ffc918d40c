"""Ctrl-C while a command still imports its libraries, which takes seconds. Only the standard library is used here."""

from __future__ import annotations

import os
import signal


def exit_quietly_on_interrupt() -> None:
    """End the process at once with code 130 on Ctrl-C: until all is imported there is nothing to save or to say."""
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))

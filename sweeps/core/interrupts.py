"""Before a command imports its libraries, and while it does: where it does not run, Ctrl-C, and no waste of time.

Only the standard library is used here, and in what is imported here.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainables.parts.garbage import pause_collection, resume_collection

NOT_ON_WINDOWS = (
    "Expected Linux or macOS, whose signals a sweep needs; got Windows. Use WSL2 (`wsl --install`), and start the same "
    "command there."
)


def begin_command() -> None:
    """Begin a process of its own: its imports follow, and Ctrl-C ends them quietly.

    A system on which no command runs is refused with exit code 2.
    """
    if sys.platform == "win32":
        print(f"{Path(sys.argv[0]).stem}: {NOT_ON_WINDOWS}", file=sys.stderr)
        sys.exit(2)
    exit_quietly_on_interrupt()
    pause_collection()


def exit_quietly_on_interrupt() -> None:
    """End the process at once with code 130 on Ctrl-C: until all is imported there is nothing to save or to say."""
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))


@contextmanager
def importing() -> Iterator[None]:
    """Import the last of a command's libraries in this block, in which Ctrl-C ends the process quietly, too.

    An exception amid an import could come out of it as another one.
    """
    before = signal.getsignal(signal.SIGINT)
    exit_quietly_on_interrupt()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        resume_collection()

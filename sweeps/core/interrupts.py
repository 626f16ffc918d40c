"""Before a command imports its libraries: where it does not run, and Ctrl-C in the seconds that the imports take.

Only the standard library is used here.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOT_ON_WINDOWS = (
    "Expected Linux or macOS, whose signals a sweep needs; got Windows. Use WSL2 (`wsl --install`), and start the same "
    "command there."
)


def begin_command() -> None:
    """Refuse a system on which no command runs, with exit code 2, and let Ctrl-C end quietly what follows."""
    if sys.platform == "win32":
        print(f"{Path(sys.argv[0]).stem}: {NOT_ON_WINDOWS}", file=sys.stderr)
        sys.exit(2)
    exit_quietly_on_interrupt()


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

"""What is printed, also when nobody reads it any more: a closed terminal, or a pipe whose reader has ended."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

# What writing raises then: to a terminal, and to a pipe.
NOBODY_READS = (errno.EIO, errno.EPIPE)


class _ForWhoeverReads(io.FileIO):
    """A file to which writing does nothing if nobody can read it."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in NOBODY_READS:
                raise
            return memoryview(data).nbytes


def print_for_whoever_reads() -> None:
    """Let nothing that is printed from now on raise since nobody reads it; a sweep's numbers are in its files.

    A path may have letters that the terminal has not; they become escapes.
    """
    # What a test or a notebook has put in their places is theirs.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        sys.stdout = _forgiving(sys.stdout)
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = _forgiving(sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forgiving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Another one to the same place."""
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_ForWhoeverReads(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )

"""A writer in a process of its own, for long sweeps: what MLflow takes a configuration is the driver's time no more.

The tracker's thread speaks to it as to a writer. A process that dies is to it a store that went away.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.core.environment import set_defaults
from sweeps.core.errors import in_one_line
from sweeps.core.signals import ENDING
from sweeps.store.trials import TrialRecord
from sweeps.tracking.environment import VARIABLES
from sweeps.tracking.sweep_run import SweepEnd, SweepRun
from trainables.parts.garbage import pause_collection, resume_collection
from trainables.parts.results import SeedResult

if TYPE_CHECKING:
    from sweeps.tracking.ui_view import SavedView
    from sweeps.tracking.writer import KnownRun


class WriterProcess:
    """As `Writer`, in another process. Whatever goes wrong there, or with it, raises here."""

    def __init__(self, uri: str, sweep: SweepRun, known: dict[str, KnownRun]) -> None:
        """Start it. `known` is brought up to date with every call."""
        self._known = known
        self._pipe, theirs = Pipe()
        # It looks for modules where we do. Ctrl-C is ours alone; when we end, the pipe ends, and with it the process.
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
            pass_fds=[theirs.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        found: tuple[str, SavedView | None, str | None] = self._ask(uri, sweep, known)
        self.experiment_id, self.view, self.notice = found

    def write(self, trial: TrialRecord, earlier: Sequence[SeedResult] = ()) -> int:
        """As `Writer.write`."""
        # What it does not look at.
        written: int = self._ask(replace(trial, distributions={}), earlier)
        return written

    def finish(self, end: SweepEnd) -> None:
        """As `Writer.finish`; the process ends then."""
        self._ask(end)
        self.close()

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def _ask(self, *what: Any) -> Any:
        try:
            self._pipe.send(what)
            answer, trouble, new = self._pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise RuntimeError("the process that writes to it died") from None
        self._known.update(new)
        if trouble:
            self.close()
            raise RuntimeError(trouble)
        return answer


def serve(pipe: Connection) -> None:
    """Do what comes through the pipe: first what a writer is made of, then trials, then the end."""
    set_defaults(VARIABLES)
    # Only now, as the tracker does.
    from sweeps.tracking.writer import Writer

    resume_collection()
    known: dict[str, KnownRun] = {}
    told = 0
    writer: Writer | None = None
    while True:
        what: tuple[Any, ...] = pipe.recv()
        answer: Any = None
        trouble = ""
        try:
            if writer is None:
                known.update(what[2])
                told = len(known)
                writer = Writer(what[0], what[1], known)
                answer = (writer.experiment_id, writer.view, writer.notice)
            elif isinstance(what[0], SweepEnd):
                writer.finish(what[0])
            else:
                answer = writer.write(*what)
        except Exception as error:
            trouble = in_one_line(error)
        pipe.send((answer, trouble, dict(islice(known.items(), min(told, len(known)), None))))
        told = len(known)


if __name__ == "__main__":
    pause_collection()
    for each in ENDING:
        # A batch system sends them to every process; this one ends with the driver.
        signal.signal(each, signal.SIG_IGN)
    try:
        serve(Connection(int(sys.argv[1])))
    except EOFError:
        # The driver has ended.
        sys.exit(0)

"""MLflow shows what the journal holds: a thread of the driver hands it each finished trial.

Metrics keep the journal's time stamps and runs their keys, so writing again adds nothing. A tracking server that goes
away stops nothing: the journal keeps everything, and the next start writes what is missing.
"""

from __future__ import annotations

import queue
import threading
import time
import warnings
from collections import deque
from typing import TYPE_CHECKING

from sweeps.core.environment import set_defaults
from sweeps.core.errors import in_one_line
from sweeps.core.progress import say
from sweeps.store.trials import CONFIRM, TrialRecord
from sweeps.tracking import links
from sweeps.tracking.environment import VARIABLES
from sweeps.tracking.sweep_run import SweepEnd, SweepRun
from sweeps.tracking.writer_process import WriterProcess
from trainables.parts.results import SeedResult

if TYPE_CHECKING:
    from sweeps.tracking.ui_view import SavedView
    from sweeps.tracking.writer import KnownRun, Writer

DRAIN_SECONDS = 60.0
# And at most so long when a person has pressed Ctrl-C or something failed.
HURRIED_DRAIN_SECONDS = 10.0
# How long a sweep's own run waits for the first trial: importing MLflow and making its database take seconds of a CPU,
# which workers that start need for their own imports.
FIRST_SECONDS = 5.0
# After a failure MLflow is left alone for so long; what came in meanwhile is written then, or at the end.
RETRY_SECONDS = 30.0
# And so long at the end, where somebody waits.
LAST_RETRY_SECONDS = 2.0
# After so many trials a process of its own writes them: it takes seconds to start, and then spares the driver 30 ms a
# trial.
MOST_BY_THREAD = 500
# Of what MLflow says when something fails.
MOST_CHARACTERS = 160


class Tracker:
    """Writes one sweep's trials to MLflow from a thread of its own.

    Attributes:
        uri: Where to.
        sweep: What is written of the sweep itself.
        trouble: What went wrong last, in one line; None while all goes well.
        written: Trials that were written by this start.
        seconds: CPU seconds of the thread, without those of a process that writes for it.
    """

    def __init__(self, uri: str, sweep: SweepRun) -> None:
        """Begin to write; returns at once.

        Args:
            uri: Where to, already checked.
            sweep: What to write of the sweep itself.
        """
        self.uri = uri
        self.sweep = sweep
        self.trouble: str | None = None
        self.written = 0
        self.seconds = 0.0
        self._experiment_id: str | None = None
        self._view: SavedView | None = None
        self._has_confirmed = False
        self._writer: Writer | WriterProcess | None = None
        # It outlives a writer that failed, and tells the next one which of two equal runs is ours.
        self._known: dict[str, KnownRun] = {}
        # So do the fresh seeds that are written, by approach and configuration: of several confirmations of one, each
        # has only the seeds that those before it lack.
        self._confirmed: dict[tuple[str, int | None], tuple[SeedResult, ...]] = {}
        self._queue: queue.Queue[TrialRecord | SweepEnd] = queue.Queue()
        self._waiting: deque[TrialRecord] = deque()
        self._not_before = 0.0
        # Until when the last of it is tried again.
        self._give_up = 0.0
        set_defaults(VARIABLES)
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)
        self._thread.start()

    def push(self, trial: TrialRecord) -> None:
        """Have a finished trial written."""
        self._queue.put(trial)

    def close(self, end: SweepEnd, *, patience: float = DRAIN_SECONDS) -> None:
        """Write what is left and the sweep's own results.

        Args:
            end: Results and status of the sweep's run.
            patience: Seconds to wait at most.
        """
        self._give_up = time.monotonic() + patience
        self._queue.put(end)
        self._thread.join(patience)
        if self._thread.is_alive():
            self.trouble = self.trouble or f"it was not ready within {patience:.0f} s"

    def where_to_look(self) -> list[str]:
        """What a person types and opens to see the sweep; nothing if MLflow never answered."""
        if self._experiment_id is None:
            return []
        of_sweep = self.sweep.journal_id, self.sweep.spec.ranked_by
        table = self._view.table if self._view else links.plain_table(*of_sweep, confirmed=self._has_confirmed)
        charts = self._view.charts if self._view else None
        return links.where_to_look(self.uri, self._experiment_id, table, charts)

    def _run(self) -> None:
        item: TrialRecord | SweepEnd
        try:
            item = self._queue.get(timeout=FIRST_SECONDS)
        except queue.Empty:
            self._try_to_write()
            item = self._queue.get()
        while not isinstance(item, SweepEnd):
            self._waiting.append(item)
            if time.monotonic() >= self._not_before:
                self._try_to_write()
            item = self._queue.get()
        while not self._try_to_write(item) and time.monotonic() + LAST_RETRY_SECONDS <= self._give_up:
            time.sleep(LAST_RETRY_SECONDS)

    def _try_to_write(self, end: SweepEnd | None = None) -> bool:
        """Write what waits, and then the end if it has come; whether that went well."""
        begin = time.thread_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._write(end)
            if self.trouble:
                say("MLflow is back, and has everything that it missed.")
            self.trouble = None
        except Exception as error:
            self._note_trouble(error, is_last=end is not None)
            return False
        else:
            return True
        finally:
            self.seconds += time.thread_time() - begin

    def _write(self, end: SweepEnd | None) -> None:
        is_long = self.written + len(self._waiting) + self._queue.qsize() > MOST_BY_THREAD
        if is_long and not isinstance(self._writer, WriterProcess):
            self._writer = None
        if self._writer is None:
            self._writer = self._new_writer(is_long)
            self._experiment_id = self._writer.experiment_id
            self._view = self._writer.view or self._view
            if self._writer.notice:
                say(self._writer.notice)
        while self._waiting:
            trial = self._waiting[0]
            configuration = (trial.approach, trial.of_trial)
            earlier = self._confirmed.get(configuration, ()) if trial.stage == CONFIRM else ()
            self.written += self._writer.write(trial, earlier)
            self._waiting.popleft()
            if trial.stage == CONFIRM:
                self._confirmed[configuration] = (*earlier, *trial.results)
                self._has_confirmed |= trial.state == "COMPLETE"
        if end is not None:
            self._writer.finish(end)

    def _new_writer(self, is_long: bool) -> Writer | WriterProcess:
        if is_long:
            return WriterProcess(self.uri, self.sweep, self._known)
        from sweeps.tracking.writer import Writer

        return Writer(self.uri, self.sweep, self._known)

    def _note_trouble(self, error: Exception, *, is_last: bool) -> None:
        if not self.trouble and not is_last:
            reason = in_one_line(error, MOST_CHARACTERS)
            say(f"MLflow takes nothing now ({reason}). The sweep goes on; MLflow gets it all later.")
        self.trouble = in_one_line(error, MOST_CHARACTERS)
        self._not_before = time.monotonic() + RETRY_SECONDS
        # What did not answer may have done all the same what it was asked for, so the next one looks anew.
        if isinstance(self._writer, WriterProcess):
            self._writer.close()
        self._writer = None

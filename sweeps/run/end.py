"""The end of a start, whatever ended it: files, MLflow, what is printed, and a journal that is still there."""

from __future__ import annotations

import sys
import time
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import pandas as pd

from sweeps.core.challenge import Approach
from sweeps.core.errors import in_one_line
from sweeps.core.progress import duration
from sweeps.run.command import Command, Conclusion, Prepared
from sweeps.run.options import AnyOptions
from sweeps.store.journal import Journal
from sweeps.store.spec import Stored
from sweeps.tracking.sweep_run import SweepEnd
from sweeps.tracking.tracker import DRAIN_SECONDS, HURRIED_DRAIN_SECONDS, Tracker
from sweeps.views import console, files


def write_tables(
    journal: Journal, approaches: Sequence[Approach], summary: Stored, probabilities: pd.DataFrame | None = None
) -> tuple[tuple[Path, ...], str]:
    """Write the tables and the summary beside the journal; those that are there, and what went wrong, if anything."""
    trouble = ""
    try:
        files.write_files(journal, approaches, summary, probabilities)
    except OSError as error:
        trouble = f"the tables could not be written ({error})"
    return tuple(path for name in files.FILES if (path := journal.folder / name).is_file()), trouble


@dataclass(frozen=True, kw_only=True)
class End(Generic[AnyOptions]):
    """What is left to do when the stages are through, or something stopped them."""

    command: Command[AnyOptions]
    prepared: Prepared[AnyOptions]
    journal: Journal
    tracker: Tracker
    # When the start began, by the monotonic clock.
    begin: float

    def write(self, code: int) -> int:
        """Show what was found, as far as the disk lets us; returns the exit code."""
        try:
            self._put_back()
            try:
                code = self._show(code)
            finally:
                # Again, since that took its time; tables and report went too, and are written when it is resumed.
                if self._put_back():
                    code = code or 1
        except Exception as error:
            code = 1
            self._complain(f"the end could not be written ({in_one_line(error)})")
        return code

    def _put_back(self) -> bool:
        """Restore the journal if somebody deleted it; whether that was so."""
        was_gone = self.journal.put_back_if_gone()
        if was_gone:
            self._complain(f"{self.journal.path} had been deleted; it is there again.")
        return was_gone

    def _show(self, code: int) -> int:
        """Write the files, finish MLflow, and print what a person wants to know; returns the exit code."""
        found = self.command.conclude(self.prepared, self.journal, self.prepared.all_approaches(self.journal))
        if found.trouble:
            self._complain(found.trouble)
            code = code or 1
        if code == 0 and not any(trial.state == "COMPLETE" for trial in self.journal.trials()):
            self._complain(self._why_nothing_completed())
            code = 1
        end = SweepEnd(
            exit_code=code,
            metrics=found.metrics,
            note=found.note,
            files=found.files,
            ended_ms=self._last_ms(),
            stepped_metrics=found.stepped_metrics,
        )
        self.tracker.close(end, patience=DRAIN_SECONDS if code == 0 else HURRIED_DRAIN_SECONDS)
        print(flush=True)
        print(found.text, end="\n\n")
        print("\n".join(self._lines(found, code)), flush=True)
        if found.to_open:
            webbrowser.open(found.to_open.absolute().as_uri())
        return code

    def _why_nothing_completed(self) -> str:
        if self.journal.trials():
            return "no configuration completed; see the reasons in trials.csv"
        return "no configuration was started; give a longer --time-budget, if one was given"

    def _lines(self, found: Conclusion, code: int) -> list[str]:
        """Where everything is, and how to go on."""
        lines = [*found.lines, console.journal_line(self.prepared.folder), *self.tracker.where_to_look()]
        if code == 0:
            lines += found.ways_on
        if self.tracker.trouble:
            lines.append(
                f"MLflow did not take everything ({self.tracker.trouble}). The journal has it all; once MLflow is "
                f"back, this writes what is missing: {self.prepared.resume_command}"
            )
        return [*lines, f"Took    {duration(time.monotonic() - self.begin)}"]

    def _last_ms(self) -> int:
        """When the last seed in the journal finished, else when the sweep began."""
        stamps = [result.timestamp_ms for trial in self.journal.trials() for result in trial.results]
        return max(stamps, default=self.journal.starts[0].time_ms)

    def _complain(self, text: str) -> None:
        print(f"{self.prepared.challenge.name}: {text}", file=sys.stderr)

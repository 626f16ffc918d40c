"""For which configurations the test split of which images was opened, by all sweeps of a results folder.

One line of JSON a configuration in `results/test-openings.jsonl`, which only grows: deleting a sweep does not undo that
its test numbers were seen. The driver alone writes it, under a lock, since several may run at the same time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from sweeps.core.errors import in_one_line
from sweeps.core.files import LEDGER, LEDGER_LOCK
from sweeps.core.progress import say
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec, Stored
from sweeps.store.trials import TrialRecord
from trainables.parts.datasets import PHANTOM
from trainables.parts.protocol import TEST

# Each writer has it for a moment.
LOCK_SECONDS = 10.0


class Opening(Stored):
    """The first opening of the test split for one configuration.

    Attributes:
        time_ms: When, since 1970.
        images: Fingerprint of the data set: all images that were read, to learn from and to test on, and their labels.
        sweep: What its sweep was called then.
        sweep_id: What tells this sweep from any other, also when it is renamed.
        approach: Whose configuration it is.
        trial: Its number in the search.
        params: The configuration.
    """

    time_ms: int
    images: str
    sweep: str
    sweep_id: str
    approach: str
    trial: int
    params: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        """The same configuration of the same sweep is one opening, however often it was resumed."""
        return self.sweep_id, self.approach, self.trial


def read_openings(results: Path, images: str) -> list[Opening]:
    """The openings of these images in a results folder, each once; lines that cannot be read are skipped."""
    try:
        lines = (results / LEDGER).read_bytes().splitlines()
    except OSError:
        return []
    found: dict[tuple[str, str, int], Opening] = {}
    for line in lines:
        try:
            opening = Opening.model_validate(json.loads(line))
        except (ValueError, RecursionError, ValidationError):
            # A driver that was killed leaves half a line.
            continue
        if opening.images == images:
            found.setdefault(opening.key, opening)
    return list(found.values())


def is_counted(spec: Spec) -> bool:
    """Whether openings mean anything: the phantom's test split is synthetic, and nothing is used up by looking."""
    return spec.dataset.source != PHANTOM


class Openings:
    """Writes a sweep's openings into the ledger beside it; that it cannot is told once, and stops nothing."""

    def __init__(self, journal: Journal) -> None:
        """Begin with what is in the ledger; nothing is read before it is needed."""
        self._journal = journal
        self._noted: set[tuple[str, int]] = set()
        self._has_warned = False

    def note(self, approach: str, trial: int, params: Mapping[str, Any], time_ms: int | None = None) -> None:
        """Write that the split was opened for this configuration of the search, now or then, unless it is written."""
        if (approach, trial) in self._noted:
            return
        self._noted.add((approach, trial))
        if not self._journal.has_begun or not is_counted(self._journal.spec):
            return
        opening = Opening(
            time_ms=int(time.time() * 1000) if time_ms is None else time_ms,
            images=self._journal.spec.dataset.fingerprint,
            sweep=self._journal.folder.name,
            sweep_id=self._journal.id,
            approach=approach,
            trial=trial,
            params=params,
        )
        try:
            _write(self._journal.folder.parent, opening)
        except (OSError, Timeout, NotImplementedError) as error:
            self._warn(in_one_line(error))

    def note_all(self, trials: Iterable[TrialRecord]) -> None:
        """Write what an earlier start opened and could not write, or opened before there was a ledger."""
        for trial in trials:
            stamps = [result.timestamp_ms for result in trial.results if result.split == TEST]
            if stamps:
                self.note(trial.approach, searched_number(trial), trial.params, min(stamps))

    def _warn(self, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            path = self._journal.folder.parent / LEDGER
            say(f"{path} cannot be written ({reason}), so that other sweeps will not know of this one's test results.")


def searched_number(trial: TrialRecord) -> int:
    """The configuration's number in the search."""
    return trial.number if trial.of_trial is None else trial.of_trial


def _write(results: Path, opening: Opening) -> None:
    """Append one line, whole, unless the opening is there already."""
    path = results / LEDGER
    with FileLock(results / LEDGER_LOCK, timeout=LOCK_SECONDS):
        if any(each.key == opening.key for each in read_openings(results, opening.images)):
            return
        line = f"{json.dumps(opening.model_dump(mode='json'))}\n".encode()
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            size = os.fstat(file).st_size
            is_torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            os.write(file, b"\n" + line if is_torn else line)
            os.fsync(file)
        finally:
            os.close(file)

"""Optuna's journal file, written in whole pieces and guarded against being deleted or torn."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from sweeps.core.files import put_in_place
from sweeps.store.trials import with_results


class JournalGone(OSError):
    """The journal is no longer where it was opened."""


class JournalFile(BaseJournalBackend):
    """A file in the form of Optuna's `JournalFileBackend`, which must stay the file that was opened.

    Optuna's own would begin a new one in silence. It also locks, opens and awaits the disk for each line; here one
    process writes, as the caller sees to, and writes together what belongs together.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # How far it was read, in lines and bytes.
        self._lines = self._offset = 0
        # What is held back to be written together.
        self._held: list[dict[str, Any]] | None = None
        self._open()

    def _open(self) -> None:
        # Whoever deletes the file leaves us its content.
        self.opened = self.path.open("rb")
        # Kept by itself, since a journal can be read after it was closed.
        self._identity = os.fstat(self.opened.fileno())

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write all that is written within as one piece, at the end; until then nothing reads it."""
        if self._held is not None:
            yield
            return
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            if held:
                self.append_logs(held)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append and await the disk, if the file is still the one that was opened."""
        if self._held is not None:
            self._held += logs
            return
        if not self.is_there():
            raise JournalGone(f"{self.path} was deleted or replaced while the sweep ran")
        lines = [json.dumps(log, separators=(",", ":"), default=asdict) + "\n" for log in logs]
        with self.path.open("ab") as file:
            file.write("".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Read on from this line; a line that is not whole is still being written, or was torn."""
        if log_number_from != self._lines:
            self._lines = self._offset = 0
        file = self.path.open("rb") if self.opened.closed else self.opened
        try:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                self._lines += 1
                if self._lines > log_number_from:
                    yield with_results(json.loads(line))
        finally:
            if file is not self.opened:
                file.close()

    def is_there(self) -> bool:
        """Whether the file under this name is still the one that was opened."""
        try:
            return os.path.samestat(self.path.stat(), self._identity)
        except OSError:
            return False

    def put_back(self) -> None:
        """Write what the file held to where it was.

        Raises:
            OSError: It cannot be written, or another file is in its place.
        """
        copy = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        self.opened.seek(0)
        with copy.open("xb") as file:
            shutil.copyfileobj(self.opened, file)
            file.flush()
            os.fsync(file.fileno())
        try:
            put_in_place(copy, self.path)
        except FileExistsError:
            raise FileExistsError(f"{self.path} is another one by now; this sweep's is in {copy}") from None
        self.opened.close()
        self._open()


def cut_torn_line(path: Path) -> None:
    """Cut a journal back to its last whole line; after a torn one Optuna could append but never read again."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)

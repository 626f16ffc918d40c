"""Optuna's journal file, guarded against being deleted or torn."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend


class JournalGone(OSError):
    """The journal is no longer where it was opened."""


class JournalFile(JournalFileBackend):
    """Optuna's journal file, which must stay the file that was opened: Optuna would begin a new one in silence."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path
        self._open()

    def _open(self) -> None:
        # Whoever deletes the file leaves us its content.
        self.opened = self.path.open("rb")
        # Kept by itself, since a journal can be read after it was closed.
        self._identity = os.fstat(self.opened.fileno())

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append, if the file is still the one that was opened."""
        self._check()
        super().append_logs(logs)

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Read, if the file is still the one that was opened."""
        self._check()
        return super().read_logs(log_number_from)

    def _check(self) -> None:
        if not self.is_there():
            raise JournalGone(f"{self.path} was deleted or replaced while the sweep ran")

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
            os.link(copy, self.path)
        except FileExistsError:
            raise FileExistsError(f"{self.path} is another one by now; this sweep's is in {copy}") from None
        copy.unlink()
        self.opened.close()
        self._open()


def cut_torn_line(path: Path) -> None:
    """Cut a journal back to its last whole line; after a torn one Optuna could append but never read again."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)

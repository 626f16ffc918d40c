"""Removing a sweep: what is said first, what is refused, and the order in which it goes."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

from sweeps.core.errors import BadInput, in_one_line, path_of
from sweeps.core.files import LEDGER
from sweeps.core.formatting import megabytes
from sweeps.core.provenance import without_password
from sweeps.store.journal import JOURNAL, LOCK, Journal
from sweeps.tracking import location, sweep_run
from sweeps.tracking.removal import RunsOfSweep
from sweeps.views.files import FILES
from sweeps.views.report_page import HTML, MARKDOWN, PLOTS

# What a sweep writes into its folder. Behind such a name, what is being written has the number of a process.
OURS = (JOURNAL, LOCK, *FILES, HTML, MARKDOWN, PLOTS)
_OURS = re.compile(rf"({'|'.join(map(re.escape, OURS))})(\.\d+(\.tmp)?)?")


def remove(given: str, *, tracking_uri: str | None, is_agreed: bool) -> int:
    """Remove a sweep's folder and its runs in MLflow, asking first unless it is agreed; returns the exit code.

    The runs go first: without the journal nobody could find them.

    Raises:
        BadInput: It is no sweep's folder, has more in it, or the sweep runs; or MLflow does not answer. Nothing is
            removed then.
    """
    folder = _checked(given)
    journal = Journal(folder, write=True)
    try:
        stores = _stores(journal, tracking_uri)
        for line in _what_goes(folder, stores):
            print(line)
        if not is_agreed and not _agrees():
            print("Nothing was removed.")
            return 1
        try:
            for runs in stores.values():
                if runs is not None:
                    runs.delete()
            _remove_folder(folder)
        except Exception as error:
            # MLflow has errors of its own kinds.
            print(f"remove: not all could be removed ({in_one_line(error)}); type it again.", file=sys.stderr)
            return 1
    finally:
        journal.close()
    print("Removed.")
    for uri, runs in stores.items():
        if runs is not None:
            print(f"{_gc_command(uri)} frees the space that deleted runs take in MLflow.")
    return 0


def _gc_command(uri: str) -> str:
    """What frees the space of deleted runs."""
    if not uri.startswith("sqlite"):
        return "mlflow gc, at the server,"
    store = shlex.quote(uri)
    # Of the two MLflow takes neither from the other, and refuses to begin without a tracking URI.
    return f"mlflow gc --backend-store-uri {store} --tracking-uri {store}"


def _checked(given: str) -> Path:
    """The folder, if it is a sweep's and nothing else.

    Raises:
        BadInput: It is not.
    """
    folder = path_of(given)
    if folder.is_symlink():
        raise BadInput(f"Expected the folder of a sweep itself; {folder} is a link to {folder.resolve()}. Give that.")
    folder = folder.resolve()
    # Reading refuses what is no journal of a sweep; opening it to write, one that another process writes.
    Journal(folder, write=False)
    others = sorted(path.name for path in folder.iterdir() if not _OURS.fullmatch(path.name))
    if others:
        raise BadInput(
            f"Expected nothing in {folder} but what a sweep writes; there is {', '.join(others)} too. "
            "Move it elsewhere."
        )
    return folder


def _stores(journal: Journal, given: str | None) -> dict[str, RunsOfSweep | None]:
    """The sweep's runs by MLflow's address; None where there is no database any more, or none seen from here.

    Raises:
        BadInput: MLflow cannot be used there.
    """
    if not journal.has_begun:
        return {}
    experiment = sweep_run.experiment_of(journal.spec.challenge)
    found: dict[str, RunsOfSweep | None] = {}
    for uri in [given] if given else dict.fromkeys(start.tracking_uri for start in journal.starts):
        if not _is_gone(uri):
            found[uri] = _runs(uri, experiment, journal.id)
            continue
        # Results that were moved with their database have it here, where they are removed from.
        moved = f"sqlite:///{location.sqlite_path(uri).name}"
        if not given and not _is_gone(moved) and (runs := _runs(moved, experiment, journal.id)).ids:
            found[moved] = runs
        else:
            found[uri] = None
    return found


def _is_gone(uri: str) -> bool:
    return uri.startswith("sqlite:///") and not location.sqlite_path(uri).exists()


def _runs(uri: str, experiment: str, journal_id: str) -> RunsOfSweep:
    """The sweep's runs in one MLflow.

    Raises:
        BadInput: It cannot be used.
    """
    location.check_uri(uri)
    try:
        return RunsOfSweep(uri, experiment, journal_id)
    except Exception as error:
        raise BadInput(
            f"Expected an MLflow that answers at {without_password(uri)}; got {in_one_line(error)}. "
            "Nothing was removed."
        ) from None


def _what_goes(folder: Path, stores: dict[str, RunsOfSweep | None]) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = megabytes(sum(path.stat().st_size for path in files))
    lines = [f"This removes the folder {folder} ({len(files)} files, {size})"]
    for uri, runs in stores.items():
        shown = without_password(uri)
        if runs is None:
            lines.append(
                f"  but no run in MLflow at {shown}: there is no such database here (--tracking-uri names one)"
            )
        else:
            lines.append(f"  and {len(runs.ids)} runs in MLflow at {shown}")
    return [*lines, f"What it computed of images for other sweeps too, and {LEDGER}, stay."]


def _remove_folder(folder: Path) -> None:
    """Remove it, the journal last: until then the command can be typed again. Its lock is held all the time."""
    for path in sorted(folder.iterdir(), key=lambda each: each.name.startswith((JOURNAL, LOCK))):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    folder.rmdir()


def _agrees() -> bool:
    if not sys.stdin.isatty():
        raise BadInput("Expected --yes, since nobody can be asked here.")
    try:
        return input("Remove it? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False

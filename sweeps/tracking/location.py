"""Where MLflow keeps a sweep: its address, checked without the seconds that importing MLflow takes."""

from __future__ import annotations

import os
import socket
import sqlite3
import urllib.parse
from pathlib import Path

from sweeps.core.errors import BadInput
from sweeps.core.provenance import without_password

DEFAULT_URI = "sqlite:///mlflow.db"


def resolve_uri(option: str | None) -> str:
    """The tracking URI: as given, else from the environment, else MLflow's own default."""
    return option or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def check_uri(uri: str) -> None:
    """Refuse a store or server that cannot be used.

    Raises:
        BadInput: It is no such address, nothing answers there, or the database cannot be written.
    """
    try:
        parts = urllib.parse.urlsplit(uri)
        if not uri.isprintable():
            # urlsplit would leave some such characters out, which MLflow does not.
            raise ValueError("not printable")
    except ValueError as error:
        raise BadInput(
            f"Expected --tracking-uri as sqlite:///FILE or http(s)://HOST:PORT; got {uri!r} ({error})."
        ) from None
    if parts.scheme in ("http", "https"):
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), timeout=3).close()
        except (OSError, ValueError, OverflowError) as error:
            raise BadInput(
                f"Expected an MLflow server at --tracking-uri {without_password(uri)}; nothing answers there "
                f"({error}). Start it, or omit the option to write to mlflow.db."
            ) from None
    elif parts.scheme == "sqlite":
        path = sqlite_path(uri)
        try:
            if "%" in uri or "?" in uri or uri.endswith(":memory:"):
                raise OSError("a name by which MLflow means another file or none")
            if path.exists() and not path.is_file():
                raise OSError("a folder or a device")
            if path.exists():
                with sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=5) as database:
                    database.execute("select name from sqlite_master limit 1").fetchall()
            if not os.access(path if path.exists() else path.parent, os.W_OK):
                raise OSError("no permission to write")
        except (OSError, sqlite3.Error) as error:
            raise BadInput(f"Expected a writable MLflow database at --tracking-uri {uri}; got {error}.") from None
    else:
        raise BadInput(
            f"Expected --tracking-uri as sqlite:///FILE or http(s)://HOST:PORT; got {uri!r}. MLflow 3 keeps runs in a "
            "database or on a server."
        )


def sqlite_path(uri: str) -> Path:
    """The file of a database."""
    return Path(uri.removeprefix("sqlite:///")).absolute()


def as_opened(uri: str) -> str:
    """The same with the whole path of a database, since MLflow keeps what it has opened by its address in a process."""
    return f"sqlite:///{sqlite_path(uri)}" if uri.startswith("sqlite:///") else uri


def ui_command(uri: str) -> str:
    """What shows a database in a browser; a server shows itself."""
    if uri.startswith("http"):
        return f"open {without_password(uri)}"
    return "mlflow ui" if uri == DEFAULT_URI else f"mlflow ui --backend-store-uri {uri}"

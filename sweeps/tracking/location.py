"""Where MLflow keeps a sweep: its address, checked without the seconds that importing MLflow takes."""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import importlib.util
import os
import re
import shlex
import socket
import sqlite3
import ssl
import urllib.parse
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from sweeps.core.environment import LOOPBACK
from sweeps.core.errors import BadInput, first_line
from sweeps.core.provenance import without_password

DEFAULT_URI = "sqlite:///mlflow.db"
# Where `mlflow ui` serves by default.
UI_PORT = 5000
# As long as a server is given to answer before anything starts.
ANSWER_SECONDS = 3.0


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
        _check_server(uri, parts)
    elif parts.scheme == "sqlite":
        _check_database(uri)
    else:
        raise BadInput(
            f"Expected --tracking-uri as sqlite:///FILE or http(s)://HOST:PORT; got {uri!r}. MLflow 3 keeps runs in a "
            "database or on a server."
        )


def _check_server(uri: str, parts: urllib.parse.SplitResult) -> None:
    shown, proxy = without_password(uri), _proxy(parts)
    try:
        if proxy:
            _ask_through(proxy, parts.scheme, shown)
        else:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), timeout=ANSWER_SECONDS).close()
    except (OSError, ValueError, OverflowError, HTTPException) as error:
        if proxy:
            raise BadInput(
                f"Expected an MLflow server at --tracking-uri {shown}; nothing answers there through the proxy of this "
                f"environment, {without_password(proxy)} ({first_line(error)}). Start it, or add {parts.hostname} to "
                "NO_PROXY if it is reached without one."
            ) from None
        raise BadInput(
            f"Expected an MLflow server at --tracking-uri {shown}; nothing answers there "
            f"({error}). Start it, or omit the option to write to mlflow.db."
        ) from None


def _proxy(parts: urllib.parse.SplitResult) -> str | None:
    """The proxy by which MLflow reaches that server, if it does; `spare_loopback` has seen to this machine."""
    found = urllib.request.getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or not parts.hostname or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    # Of other kinds only MLflow's client knows how to use them.
    return proxy if urllib.parse.urlsplit(proxy).scheme == "http" else None


def _ask_through(proxy: str, scheme: str, uri: str) -> None:
    """Ask the server how it is, as MLflow would reach it.

    Raises:
        OSError: The proxy does not answer, or says that it cannot reach the server.
    """
    # Whether certificates are right is for MLflow to say, which has variables of its own for them.
    tls = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({scheme: proxy}), tls)
    try:
        opener.open(f"{uri.rstrip('/')}/health", timeout=ANSWER_SECONDS).close()
    except HTTPError as error:
        with error:
            # A server that wants a password, or has no such page, is there.
            if error.code in (407, 502, 503, 504):
                raise


def _check_database(uri: str) -> None:
    if not uri.startswith("sqlite:///"):
        raise BadInput(
            f"Expected --tracking-uri as sqlite:///FILE, with three slashes before the file's path; got {uri!r}."
        )
    path = sqlite_path(uri)
    versions: set[str] = set()
    try:
        if "%" in str(path) or "?" in str(path) or uri.endswith(":memory:"):
            raise OSError(f"{path}, a name by which MLflow means another file or none")
        if path.exists() and not path.is_file():
            raise OSError("a folder or a device")
        if path.exists():
            with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=5)) as database:
                versions = _versions(database)
        if not path.parent.is_dir():
            raise OSError(f"no folder {path.parent}, which must be there first")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise OSError("no permission to write")
    except (OSError, sqlite3.Error) as error:
        raise BadInput(f"Expected a writable MLflow database at --tracking-uri {uri}; got {error}.") from None
    _check_version(uri, versions)


def _versions(database: sqlite3.Connection) -> set[str]:
    """What the database says of its version; nothing if MLflow is still to make its tables."""
    tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    if "alembic_version" not in tables:
        return {"none"} if "experiments" in tables else set()
    return {str(version) for (version,) in database.execute("select version_num from alembic_version")}


def _check_version(uri: str, found: set[str]) -> None:
    """Refuse a database of another version than the installed MLflow's; MLflow itself does so at its first call.

    Raises:
        BadInput: It is one; the message says which of the two is older.
    """
    before = _versions_of_mlflow()
    newest = before.keys() - before.values()
    if not before or not found or found == newest:
        return
    (version,), installed = sorted(found)[:1], importlib.metadata.version("mlflow")
    wanted = f"Expected a database of MLflow {installed} at --tracking-uri {uri}"
    if version == "none":
        raise BadInput(f"{wanted}; got one without a version, half made by an MLflow that was stopped. Give another.")
    if version in before:
        raise BadInput(
            f"{wanted}; the database is older (version {version}). Copy it, then bring it up to date: "
            f"mlflow db upgrade {shlex.quote(uri)}"
        )
    raise BadInput(
        f"{wanted}; this MLflow is older than the database (version {version}, which it does not know). Give another "
        "database, or serve this one with the MLflow that wrote it (mlflow server) and give the server's address."
    )


def _versions_of_mlflow() -> dict[str, str]:
    """Each version of a database that the installed MLflow knows, and the one before it; nothing if it has none.

    They stand in the files by which it brings databases up to date. Importing MLflow to ask it would take seconds.
    """
    where = importlib.util.find_spec("mlflow")
    found: dict[str, str] = {}
    for folder in (where.submodule_search_locations or ()) if where else ():
        for path in Path(folder, "store", "db_migrations", "versions").glob("*.py"):
            text = path.read_text(encoding="utf-8")
            of_file = dict(re.findall(r'^(revision|down_revision) = "?(\w+)"?', text, re.MULTILINE))
            if len(of_file) == 2:
                found[of_file["revision"]] = of_file["down_revision"]
    return found


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
    return "mlflow ui" if uri == DEFAULT_URI else f"mlflow ui --backend-store-uri {shlex.quote(uri)}"


def ssh_tunnel(uri: str) -> str | None:
    """What brings the page to the screen of a person who is here by SSH, typed at their end; None if nothing must."""
    # The client's address and port, and ours as the client knows them.
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return None
    port = UI_PORT
    if uri.startswith("http"):
        parts = urllib.parse.urlsplit(uri)
        if parts.hostname not in LOOPBACK:
            return None
        port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        user = f"{getpass.getuser()}@"
    except (KeyError, OSError):
        # A container may run under a number without a name.
        user = ""
    *_, host, ssh_port = connection
    return f"ssh -L {port}:localhost:{port} {f'-p {ssh_port} ' if ssh_port != '22' else ''}{user}{host}"

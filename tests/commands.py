"""Whole commands as a person starts them, in processes of their own; or in the test's, which has imported all."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib
import io
import os
import pty
import secrets
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from unittest import mock

import psutil

ROOT = Path(__file__).resolve().parent.parent


# A process of its own has the token of its home.
NOT_HANDED_ON = ("MLFLOW_TRACKING_URI", "MEDMNIST_ROOT", "RAY_AUTH_TOKEN")


def environment(home):
    kept = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
    return kept | {"HOME": str(home), "TORCH_HOME": str(home), "COLUMNS": "200"}


# Ray reads its token once in a process, from its home, but the homes of `run_here` differ: so the tests have one.
TOKEN = {"RAY_AUTH_TOKEN": secrets.token_hex(32)}


@functools.cache
def empty_database():
    """MLflow's database without a run, which takes seconds to make."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path = Path(tempfile.mkdtemp()) / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", str(path.with_name("mlruns")))
    return path


def command(script, *arguments):
    return [sys.executable, str(ROOT / "sweeps" / f"{script}.py"), *map(str, arguments)]


def run(folder, script, *arguments):
    return subprocess.run(
        command(script, *arguments), cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=600
    )


def run_here(folder, script, *arguments):
    """The same without a process of its own, which takes seconds to import everything: for what is not about it."""
    printed, complaint = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment(folder) | TOKEN, clear=True),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(complaint),
    ):
        code = importlib.import_module(f"sweeps.{script}").main([str(each) for each in arguments])
    return subprocess.CompletedProcess(command(script, *arguments), code, printed.getvalue(), complaint.getvalue())


def start(folder, script, *arguments):
    return subprocess.Popen(
        command(script, *arguments),
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def terminal():
    """A new terminal: our end of it, its own, and the options of `Popen` for a process whose terminal it is."""
    ours, theirs = pty.openpty()
    own = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "start_new_session": True}
    return ours, theirs, own | {"preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)}


def wait_for(condition, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "It did not come to pass."
        time.sleep(0.03)


def wait_for_seeds(folder, count, name="sweep"):
    """Until the journal of a running sweep holds so many."""
    path = folder / "results" / name / "study.journal"
    wait_for(lambda: path.exists() and path.read_bytes().count(b'"seed:') >= count)


def title(process):
    """What a process calls itself; nothing once it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def workers_below(pid):
    """The processes below this one that train or compute features for a sweep."""
    below = psutil.Process(pid).children(recursive=True)
    return [each for each in below if title(each).startswith(("ray::SeedTrainable", "ray::_Inner", "ray::_extract"))]

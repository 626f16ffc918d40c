"""Whole commands as a person starts them, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment(home):
    kept = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "MEDMNIST_ROOT")}
    return kept | {"HOME": str(home), "TORCH_HOME": str(home), "COLUMNS": "200"}


def command(script, *arguments):
    return [sys.executable, str(ROOT / "sweeps" / f"{script}.py"), *map(str, arguments)]


def run(folder, script, *arguments):
    return subprocess.run(
        command(script, *arguments), cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300
    )


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


def wait_for_seeds(folder, count, name="sweep"):
    """Until the journal of a running sweep holds so many."""
    path = folder / "results" / name / "study.journal"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b'"seed:') >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"no {count} seeds within two minutes")

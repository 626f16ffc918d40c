"""Where a sweep's numbers come from: command, commit, versions, processor and user of a start."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shlex
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from trainables.parts.processors import processor

DISTRIBUTIONS = (
    "ray",
    "optuna",
    "mlflow",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pillow",
    "scikit-image",
    "scikit-learn",
)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the numbers of one start come from; the fields are as in `Start`."""

    time_ms: int
    command: str
    git_revision: str
    versions: dict[str, str]
    processor: str


def of_this_start() -> Provenance:
    """That of this process, now."""
    return Provenance(
        time_ms=time.time_ns() // 1_000_000,
        # Others see it, in MLflow and in the report, so without the passwords of addresses.
        command=re.sub(r"://[^/\s]*@", "://", shlex.join(["python", *sys.argv])),
        git_revision=git_revision(),
        versions={"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in DISTRIBUTIONS},
        processor=processor(),
    )


def without_password(uri: str) -> str:
    """The URI as others may see it: without user name and password."""
    parts = urllib.parse.urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri


def git_revision() -> str:
    """The commit of the code that runs, with a mark if it was changed since; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()

"""Where a sweep's numbers come from: command, commit, versions, processor and user of a start."""

from __future__ import annotations

import getpass
import importlib.metadata
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

DISTRIBUTIONS = ("ray", "optuna", "mlflow", "torch", "torchvision", "numpy", "scikit-learn")
# The sets of instructions for which PyTorch and NumPy have arithmetic of their own.
VECTORS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "neon", "sve", "bf16")


def of_this_start() -> dict[str, Any]:
    """What the record keeps of each start, besides what was asked for."""
    return {
        "time_ms": time.time_ns() // 1_000_000,
        # Others see it, in MLflow and in the report, so without the passwords of addresses.
        "command": re.sub(r"://[^/\s]*@", "://", shlex.join(["python", *sys.argv])),
        "git_revision": git_revision(),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in DISTRIBUTIONS},
        "processor": processor(),
    }


def processor() -> str:
    """Name and vector instructions of this machine's processor, on which the last digits of numbers depend."""
    found = torch.cpu.get_capabilities()
    vectors = [name for name in VECTORS if found.get(name)]
    return " ".join([found.get("cpu_name") or platform.machine(), *vectors])


def git_revision() -> str:
    """The commit of the code that runs, with a mark if it was changed since; "unknown" outside a checkout."""
    here = Path(__file__).resolve().parent.parent
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


def mlflow_tags(start: Mapping[str, Any]) -> dict[str, str]:
    """MLflow's own tags for where a run comes from, which its tables show."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number without a name.
        user = "unknown"
    return {
        "mlflow.source.name": start["command"],
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": start["git_revision"],
        "mlflow.user": user,
    }

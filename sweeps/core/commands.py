"""Commands that a person is told to type."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def command(script: str) -> str:
    """How a person starts a script of `sweeps`: as this process was, by the installed command or from the checkout."""
    return f"seedsweep {script}" if Path(sys.argv[0]).stem == "seedsweep" else f"python sweeps/{script}.py"


def export_command(folder: Path) -> str:
    """The command that keeps the sweep's winner as a model."""
    return f"{command('export')} {shlex.quote(str(folder))}"


def rerun_command(folder: Path, approach: str, trial: int, seed: int, shots: int | None = None) -> str:
    """The command that trains one seed of one configuration again, where `shots` are given with other ones."""
    more = "" if shots is None else f" --shots {shots}"
    return f"{command('rerun')} {shlex.quote(str(folder))} --approach {approach} --trial {trial} --seed {seed}{more}"

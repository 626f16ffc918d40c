"""Commands that a person is told to type."""

from __future__ import annotations

import shlex
from pathlib import Path


def export_command(folder: Path) -> str:
    """The command that keeps the sweep's winner as a model."""
    return f"python sweeps/export.py {shlex.quote(str(folder))}"


def rerun_command(folder: Path, approach: str, trial: int, seed: int, shots: int | None = None) -> str:
    """The command that trains one seed of one configuration again, where `shots` are given with other ones."""
    more = "" if shots is None else f" --shots {shots}"
    return (
        f"python sweeps/rerun.py {shlex.quote(str(folder))} --approach {approach} --trial {trial} --seed {seed}{more}"
    )

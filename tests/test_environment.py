"""What is set for Ray in the environment is still read by the Ray that is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps.core.environment import set_defaults
from sweeps.engine import environment

ROOT = Path(__file__).resolve().parent.parent
EVERY_VARIABLE = [*environment.READ_AT_IMPORT, *environment.READ_AT_START]


@pytest.mark.parametrize("variable", EVERY_VARIABLE, ids=lambda variable: variable.name)
def test_ray_still_reads_it(variable):
    where = importlib.util.find_spec(variable.read_in)
    is_read = where is not None and f'"{variable.name}"' in Path(where.origin).read_text()
    assert is_read, f"Ray's {variable.read_in} reads {variable.name} no more; see whether it is still needed."


def test_what_a_person_has_set_stays(monkeypatch):
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "0")
    monkeypatch.delenv("TUNE_GLOBAL_CHECKPOINT_S", raising=False)
    set_defaults(environment.READ_AT_START)
    assert (os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"], os.environ["TUNE_GLOBAL_CHECKPOINT_S"]) == ("0", "3600")


@pytest.mark.slow
def test_a_command_sets_what_ray_reads_when_it_is_imported():
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    code = "import sweeps.challenge2, ray._private.ray_constants as found; print(found.RAY_DEDUP_LOGS_SKIP_REGEX)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=120)
    assert told.stdout == ".*\n", told.stderr

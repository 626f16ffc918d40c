"""The variables that are set for MLflow: each is still read, and none overrules a person."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from sweeps.core.environment import set_defaults
from sweeps.tracking.environment import VARIABLES


@pytest.mark.parametrize("variable", VARIABLES, ids=[variable.name for variable in VARIABLES])
def test_the_installed_package_still_knows_the_variable(variable):
    """If this fails, a new version reads another variable or none: change the table."""
    (folder,) = find_spec(variable.read_in).submodule_search_locations
    sources = sorted(Path(folder).rglob("*.py"), key=lambda path: path.name != "environment_variables.py")
    assert any(variable.name in path.read_text(encoding="utf-8") for path in sources)


def test_what_a_person_has_set_stays(monkeypatch):
    first, second, *_ = (variable.name for variable in VARIABLES)
    monkeypatch.setenv(first, "DEBUG")
    monkeypatch.delenv(second, raising=False)
    set_defaults(VARIABLES)
    assert os.environ[first] == "DEBUG"
    assert os.environ[second] == VARIABLES[1].value

"""pyproject.toml says what is true, and `pip install .` brings everything that the commands need."""

from __future__ import annotations

import ast
import importlib
import re
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from sweeps.console_scripts import COMMANDS, seedsweep
from sweeps.core.interrupts import importing

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(TEXT)["project"]
PACKAGES = ("sweeps", "trainables", "search_spaces")
# What a file calls where it does not import the library itself.
CALLS = {"pyarrow": "to_parquet", "setuptools": "setuptools.build_meta"}
PROVIDERS = packages_distributions()


def explained() -> dict[str, list[str]]:
    """The files and folders that the comment above a dependency names, by the dependency."""
    found: dict[str, list[str]] = {}
    comment = ""
    for line in TEXT.splitlines():
        text = line.strip()
        if text.startswith("#"):
            comment += text
        elif re.fullmatch(r'"[\w\[\]-]+[<>=].*",', text):
            found[Requirement(ast.literal_eval(text.rstrip(","))).name] = re.findall(
                rf"(?:{'|'.join(PACKAGES)}|tests)/[\w/]*(?:\.py)?", comment
            )
            comment = ""
        else:
            comment = ""
    return found


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            found |= {part.value.split(".")[0] for part in node.args if isinstance(part, ast.Constant)}
    return found


def modules_of(distribution: str) -> set[str]:
    """The modules that a distribution brings."""
    return {
        module
        for module, distributions in PROVIDERS.items()
        if distribution.lower() in (each.lower() for each in distributions)
    }


def test_every_dependency_says_who_needs_it():
    wanted = {Requirement(text).name for text in PROJECT["dependencies"]}
    told = explained()
    assert wanted <= set(told)
    assert not [name for name in wanted if not told[name]]


@pytest.mark.parametrize(
    ("distribution", "path"), [(name, path) for name, paths in explained().items() for path in paths]
)
def test_the_files_that_are_named_use_the_dependency(distribution, path):
    files = sorted((ROOT / path).rglob("*.py")) if path.endswith("/") else [ROOT / path]
    assert files
    if distribution in CALLS:
        assert any(CALLS[distribution] in file.read_text() for file in files)
    else:
        assert any(imported(file) & modules_of(distribution) for file in files)


def test_one_installed_command_has_every_script(capsys):
    assert PROJECT["scripts"] == {"seedsweep": "sweeps.console_scripts:seedsweep"}
    assert set(COMMANDS) == {path.stem for path in ROOT.glob("sweeps/*.py")} - {"__init__", "console_scripts"}
    with importing():
        assert seedsweep(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command}" in shown for command in COMMANDS)
    for command in COMMANDS:
        assert callable(importlib.import_module(f"sweeps.{command}").main)


def test_the_installed_command_is_the_script(capsys):
    with importing():
        assert seedsweep(["challenge1", "--shots", "none"]) == 2
        assert capsys.readouterr().err.startswith("challenge1: ")
        assert seedsweep(["chalenge1"]) == 2
    assert "expected one of the commands challenge1, " in capsys.readouterr().err


TOLD_OF_TORCH = """
import sys

class Tell:
    def find_spec(self, name, *more):
        if name == "torch":
            print("here", flush=True)

sys.meta_path.insert(0, Tell())
from sweeps.console_scripts import seedsweep

seedsweep()
"""


def test_ctrl_c_while_an_installed_command_imports_its_libraries_shows_no_traceback(tmp_path):
    command = subprocess.Popen(
        [sys.executable, "-c", TOLD_OF_TORCH, "challenge1", "--dry-run", "--dataset", "phantom", "--approaches", "cnn"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert command.stdout.readline() == "here\n"
    time.sleep(0.1)
    command.send_signal(signal.SIGINT)
    printed, complaint = command.communicate(timeout=60)
    assert command.returncode == 130
    assert "Traceback" not in printed + complaint


@pytest.mark.slow
def test_the_wheel_has_every_module_and_template(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for kind in ("*.py", "*.jinja")
        for path in ROOT.glob(f"{package}/**/{kind}")
    }
    for name in wanted:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    build = "from setuptools.build_meta import build_wheel; import sys; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not name.split("/")[0].endswith(".dist-info")}
    assert packed == wanted

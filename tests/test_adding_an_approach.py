"""The README's example of an approach works: its files are written into a copy of the code, as a person would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from documentation import PAGES, ROOT, blocks

SECTION = PAGES["README.md"].partition("## Adding an approach\n")[2].partition("\n## ")[0]
LEARNER, SPACE, IMPORTS = blocks(SECTION, "python")
(ROW,) = re.findall(r"^    (Approach\(.*\),)$", SECTION, re.MULTILINE)
TRY_IT = """
import optuna
from sweeps.challenge1 import CHALLENGE, main
from trainables.parts.datasets import phantom_dataset
from trainables.parts.run_seed import run_seed

assert main(["--list"]) == 0
(approach,) = CHALLENGE.named(["brightness"])
trial = optuna.create_study().ask()
approach.suggest(trial)
(result,) = run_seed(approach.learner, trial.params, 1000, phantom_dataset().pixel_sets())
assert result.error is None, result.error
assert 0 <= result.accuracy <= 1
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """The code with the example in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for package in ("sweeps", "trainables", "search_spaces"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "trainables/brightness.py").write_text(LEARNER)
    (folder / "search_spaces/brightness.py").write_text(SPACE)
    path = folder / "sweeps/challenge1.py"
    text = path.read_text()
    for before, added in (
        ("CHALLENGE = ", f"{IMPORTS}\n"),
        ('        Approach(name="starter_cnn"', f"        {ROW}\n"),
    ):
        text = text.replace(f"\n{before}", f"\n{added}{before}", 1)
    path.write_text(text)
    return folder


@pytest.mark.slow
def test_it_is_listed_and_runs_a_seed(checkout):
    done = subprocess.run(
        [sys.executable, "-c", TRY_IT],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "\nbrightness: Calls the brighter images pneumonia." in done.stdout


def test_files_are_named_as_the_text_names_them():
    assert re.findall(r"`((?:trainables|search_spaces|sweeps)/\w+\.py)`", SECTION) == [
        "trainables/brightness.py",
        "search_spaces/brightness.py",
        "sweeps/challenge1.py",
    ]

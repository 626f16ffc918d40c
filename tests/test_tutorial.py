"""The tutorial from top to bottom: its commands as they stand there, and what they make."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from commands import ROOT, empty_database, environment

pytestmark = [pytest.mark.slow, pytest.mark.long]
TEXT = (ROOT / "docs/tutorial.md").read_text()
COMMANDS = re.findall(r"^```bash\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder that the commands ran in, and what each printed."""
    home = tmp_path_factory.mktemp("tutorial")
    # As in a checkout with its environment switched on.
    (home / "sweeps").symlink_to(ROOT / "sweeps")
    (home / "bin").mkdir()
    (home / "bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (home / "bin/python").chmod(0o755)
    shutil.copy(empty_database(), home / "mlflow.db")
    variables = environment(home) | {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    printed = []
    for command in COMMANDS:
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=home, env=variables, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        printed.append(ended.stdout)
    return home, printed


def test_the_answer_has_the_lines_that_are_shown(done):
    """The numbers may be other ones, of another processor."""
    _, printed = done
    whole = "\n".join(printed)
    for start in (
        "Seeds     each learns from 10 images",
        "Limit     120 images",
        "pixel_baseline * ",
        "starter_cnn    * ",
    ):
        assert f"\n{start}" in TEXT
        assert f"\n{start}" in whole
    assert "Another process, without this project, gives the same probabilities." in whole


def test_new_images_are_classified(done):
    home, _ = done
    table = pd.read_csv(home / "predictions.csv")
    assert len(table) == len(list((home / "new").iterdir()))
    truth = table["file"].str.extract(r"(three|eight)_")[0]
    assert (table["predicted"] == truth).mean() > 0.8
    assert (table[["probability_eight", "probability_three"]].sum(axis=1) - 1).abs().max() < 2e-6

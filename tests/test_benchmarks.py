"""The benchmarks start; what they measure is for a quiet machine, not for a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
WITH_IMAGES = [
    *("training", "stock_tune", "frozen_features", "search_worth", "calibration", "fresh_block"),
    *("unbalanced_shots", "transfer", "side_by_side", "random_weights", "wide_resnets"),
]
OF_THE_DRIVER = ["soak", "scaling"]
REPLAYED = ["racing", "search_lengths", "allocation", "surrogate_benchmark", "portfolio"]
# In one process, since each alone would take seconds to import the same libraries.
ASK_EACH = """
import contextlib, io, json, runpy, sys, traceback
from pathlib import Path

folder, *names = sys.argv[1:]
sys.path.insert(0, folder)
told = {}
for name in names:
    path = str(Path(folder, f"{name}.py"))
    sys.argv = [path, "--help"]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            runpy.run_path(path, run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        code = traceback.format_exc()
    told[name] = [code, printed.getvalue()]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told():
    """By benchmark, the exit code or what it raised, and what it says of itself."""
    asked = subprocess.run(
        [sys.executable, "-c", ASK_EACH, BENCHMARKS, *WITH_IMAGES, *OF_THE_DRIVER, *REPLAYED],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout.splitlines()[-1])


# An option that tells what each is about.
OPTIONS = {"--dataset": WITH_IMAGES, "--trials": OF_THE_DRIVER, "--table": REPLAYED}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "option"), [(name, option) for option, names in OPTIONS.items() for name in names])
def test_a_benchmark_says_what_it_works_on(told, name, option):
    code, text = told[name]
    assert code == 0
    assert option in text


@pytest.mark.long
def test_searches_are_replayed_in_processes_of_their_own():
    few = ["--approaches", "pixel_baseline", "--methods", "TPE", "--searches", "2"]
    ran = subprocess.run(
        [sys.executable, BENCHMARKS / "surrogate_benchmark.py", *few],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[0] for line in ran.stdout.splitlines()[-2:]] == ["random", "TPE"]

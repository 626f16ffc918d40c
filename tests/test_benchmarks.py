"""The benchmarks start; what they measure is for a quiet machine, not for a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["training", "stock_tune", "frozen_features", "racing", "search_worth", "calibration", "fresh_block"]
)
def test_benchmark_says_what_it_compares(name):
    told = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), "--help"], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    assert "--dataset" in told.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["soak", "scaling"])
def test_benchmark_of_the_driver_says_how_much_it_runs(name):
    told = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), "--help"], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stderr
    assert "--trials" in told.stdout

"""What MedMNIST has: its table of data sets, without the two seconds that importing medmnist itself takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any


def _info() -> dict[str, dict[str, Any]]:
    """`medmnist.INFO`, from the file that has it alone: the package imports PyTorch, scikit-learn and pandas."""
    package = importlib.util.find_spec("medmnist")
    assert package is not None
    assert package.origin is not None
    of_table = importlib.util.spec_from_file_location("medmnist_info", Path(package.origin).with_name("info.py"))
    assert of_table is not None
    assert of_table.loader is not None
    table = importlib.util.module_from_spec(of_table)
    of_table.loader.exec_module(table)
    found: dict[str, dict[str, Any]] = table.INFO
    return found


INFO = _info()
# The sets that can be asked for by name: flat images with one label each.
MEDMNIST = tuple(name for name, info in INFO.items() if not name.endswith("3d") and "multi-label" not in info["task"])

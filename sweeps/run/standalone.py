"""A model tried in a process of its own, which has the model's code and libraries and nothing of this project."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# The package that a model brings its own version of, and the folder of its files, which MLflow puts into `data`.
CODE, DATA = "trainables", "model"
# It prints what it found on its last line.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from trainables.parts import exported
found = exported.load(sys.argv[2]).predict(np.load(sys.argv[3]))
modules = sorted({name.partition(".")[0] for name in sys.modules})
print()
print(json.dumps({"probabilities": found.to_numpy().tolist(), "modules": modules, "code": exported.__file__}))
"""
# Distributions that a model's code may import, by the module.
DISTRIBUTIONS = {
    "cloudpickle": "cloudpickle",
    "numpy": "numpy",
    "pandas": "pandas",
    "PIL": "pillow",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "threadpoolctl": "threadpoolctl",
    "timm": "timm",
    "torch": "torch",
    "torchvision": "torchvision",
}


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What the other process found.

    Attributes:
        probabilities: float64 (N, K).
        requirements: What it needed, each with its version, as pip takes it; and MLflow.
    """

    probabilities: np.ndarray
    requirements: tuple[str, ...]


def predicted(model: Path, images: np.ndarray) -> Predicted:
    """What the model in a folder, its files in `model` and its code in `code`, says of images in another process.

    Raises:
        RuntimeError: It ends with an error.
    """
    with tempfile.TemporaryDirectory() as empty:
        np.save(model / "images.npy", images)
        places = [str((model / name).absolute()) for name in ("code", DATA, "images.npy")]
        # Isolated: neither the working directory nor PYTHONPATH is looked into.
        done = subprocess.run(
            [sys.executable, "-I", "-c", PROGRAM, *places], cwd=empty, capture_output=True, text=True, check=False
        )
        (model / "images.npy").unlink()
    if done.returncode:
        raise RuntimeError(f"the model cannot be used in another process: {done.stderr.strip().splitlines()[-1]}")
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["code"]).is_relative_to(places[0]), found["code"]
    needed = sorted({DISTRIBUTIONS[name] for name in found["modules"] if name in DISTRIBUTIONS} | {"mlflow"})
    return Predicted(probabilities=np.array(found["probabilities"]), requirements=tuple(map(pinned, needed)))


def pinned(distribution: str) -> str:
    """The installed version as a requirement; a part of it that only this machine's build has is left out."""
    return f"{distribution}=={importlib.metadata.version(distribution).partition('+')[0]}"

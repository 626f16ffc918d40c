"""What `ray job submit --working-dir .` sends from a checkout: the code, and nothing that is large."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import ray
from ray._private import ray_constants
from ray._private.runtime_env.packaging import create_package

from commands import ROOT
from documentation import PAGES

SENT = ["README.md", "sweeps/challenge2.py", "trainables/parts/networks.py", ".git/HEAD"]
LARGE = [
    "resnet18.pth",
    "weights/vgg11.pt",
    "weights/alexnet.safetensors",
    "weights/of-mine.ckpt",
    "images.npz",
    "data/pneumoniamnist.npz",
    "results/chest/study.journal",
    "mlflow.db",
    "mlflow.db-wal",
    "mlruns/1/meta.yaml",
    "mlartifacts/1/report.html",
    ".venv/bin/python",
    ".venv-3.13/bin/python",
    "venv/bin/python",
    "sweeps/__pycache__/challenge2.cpython-311.pyc",
    "build/lib/sweeps/challenge2.py",
    ".mypy_cache/3.11/cache.json",
]


def package(folder, target):
    """What Ray packs of the folder, as the docs have it send `.git` too."""
    create_package(str(folder), target, include_gitignore=True, excludes=[".venv"])
    with zipfile.ZipFile(target) as opened:
        return {name for name in opened.namelist() if not name.endswith("/")}


def checkout(folder, names):
    folder.mkdir()
    shutil.copy(ROOT / ".gitignore", folder)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_code_is_sent_and_images_weights_and_results_are_not(tmp_path):
    full = checkout(tmp_path / "full", SENT + LARGE)
    assert package(full, tmp_path / "full.zip") == {*SENT, ".gitignore"}


def test_nothing_that_is_committed_is_left_out():
    if not (ROOT / ".git").exists():
        return
    ignored = subprocess.run(
        ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ignored.stdout == ""


def test_the_limit_in_the_docs_is_ray_s():
    server = Path(ray.__file__).with_name("dashboard") / "http_server_head.py"
    assert "client_max_size=ray_constants.DASHBOARD_CLIENT_MAX_SIZE" in server.read_text()
    assert f"Ray takes {ray_constants.DASHBOARD_CLIENT_MAX_SIZE >> 20} MiB at most" in PAGES["docs/clusters.md"]

"""A whole sweep with pretrained backbones; in a file of its own, so that it runs beside test_sweep.py."""

from __future__ import annotations

import json

import pytest
import torch
from mlflow import MlflowClient

from commands import run_here
from made_weights import made_weights

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.usefixtures("with_database")]


def test_pretrained_backbones_from_features_to_the_same_seed_again(tmp_path):
    """One approach that may learn from other images too, one that looks at features and pixels, one on any backbone."""
    names = ["triplet", "vgg11_rnn_hidden", "timm_backbone"]
    chosen = ["--approaches", *names[:2], "--backbone", "test_vit"]
    # Each worker of each stage takes seconds to import what it trains.
    done = run_here(tmp_path, "challenge2", "--smoke", *chosen, "--name", "sweep", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "Weights   timm:test_vit: random (fingerprint " in done.stdout
    assert "frozen test_vit of timm, which has 6, at 96 and 144 px." in done.stdout
    assert "[PHANTOM IMAGES, RANDOM WEIGHTS, SMOKE RUN]" in done.stdout
    cheaper = "random weights see the smallest images, and no published setting on larger ones is tried: "
    assert f"{cheaper}triplet, vgg11_rnn_hidden (64 px); timm_backbone (96 px)\n" in done.stdout
    summary = json.loads((tmp_path / "results/sweep/summary.json").read_text())
    caveats = {"images": "phantom", "weights": "random", "smoke": "true"}
    assert summary["caveats"] == {**caveats, "other_images": "phantom"}
    runs = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"], "tags.role = 'trial'")
    found = {each.data.tags["approach"]: {key: each.data.tags.get(key) for key in summary["caveats"]} for each in runs}
    assert found == {
        "pixel_baseline": {**caveats, "weights": None, "other_images": None},
        "triplet": summary["caveats"],
        "vgg11_rnn_hidden": {**caveats, "other_images": None},
        "timm_backbone": {**caveats, "other_images": None},
    }
    resumed = run_here(tmp_path, "challenge2", "--resume", "sweep", "--num-samples", "3", "--workers", "1")
    assert resumed.returncode == 0, resumed.stderr
    assert "Features of" not in resumed.stdout
    torn = next((tmp_path / "results/features").glob("alexnet*"))
    torn.write_bytes(torn.read_bytes()[:-4])
    for name in names:
        again = run_here(tmp_path, "rerun", "results/sweep", "--approach", name, "--trial", "0", "--seed", "1000000")
        assert (again.returncode, again.stdout.count(" same\n")) == (0, 6)
    # What was random stays so.
    torch.save(dict(made_weights("alexnet")), tmp_path / "alexnet.pth")
    mixed = ["--approaches", "alexnet", "--weights", "alexnet.pth"]
    refused = run_here(tmp_path, "challenge2", "--resume", "sweep", *mixed)
    assert refused.returncode == 2
    assert "Expected the weights" in refused.stderr
    refused = run_here(tmp_path, "challenge2", "--resume", "sweep", "--backbone", "test_resnet")
    assert refused.returncode == 2
    assert "Expected the --backbone that this sweep began with (test_vit); got test_resnet." in refused.stderr

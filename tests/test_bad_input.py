"""Bad input to a whole command: one sentence, exit code 2, and nothing has started."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from sweeps.challenge1 import CHALLENGE as CHALLENGE1
from sweeps.challenge2 import CHALLENGE as CHALLENGE2
from sweeps.run.start import sweep as main

BAD = {
    "unknown approach": "--approaches resnet99",
    "no configurations": "--num-samples 0",
    "negative seeds": "--seeds -3",
    "not a number": "--workers two",
    "more workers than CPUs": "--workers 99999",
    "too many seeds": "--confirm-seeds 1001",
    "nothing to resume": "--resume nothing",
    "a name with a slash": "--name a/b",
    "both": "--name a --resume b",
    "no such file": "--dataset missing.npz",
    "no images": "--dataset notes.txt",
    "unknown option": "--epochs 5",
    "unusable time": "--time-budget soon",
    "no cluster": "--address 127.0.0.1:9",
    "no such weights": "--weights missing.pth",
    "no such other images": "--also breastmnist=missing.npz",
    "no other images": "--approaches triplet --also breastmnist=notes.txt",
    "not a database": "--tracking-uri sqlite:///notes.txt",
    "no such store": "--tracking-uri mlruns",
    "a file for a folder": "--results-dir notes.txt",
    "used name": "--name used",
    "a port that is none": "--tracking-uri http://host:abc",
    "a host that is none": "--tracking-uri http://a..b:80",
    "a cluster that is none": "--address a..b:6379",
    "too long a folder": f"--results-dir {'x' * 300}",
    "several labels an image": "--dataset chestmnist",
    "volumes": "--dataset organmnist3d",
    "more shots than images": "--shots 999 999 --dataset few.npz",
    "shots of other classes": "--shots 1 2 3",
    "a size that is none": "--size 30",
    "larger than it is": "--dataset few.npz --size 64",
    "nobody's home": "--dataset ~nobody-of-that-name/images.npz",
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_sentence_and_starts_nothing(tmp_path, arguments, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("ray.init", None)
    (tmp_path / "notes.txt").write_text("Only words.\n" * 100)
    few = np.arange(24 * 28 * 28, dtype=np.uint8).reshape(24, 28, 28)
    labels = np.arange(24) % 2
    np.savez("few.npz", train_images=few, train_labels=labels, test_images=few, test_labels=labels)
    (tmp_path / "results" / "used").mkdir(parents=True)
    (tmp_path / "results" / "used" / "mine.txt").write_text("Somebody's.\n")
    challenge = CHALLENGE2 if re.search("weights|also", arguments) else CHALLENGE1
    code = main(challenge, ["--dataset", "phantom", *shlex.split(arguments)])
    printed, complaint = capfd.readouterr()
    assert (code, printed) == (2, "")
    assert complaint.count("\n") == 1, complaint
    assert complaint.endswith(".\n")
    assert list(tmp_path.glob("results/*/*")) == [tmp_path / "results/used/mine.txt"]

"""What the tests of .npz files share: reading one, and its refusal in one sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sweeps.inputs.npz_files import read_npz
from trainables.parts.datasets import dataset_of, other_of


def load_npz(path, size_px=None, **more):
    return dataset_of(read_npz(path, size_px=size_px), **more)


def load_other(path):
    return other_of("breastmnist", read_npz(path, train_only=True))


def complaint_about(path, load=load_npz):
    with pytest.raises(ValueError, match=r"^Expected ") as caught:
        load(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    assert re.search("; got |; there is none|; NumPy gives|; unpacked they are", text)
    return text


def saved(tmp_path, arrays):
    np.savez(tmp_path / "images.npz", **arrays)
    return tmp_path / "images.npz"

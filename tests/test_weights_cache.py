"""ImageNet weights in torch's own cache: found, torn, fetched anew."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from email.message import Message

import pytest
import torch

from made_weights import made_weights
from refusals import refused
from sweeps.inputs.weights import find_weights
from trainables.parts.backbones import weights_fingerprint
from trainables.parts.torchvision_import import torchvision


@pytest.fixture
def torch_cache(tmp_path, monkeypatch):
    """Torch's own cache, with nothing in it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def published_alexnet(torch_cache, monkeypatch):
    """A file in torch's cache that is named after its own checksum, as the published ones are; and its address."""
    content = io.BytesIO()
    torch.save({**made_weights("alexnet"), "classifier.6.bias": torch.zeros(1000)}, content)
    path = torch_cache / f"alexnet-{hashlib.sha256(content.getvalue()).hexdigest()[:8]}.pth"
    path.write_bytes(content.getvalue())
    weights = torchvision.models.AlexNet_Weights.IMAGENET1K_V1
    elsewhere = dataclasses.replace(weights.value, url=f"https://nowhere.invalid/{path.name}")
    monkeypatch.setattr(weights, "_value_", elsewhere)
    return path


def test_imagenet_weights_are_found_in_torch_s_cache(published_alexnet):
    found, notice = find_weights("auto", ["alexnet"])
    assert notice is None
    assert found["alexnet"].source == "imagenet"
    assert found["alexnet"].fingerprint == weights_fingerprint(made_weights("alexnet"))


def test_a_file_in_torch_s_cache_that_is_not_the_published_one_is_not_called_imagenet(published_alexnet):
    with published_alexnet.open("ab") as file:
        file.write(b"more")
    text = refused(find_weights, "imagenet", ["alexnet"])
    assert f"{published_alexnet} is not the published file" in text
    found, notice = find_weights("auto", ["alexnet"])
    assert found["alexnet"].is_random
    assert str(published_alexnet) in notice


def test_a_torn_file_in_torch_s_cache_is_fetched_anew(published_alexnet, tmp_path, monkeypatch, capsys):
    whole = published_alexnet.read_bytes()
    (tmp_path / published_alexnet.name).write_bytes(whole)
    weights = torchvision.models.AlexNet_Weights.IMAGENET1K_V1
    there = dataclasses.replace(weights.value, url=(tmp_path / published_alexnet.name).as_uri())
    monkeypatch.setattr(weights, "_value_", there)
    published_alexnet.write_bytes(whole[: len(whole) // 3])
    found, notice = find_weights("auto", ["alexnet"])
    assert (found["alexnet"].source, notice) == ("imagenet", None)
    assert f"weights of alexnet anew, since {published_alexnet} is not the published file" in capsys.readouterr().err
    assert [path.read_bytes() for path in published_alexnet.parent.iterdir()] == [whole]


def test_one_torn_file_that_cannot_be_fetched_anew_costs_one_backbone(published_alexnet, monkeypatch):
    published_alexnet.write_bytes(published_alexnet.read_bytes()[: 1 << 10])
    found, notice = find_weights("auto", ["alexnet", "efficientnet_lite0"])
    assert {name: each.source for name, each in found.items()} == {
        "alexnet": "random",
        "efficientnet_lite0": "imagenet",
    }
    assert (
        f"of alexnet ({published_alexnet} is not the published file, by its checksum, and cannot be fetched" in notice
    )
    assert notice.count("efficientnet") == 0
    assert published_alexnet.stat().st_size == 1 << 10


def test_a_download_with_another_hash_is_not_used_and_not_kept(torch_cache, monkeypatch):
    class Answer(io.BytesIO):
        def info(self):
            return Message()

    monkeypatch.setattr(torch.hub, "urlopen", lambda request, **more: Answer(b"something else"))
    assert "invalid hash" in refused(find_weights, "imagenet", ["alexnet"])
    assert list(torch_cache.iterdir()) == []

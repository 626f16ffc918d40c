"""Weights that timm publishes, in the hub's cache or nowhere; and a person's own files of timm's networks."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import socket
import threading
import time
from email.message import Message

import pytest
import safetensors.torch
import torch
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

from refusals import refused
from sweeps.inputs import hub
from sweeps.inputs import weights as module
from sweeps.inputs.weights import find_weights, is_file
from trainables.parts import timm_models
from trainables.parts.backbones import random_backbone, weights_fingerprint
from trainables.parts.timm_models import Published

NAME, FULL_NAME = "timm:test_vit", "test_vit.r160_in1k"


@pytest.fixture(scope="module")
def state():
    """A state dict of the whole network, whose values no initialisation gives."""
    return {name: value + 0.25 for name, value in timm_models.build_whole("test_vit").state_dict().items()}


@pytest.fixture(autouse=True)
def caches(monkeypatch, tmp_path):
    """Empty caches, and no network."""

    def nobody(*arguments, **more):
        raise ConnectionRefusedError("nobody answers")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "get_hf_file_metadata", nobody)
    monkeypatch.setattr(torch.hub, "urlopen", nobody)
    return tmp_path


@pytest.fixture
def cached(caches, state):
    """The network's file in the hub's cache, as the hub's own library puts it there."""
    content = safetensors.torch.save(state)
    repository = caches / "hub" / f"models--timm--{FULL_NAME}"
    blob, revision = hashlib.sha256(content).hexdigest(), "0" * 40
    for folder in ("blobs", "refs", f"snapshots/{revision}"):
        (repository / folder).mkdir(parents=True)
    (repository / "blobs" / blob).write_bytes(content)
    (repository / "refs" / "main").write_text(revision)
    (repository / "snapshots" / revision / "model.safetensors").symlink_to(repository / "blobs" / blob)
    return repository / "blobs" / blob


def without_classifier(state):
    return {name: value for name, value in state.items() if not name.startswith("head.")}


def test_what_is_in_the_hub_s_cache_needs_no_connection_and_has_its_full_name(cached, state):
    found, notice = find_weights("auto", [NAME])
    assert notice is None
    assert found[NAME].source == f"timm:{FULL_NAME}"
    assert found[NAME].fingerprint == weights_fingerprint(without_classifier(state))
    assert not is_file(found[NAME].source)
    assert find_weights("imagenet", [NAME])[0][NAME].fingerprint == found[NAME].fingerprint


def test_a_file_in_the_hub_s_cache_that_is_not_what_the_hub_says_is_not_used(cached):
    cached.write_bytes(cached.read_bytes()[:-1] + b"x")
    text = refused(find_weights, "imagenet", [NAME])
    assert f"{cached} is not the published file, by its checksum, and cannot be fetched anew (" in text
    found, notice = find_weights("auto", [NAME])
    assert found[NAME].is_random
    assert NAME in notice


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub that has one file."""

    def do_GET(self):
        content = self.server.content
        self.send_response(200)
        for name, value in {
            "Content-Length": len(content),
            "X-Repo-Commit": "1" * 40,
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *arguments):
        pass


def test_a_torn_file_in_the_hub_s_cache_is_fetched_anew(cached, monkeypatch, capsys):
    whole = cached.read_bytes()
    cached.write_bytes(whole[: len(whole) // 3])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.content = whole
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        for ask in (get_hf_file_metadata, hf_hub_url, hf_hub_download):
            monkeypatch.setattr(hub, ask.__name__, functools.partial(ask, endpoint=address))
        found, notice = find_weights("auto", [NAME])
        server.shutdown()
    assert notice is None
    assert found[NAME].source == f"timm:{FULL_NAME}"
    assert cached.read_bytes() == whole
    assert f"weights of {FULL_NAME} anew, since {cached} is not the published file" in capsys.readouterr().err


def test_without_a_connection_a_network_is_random_and_the_hub_is_asked_once(monkeypatch):
    asked = []

    def silent(*arguments, **more):
        asked.append(arguments)
        raise TimeoutError("timed out")

    monkeypatch.setattr(hub, "get_hf_file_metadata", silent)
    found, notice = find_weights("auto", [NAME, "timm:resnet10t"])
    assert all(each.is_random for each in found.values())
    assert "of timm:test_vit, timm:resnet10t (the Hugging Face hub cannot be reached: timed out)." in notice
    assert len(asked) == 1


def test_what_is_in_a_cache_is_found_also_if_the_hub_is_silent(cached):
    found, notice = find_weights("auto", ["timm:resnet10t", NAME])
    assert {name: each.is_random for name, each in found.items()} == {"timm:resnet10t": True, NAME: False}
    assert "test_vit" not in notice


def test_one_library_s_server_that_is_silent_does_not_speak_for_the_other_s(monkeypatch):
    ours = module._imagenet_weights

    def imagenet_weights(name):
        return ours(name) if name == NAME else module._weights("imagenet", random_backbone(name).state_dict())

    monkeypatch.setattr(module, "_imagenet_weights", imagenet_weights)
    found, _ = find_weights("auto", [NAME, "alexnet"])
    assert found[NAME].is_random
    assert not found["alexnet"].is_random


@pytest.fixture
def address(monkeypatch):
    """The hub at a port of this machine where a server listens and never answers, and its own way to ask."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/file"
        monkeypatch.setattr(hub, "hf_hub_url", lambda *arguments: url)
        monkeypatch.setattr(hub, "DOWNLOAD_TIMEOUT_S", 0.5)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


@pytest.mark.parametrize("server", ["silent", "closed"])
def test_a_hub_that_does_not_answer_costs_one_wait(address, monkeypatch, server):
    from huggingface_hub import get_hf_file_metadata

    monkeypatch.setattr(hub, "get_hf_file_metadata", get_hf_file_metadata)
    if server == "closed":
        address.close()
    begin = time.monotonic()
    with pytest.raises(ConnectionError, match="the Hugging Face hub cannot be reached"):
        hub.published_file(timm_models.published("test_vit"))
    assert time.monotonic() - begin < 8


def test_what_timm_publishes_nowhere_is_said_so():
    assert "of timm:mixer_s32_224 (timm publishes no weights of it)." in refused(
        find_weights, "imagenet", ["timm:mixer_s32_224"]
    )


class Answer(io.BytesIO):
    def info(self):
        return Message()


@pytest.mark.parametrize("content", [b"as published", b"something else"])
def test_a_file_of_the_web_is_checked_by_its_name(monkeypatch, caches, content):
    published = Published(
        name="x", hub_id=None, url=f"https://nowhere.invalid/x-{hashlib.sha256(b'as published').hexdigest()[:8]}.pth"
    )
    monkeypatch.setattr(torch.hub, "urlopen", lambda request, **more: Answer(content))
    if content == b"as published":
        assert hub.published_file(published).read_bytes() == content
        assert hub.cached_file(published) == hub.published_file(published)
    else:
        with pytest.raises(RuntimeError, match="invalid hash"):
            hub.published_file(published)
        assert hub.cached_file(published) is None


class Hostile:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_code_in_a_published_pickle_is_not_executed(tmp_path, state):
    path, marker = tmp_path / "pytorch_model.bin", tmp_path / "executed"
    torch.save({**state, "extra": Hostile(str(marker))}, path)
    with pytest.raises(RuntimeError, match="weights_only=True blocked loading"):
        timm_models.state_from("test_vit", path)
    assert not marker.exists()
    torch.save(state, path)
    assert timm_models.state_from("test_vit", path).keys() == without_classifier(state).keys()


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_person_s_own_file_may_have_either_form(tmp_path, state, ending):
    path = tmp_path / f"test_vit{ending}"
    torch.save(state, path) if ending == ".pth" else safetensors.torch.save_file(state, path)
    for option in (str(path), str(tmp_path)):
        found, notice = find_weights(option, [NAME])
        assert notice is None
        assert found[NAME].source == str(path.resolve())
        assert is_file(found[NAME].source)
        assert found[NAME].fingerprint == weights_fingerprint(without_classifier(state))


def test_a_folder_that_lacks_files_is_refused_with_the_names_of_all(tmp_path, state):
    safetensors.torch.save_file(state, tmp_path / "test_vit.safetensors")
    text = refused(
        find_weights, str(tmp_path), ["efficientnet_lite0", NAME, "dinov2_small", "timm:resnet10t", "resnet18"]
    )
    assert (
        f"Expected the weights of dinov2_small, timm:resnet10t, resnet18 in {tmp_path} as dinov2_small.pth or "
        "dinov2_small.safetensors, resnet10t.pth or resnet10t.safetensors, resnet18.pth or resnet18.safetensors; there "
        "is no such file."
    ) in text


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\xff" * 16], ids=["empty", "text", "zip", "long"])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    (tmp_path / "test_vit.safetensors").write_bytes(content)
    assert "it cannot be read as one" in refused(find_weights, str(tmp_path / "test_vit.safetensors"), [NAME])


def test_safetensors_that_do_not_fit_or_are_no_numbers_are_refused(tmp_path, state):
    path = tmp_path / "test_vit.safetensors"
    safetensors.torch.save_file({**state, "norm.bias": torch.full((64,), float("nan"))}, path)
    assert "Expected finite weights of timm:test_vit" in refused(find_weights, str(path), [NAME])
    safetensors.torch.save_file({**state, "norm.bias": torch.zeros(65)}, path)
    assert "Expected norm.bias of shape (64,) for timm:test_vit" in refused(find_weights, str(path), [NAME])

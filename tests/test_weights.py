import functools
import os
from urllib.error import URLError

import numpy as np
import pytest
import torch

from made_weights import made_weights
from refusals import no_network, refused
from sweeps.inputs import weights as module
from sweeps.inputs.weights import find_weights
from trainables.parts.backbones import random_backbone, weights_fingerprint
from trainables.parts.torchvision_import import torchvision


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """An empty home, no network: nothing is found but what a test puts there."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "_imagenet_weights", no_network)


@pytest.fixture(scope="module")
def alexnet():
    return random_backbone("alexnet").state_dict()


@pytest.fixture(scope="module")
def users_state(alexnet):
    """A state dict of torchvision's form with values of its own; the classifier in it is of no use."""
    state = {name: tensor + 0.25 for name, tensor in alexnet.items()}
    return {**state, "classifier.6.bias": torch.zeros(1000)}


def saved(path, state):
    torch.save(state, path)
    return str(path)


def test_no_backbone_needs_no_weights():
    assert find_weights("imagenet", []) == ({}, None)


def test_random_weights_are_always_the_same():
    first, notice = find_weights("random", ["alexnet"])
    second, _ = find_weights("random", ["alexnet"])
    assert notice is None
    assert first["alexnet"].is_random
    assert first["alexnet"].fingerprint == second["alexnet"].fingerprint


def test_auto_falls_back_on_random_weights_and_says_so_loudly():
    found, notice = find_weights("auto", ["alexnet"])
    assert found["alexnet"].is_random
    assert "RANDOM WEIGHTS" in notice
    assert "no route to host" in notice
    assert "--weights" in notice


def test_imagenet_by_name_is_never_replaced():
    text = refused(find_weights, "imagenet", ["alexnet"])
    assert "no route to host" in text
    assert "--weights random" in text
    assert text.endswith(".")


@pytest.fixture
def alexnet_alone(monkeypatch, alexnet):
    """Weights that can be had of AlexNet, and of no other; with how often they were asked for."""
    asked = []

    def imagenet_weights(name):
        asked.append(name)
        return module._weights("imagenet", alexnet) if name == "alexnet" else no_network()

    monkeypatch.setattr(module, "_imagenet_weights", imagenet_weights)
    # VGGs take a second to initialise, and their values do not matter here.
    monkeypatch.setattr(module, "random_backbone", lambda name: random_backbone("alexnet"))
    return asked


def test_a_backbone_whose_weights_cannot_be_had_is_random_by_itself(alexnet_alone):
    found, notice = find_weights("auto", ["alexnet", "vgg11", "vgg16"])
    assert {name: each.source for name, each in found.items()} == {
        "alexnet": "imagenet",
        "vgg11": "random",
        "vgg16": "random",
    }
    assert "of vgg11, vgg16 (no route to host)." in notice
    assert "alexnet" not in notice


def test_a_refusal_names_those_that_cannot_be_had(alexnet_alone):
    text = refused(find_weights, "imagenet", ["alexnet", "vgg11", "vgg16"])
    assert "of vgg11, vgg16 (no route to host)." in text
    assert "alexnet" not in text


def test_each_reason_is_given_with_its_backbones():
    lacking = {"alexnet": "no", "resnet50": "torn", "vgg11": "no"}
    assert module._listed(lacking) == "alexnet, vgg11 (no); resnet50 (torn)"


def test_with_auto_every_backbone_keeps_what_it_had(alexnet_alone):
    had = {"alexnet": "random", "vgg11": "random"}
    found, notice = find_weights("auto", ["alexnet", "vgg11"], had)
    assert [each.source for each in found.values()] == ["random", "random"]
    assert (notice, alexnet_alone) == (None, [])
    # What was pretrained is never replaced, and what is new comes as it can be had.
    assert "of vgg11 (no route to host)." in refused(find_weights, "auto", ["vgg11"], {"vgg11": "imagenet"})
    assert find_weights("auto", ["alexnet"], {"vgg11": "random"})[0]["alexnet"].source == "imagenet"


def test_a_server_that_does_not_answer_is_asked_once(monkeypatch, tmp_path):
    asked = []

    def silent(name):
        asked.append(name)
        raise URLError("timed out")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(module, "_imagenet_weights", silent)
    assert "of alexnet, vgg11, vgg16 (<urlopen error timed out>)" in refused(
        find_weights, "imagenet", ["alexnet", "vgg11", "vgg16"]
    )
    assert asked == ["alexnet"]
    # What needs no download is still looked for.
    refused(find_weights, "imagenet", ["alexnet", "efficientnet_lite0", "vgg11"])
    assert asked[1:] == ["alexnet", "efficientnet_lite0"]


def test_file_is_taken_as_it_is(tmp_path, users_state):
    found, notice = find_weights(saved(tmp_path / "mine.pth", users_state), ["alexnet"])
    weights = found["alexnet"]
    assert notice is None
    assert not weights.is_random
    assert weights.source == str((tmp_path / "mine.pth").resolve())
    backbone = random_backbone("alexnet")
    backbone.load_state_dict(dict(weights.state))
    assert torch.equal(backbone.features[0].weight, users_state["features.0.weight"])
    assert weights.fingerprint == weights_fingerprint(backbone.state_dict())


def test_names_and_shapes_are_torchvision_s_own(tmp_path):
    with torch.device("meta"):
        published = torchvision.models.alexnet().state_dict()
    state = {name: torch.full(tensor.shape, 0.5) for name, tensor in published.items() if "features" in name}
    found, _ = find_weights(saved(tmp_path / "mine.pth", state), ["alexnet"])
    assert len(found["alexnet"].state) == len(state)
    assert all((tensor == 0.5).all() for tensor in found["alexnet"].state.values())


def test_folder_has_a_file_a_backbone(tmp_path, users_state):
    saved(tmp_path / "alexnet.pth", users_state)
    found, _ = find_weights(str(tmp_path), ["alexnet"])
    assert found["alexnet"].source == str((tmp_path / "alexnet.pth").resolve())
    assert "vgg11.pth" in refused(find_weights, str(tmp_path), ["alexnet", "vgg11"])


def test_one_file_is_not_enough_for_two_backbones(tmp_path, users_state):
    text = refused(find_weights, saved(tmp_path / "mine.pth", users_state), ["alexnet", "vgg11"])
    assert "folder" in text


def test_half_precision_is_brought_to_the_backbone_s(tmp_path, users_state):
    half = {name: tensor.half() for name, tensor in users_state.items()}
    found, _ = find_weights(saved(tmp_path / "mine.pth", half), ["alexnet"])
    assert {tensor.dtype for tensor in found["alexnet"].state.values()} == {torch.float32}


def test_parameters_are_taken_like_tensors(tmp_path, users_state):
    parameters = {name: torch.nn.Parameter(tensor) for name, tensor in users_state.items()}
    found, _ = find_weights(saved(tmp_path / "mine.pth", parameters), ["alexnet"])
    plain, _ = find_weights(saved(tmp_path / "plain.pth", users_state), ["alexnet"])
    assert found["alexnet"].fingerprint == plain["alexnet"].fingerprint


def test_missing_file(tmp_path):
    assert "there is no such file" in refused(find_weights, str(tmp_path / "no.pth"), ["alexnet"])


def test_wrong_shape(tmp_path, users_state):
    other = {**users_state, "features.3.weight": torch.zeros(192, 64, 3, 3)}
    text = refused(find_weights, saved(tmp_path / "mine.pth", other), ["alexnet"])
    assert "features.3.weight of shape (192, 64, 5, 5)" in text
    assert "got (192, 64, 3, 3)" in text


def test_missing_key(tmp_path, users_state):
    fewer = {name: tensor for name, tensor in users_state.items() if name != "features.10.bias"}
    text = refused(find_weights, saved(tmp_path / "mine.pth", fewer), ["alexnet"])
    assert "features.10.bias of shape (256,)" in text
    assert "got none" in text


@pytest.mark.parametrize(
    "content",
    [
        torch.zeros(3),
        [torch.zeros(3)],
        {"epoch": 3},
        {"state_dict": {"features.0.weight": torch.zeros(3)}},
        {0: torch.zeros(3)},
        {},
        None,
    ],
    ids=["tensor", "list", "numbers", "nested", "keys_that_are_no_names", "empty", "none"],
)
def test_not_a_state_dict(tmp_path, content):
    refused(find_weights, saved(tmp_path / "mine.pth", content), ["alexnet"])


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02"], ids=["empty", "text", "zip", "pickle"])
def test_file_of_another_kind(tmp_path, content):
    (tmp_path / "mine.pth").write_bytes(content)
    assert str(tmp_path) in refused(find_weights, str(tmp_path / "mine.pth"), ["alexnet"])


class Hostile:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("old_format", [False, True])
def test_a_hostile_pickle_is_not_executed(tmp_path, users_state, old_format):
    path, marker = tmp_path / "mine.pth", tmp_path / "executed"
    hostile = {**users_state, "extra": Hostile(str(marker))}
    torch.save(hostile, path, _use_new_zipfile_serialization=not old_format)
    refused(find_weights, str(path), ["alexnet"])
    assert not marker.exists()


def test_whole_network_is_refused(tmp_path):
    refused(find_weights, saved(tmp_path / "mine.pth", torch.nn.Linear(2, 2)), ["alexnet"])


def test_an_array_file_is_not_a_state_dict(tmp_path):
    np.savez(tmp_path / "mine.npz", weight=np.zeros(3))
    refused(find_weights, str(tmp_path / "mine.npz"), ["alexnet"])


@pytest.mark.parametrize("content", ["text", "network"])
def test_complaint_about_a_file_of_another_kind_is_a_plain_whole_sentence(tmp_path, content):
    path = tmp_path / "mine.pth"
    path.write_text("hello") if content == "text" else torch.save(torch.nn.Linear(2, 2), path)
    text = refused(find_weights, str(path), ["alexnet"])
    assert text.isprintable()
    assert text.endswith(".")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(tmp_path, users_state, value):
    broken = {**users_state, "features.8.bias": torch.full((256,), 0.5)}
    broken["features.8.bias"][7] = value
    text = refused(find_weights, saved(tmp_path / "mine.pth", broken), ["alexnet"])
    assert "Expected finite weights of alexnet" in text
    assert str(tmp_path / "mine.pth") in text


@pytest.mark.parametrize("change", ["sparse", "int8", "complex", "meta"])
def test_numbers_of_another_kind(tmp_path, users_state, change):
    value = users_state["features.0.weight"]
    changed = {
        "sparse": value.to_sparse,
        "int8": lambda: value.to(torch.int8),
        "complex": lambda: value.to(torch.complex64),
        "meta": lambda: value.to("meta"),
    }[change]()
    broken = {**users_state, "features.0.weight": changed}
    assert "features.0.weight of dense" in refused(find_weights, saved(tmp_path / "mine.pth", broken), ["alexnet"])


@pytest.mark.parametrize("backbone", ["vgg11_bn", "resnet50"])
@pytest.mark.parametrize("counted", [True, False], ids=["with_counts", "without_counts"])
def test_batchnorm_s_statistics_are_the_file_s_whether_it_counts_batches_or_not(tmp_path, backbone, counted):
    state = {**made_weights(backbone), "fc.bias": torch.zeros(1000), "classifier.6.bias": torch.zeros(1000)}
    for name in [name for name in state if name.endswith("num_batches_tracked")]:
        # Old files lack them; a number of batches is no value of the network.
        state[name] = torch.tensor(12345)
        if not counted:
            del state[name]
    found, notice = find_weights(saved(tmp_path / "mine.pth", state), [backbone])
    weights = found[backbone]
    assert notice is None
    assert weights.fingerprint == weights_fingerprint(made_weights(backbone))
    assert weights.state.keys() == made_weights(backbone).keys()
    assert all(torch.equal(value, weights.state[name]) for name, value in made_weights(backbone).items())


def test_batchnorm_s_statistics_must_be_there(tmp_path):
    fewer = {name: value for name, value in made_weights("vgg11_bn").items() if name != "features.1.running_var"}
    text = refused(find_weights, saved(tmp_path / "mine.pth", fewer), ["vgg11_bn"])
    assert "features.1.running_var of shape (64,) for vgg11_bn" in text


@pytest.fixture(scope="module")
def random_once():
    return functools.cache(random_backbone)


@pytest.fixture
def random_vgg11(monkeypatch, random_once):
    """VGG11 takes a second to initialise."""
    monkeypatch.setattr(module, "random_backbone", random_once)


@pytest.mark.parametrize("option", ["auto", "imagenet", "random", "folder", "file"])
def test_a_backbone_that_is_meant_to_be_random_is_so_whatever_is_asked_for(tmp_path, random_vgg11, option):
    given = {"folder": str(tmp_path), "file": saved(tmp_path / "vgg11_random.pth", {})}.get(option, option)
    found, notice = find_weights(given, ["vgg11_random"])
    assert notice is None
    assert found["vgg11_random"].source == "random"
    assert found["vgg11_random"].is_random


def test_one_file_is_enough_for_one_backbone_beside_the_one_that_is_meant_to_be_random(
    tmp_path, users_state, random_vgg11
):
    found, notice = find_weights(saved(tmp_path / "mine.pth", users_state), ["alexnet", "vgg11_random"])
    assert notice is None
    assert found["alexnet"].source == str((tmp_path / "mine.pth").resolve())
    assert found["vgg11_random"].source == "random"


def test_a_mistyped_path_of_weights_is_refused_also_where_none_is_needed(tmp_path):
    for backbones in ([], ["vgg11_random"]):
        assert "no such file or folder" in refused(find_weights, str(tmp_path / "no.pth"), backbones)


def test_the_home_of_an_unknown_user_is_bad_input_for_weights():
    refused(find_weights, "~no-such-user/x.pth", ["alexnet"])

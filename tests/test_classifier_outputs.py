"""A backbone with its ImageNet classifier: its 1000 outputs, and where its weights come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from made_weights import made_weights
from refusals import refused
from sweeps.inputs.weights import find_weights
from trainables.parts.backbones import FeatureSpec, coloured, extractor
from trainables.parts.run_seed import prepare_worker
from trainables.parts.torchvision_import import torchvision

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, size=(2, 28, 28), dtype=np.uint8))


@pytest.fixture(autouse=True)
def one_thread():
    prepare_worker()


@pytest.fixture
def vgg11():
    """Torchvision's whole network without values."""
    with torch.device("meta"):
        return torchvision.models.vgg11()


def test_logits_are_the_outputs_of_the_library_s_whole_network(vgg11):
    weights = made_weights("vgg11_logits")
    network = vgg11.to_empty(device="cpu").eval()
    network.load_state_dict(weights)
    extract = extractor(FeatureSpec(backbone="vgg11_logits", output="", size_px=64), ["logits", "full"], weights)
    found = extract(IMAGES)
    with torch.inference_mode():
        wanted = network(coloured(IMAGES, 64, "half"))
    assert found["logits"].shape == (2, 1000)
    torch.testing.assert_close(found["logits"], wanted, rtol=1e-4, atol=1e-4)
    # Without it the backbone is the one that it always was.
    assert set(made_weights("vgg11")) == {name for name in weights if name.startswith("features.")}


def test_a_backbone_without_classifier_has_no_logits():
    with pytest.raises(ValueError, match="Expected outputs from full, mean, before-last-3"):
        extractor(FeatureSpec(backbone="alexnet", output=""), ["logits"], made_weights("alexnet"))


def test_it_has_the_file_of_the_backbone_without_and_needs_all_of_it(tmp_path, vgg11):
    # One number repeated, so that the file is small.
    state = {name: torch.tensor(0.5).expand(tensor.shape) for name, tensor in vgg11.state_dict().items()}
    torch.save(state, tmp_path / "vgg11.pth")
    found, _ = find_weights(str(tmp_path), ["vgg11", "vgg11_logits"])
    assert set(found["vgg11_logits"].state) == set(state)
    assert set(found["vgg11"].state) == {name for name in state if name.startswith("features.")}
    torch.save(dict(found["vgg11"].state), tmp_path / "vgg11.pth")
    assert "Expected classifier.0.weight" in refused(find_weights, str(tmp_path), ["vgg11_logits"])

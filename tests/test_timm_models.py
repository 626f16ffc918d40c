"""Networks of timm: each tap is what leaves the layer itself, and networks of any size of images are found by name."""

from __future__ import annotations

import functools
import pickle

import cloudpickle
import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from trainables.parts import backbones, timm_models
from trainables.parts.backbones import (
    BACKBONES,
    FeatureSpec,
    after,
    backbone_with,
    coloured,
    extractor,
    random_backbone,
    seconds_per_image,
    size_near,
)
from trainables.parts.run_seed import prepare_worker
from trainables.timm_heads import TimmBackbone, tapped_head_on

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, size=(3, 28, 28), dtype=np.uint8))


@pytest.fixture(autouse=True)
def one_thread():
    prepare_worker()


@functools.cache
def weights(name):
    """Random ones, but far enough from the initialisation that every block changes what it gets."""
    generator = torch.Generator().manual_seed(0)

    def moved(value):
        return value + 0.05 * torch.randn(value.shape, generator=generator).abs()

    state = random_backbone(name).state_dict()
    return {key: moved(value) if value.is_floating_point() else value for key, value in state.items()}


@pytest.fixture(autouse=True)
def _all_positions(monkeypatch):
    """Whole maps are compared here, however many numbers they have."""
    monkeypatch.setattr(backbones, "MOST_FEATURES", 10**9)


def features(name, output, size_px, **how):
    spec = FeatureSpec(backbone=name, output="", size_px=size_px, interpolation="bicubic", **how)
    return extractor(spec, [output], weights(name))(IMAGES)[output]


def seen_by(name, size_px, layer_of):
    """What leaves a layer of the whole network, in its own form, and the network."""
    network, seen = backbone_with(name, weights(name)), []
    layer_of(network).register_forward_hook(lambda *call: seen.append(call[2]))
    with torch.inference_mode():
        network(coloured(IMAGES, size_px, "half", "bicubic"))
    return seen[0], network


@pytest.mark.parametrize(
    ("name", "size_px", "patch", "before"),
    [
        # Before the patches are a class token; a register; a class token and four registers.
        ("timm:test_vit", 96, 16, 1),
        ("timm:test_vit2", 144, 16, 1),
        ("timm:vit_small_patch14_reg4_dinov2", 112, 14, 5),
        ("dinov2_small", 140, 14, 1),
    ],
)
def test_a_transformer_s_tap_is_its_patch_tokens_as_a_map_row_by_row(name, size_px, patch, before):
    side = size_px // patch
    tokens_NTD, network = seen_by(name, size_px, lambda network: network.blocks[3])
    assert tokens_NTD.shape[1] == before + side**2
    assert network.num_prefix_tokens == before
    map_NYXD = tokens_NTD[:, before:].reshape(len(IMAGES), side, side, -1)
    wanted = map_NYXD.permute(0, 3, 1, 2)
    torch.testing.assert_close(features(name, after(4, side=99), size_px), wanted.flatten(1), rtol=1e-3, atol=1e-3)
    inner = adaptive_avg_pool2d(wanted[:, :, 1:-1, 1:-1], min(5, side - 2)).flatten(1)
    torch.testing.assert_close(features(name, after(4, cut=1, side=5), size_px), inner, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "size_px", "stage", "layer_of"),
    [
        ("timm:resnet10t", 96, 3, lambda network: network.layer2),
        ("convnext_tiny", 64, 2, lambda network: network.stages[1]),
        ("densenet121", 64, 2, lambda network: network.features.denseblock1),
    ],
)
def test_a_convolutional_network_s_tap_is_the_map_behind_its_stage(name, size_px, stage, layer_of):
    map_NCYX, _ = seen_by(name, size_px, layer_of)
    wanted = map_NCYX.flatten(1)
    found = features(name, after(stage, side=99), size_px)
    assert found.shape == wanted.shape
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["timm:test_vit", "timm:resnet10t"])
def test_taps_are_those_of_timm_s_own_interface_and_come_from_one_pass(name):
    network = backbone_with(name, weights(name))
    with torch.inference_mode():
        maps = network.forward_intermediates(coloured(IMAGES, 96, "half", "bicubic"), intermediates_only=True)
    spec = FeatureSpec(backbone=name, output="", size_px=96, interpolation="bicubic")
    outputs = [after(stage, side=99) for stage in range(1, len(maps) + 1)]
    found = extractor(spec, outputs[::-1], weights(name))(IMAGES)
    assert len(maps) == len(timm_models.shapes(name.removeprefix("timm:"), 96))
    for output, map_NCYX in zip(outputs, maps, strict=True):
        torch.testing.assert_close(found[output], map_NCYX.flatten(1), rtol=1e-3, atol=1e-3)


def test_resnet18_of_torchvision_has_the_maps_that_timm_s_has():
    """The two libraries have the same names for the same weights."""
    other = timm_models.build("resnet18")
    other.load_state_dict(weights("resnet18"))
    with torch.inference_mode():
        maps = other.forward_intermediates(coloured(IMAGES, 96, "half", "bicubic"), intermediates_only=True)
    for block in (2, 3, 4, 5):
        found = features("resnet18", after(block, side=99), 96)
        torch.testing.assert_close(found, maps[block - 1].flatten(1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("network", "layers_of"),
    [
        ("test_vit", lambda network: network.blocks),
        ("resnet10t", lambda network: [network.layer1, network.layer2, network.layer3, network.layer4]),
    ],
)
def test_nothing_behind_the_last_tap_is_computed(network, layers_of):
    found, computed = timm_models.build(network), []
    for index, layer in enumerate(layers_of(found)):
        layer.register_forward_hook(lambda *call, index=index: computed.append(index))
    maps = timm_models.maps_behind(found, {1, 3})(torch.zeros(1, 3, 96, 96))
    assert sorted(maps) == [1, 3]
    # The stem of a ResNet is its first stage.
    assert computed == ([0, 1, 2] if network == "test_vit" else [0, 1])


@pytest.mark.parametrize("name", ["timm:test_vit", "timm:resnet10t", "dinov2_small"])
def test_bfloat16_is_near_float32(name):
    size_px = size_near(name, 64)
    exact = features(name, after(3), size_px)
    fast = features(name, after(3), size_px, precision="bfloat16")
    assert fast.dtype == torch.float32
    assert 0 < float((fast - exact).norm() / exact.norm()) < 0.05


def test_mirrored_is_the_images_flipped():
    mirrored = features("timm:test_vit", after(2), 96, mirrored=True)
    spec = FeatureSpec(backbone="timm:test_vit", output="", size_px=96, interpolation="bicubic")
    flipped = extractor(spec, [after(2)], weights("timm:test_vit"))(IMAGES.flip(-1))[after(2)]
    assert torch.equal(mirrored, flipped)


@pytest.mark.parametrize(
    "output", ["full", "mean", "before-last-1", "after-0-cut-0of8-7x7", "after-1-cut-0of8-0x0", ""]
)
def test_an_output_that_is_no_tap_is_refused_in_one_sentence(output):
    with pytest.raises(ValueError, match="Expected outputs after-K-cut-Cof8-SxS of timm:test_vit with K from 1; got "):
        extractor(FeatureSpec(backbone="timm:test_vit", output=""), [output], weights("timm:test_vit"))


@pytest.mark.parametrize(
    ("network", "near"),
    [
        ("resnet10t", [64, 96, 140]),
        ("test_vit", [64, 96, 144]),
        ("vit_small_patch14_dinov2", [70, 98, 140]),
        ("dla34", [64, 96, 128]),
        # It takes images of one size only.
        ("mixer_s32_224", [224, 224, 224]),
    ],
)
def test_sizes_near_those_that_are_wanted(network, near):
    assert [timm_models.size_near(network, wanted_px) for wanted_px in (64, 96, 140)] == near


def test_a_network_has_the_same_weights_for_every_size():
    assert weights("dinov2_small")["pos_embed"].shape == (1, 1 + 37**2, 384)


def test_time_is_estimated_from_the_operations():
    assert seconds_per_image("timm:test_vit") < 0.01
    # Within a factor of two of what was measured.
    for name in ("densenet121", "convnext_tiny"):
        measured = BACKBONES[name].seconds_per_image
        assert measured / 2 < timm_models.seconds_per_image(BACKBONES[name].network) < 2 * measured


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ("resnet1o", "got 'resnet1o'; near it are resnet18"),
        ("resnet50.nix", "got 'resnet50.nix'; near it are resnet50"),
        ("timm/resnet50.a1_in1k", "near it are resnet50.a1_in1k"),
        ("hf-hub:somebody/something", "got 'hf-hub:somebody/something'"),
        ("", "got ''"),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest(network, says):
    with pytest.raises(ValueError, match="Expected the name of a model of timm") as caught:
        tapped_head_on(network)
    assert says in str(caught.value)


def test_a_network_without_maps_in_a_row_is_refused(monkeypatch):
    monkeypatch.setattr(timm_models, "_maps", lambda *arguments: [torch.zeros(1, 49, 64)])
    with pytest.raises(ValueError, match=r"of vgg11 timm gives none \(its inner outputs are \(49, 64\) and no maps"):
        tapped_head_on("vgg11")


def test_taps_of_any_network_are_in_quarters_of_its_stages():
    learner = tapped_head_on("test_vit")
    assert issubclass(learner, TimmBackbone)
    assert learner.features("1/4@small", 0, False).name == "timm:test_vit-96px-half-bicubic-after-2-cut-0of8-7x7"
    last = learner.features("4/4@large", 1, True)
    assert last.name == "timm:test_vit-144px-half-bicubic-mirrored-after-6-cut-1of8-7x7"
    about = "A head without training on a stage of frozen test_vit of timm, which has 6, at 96 and 144 px."
    assert learner.__doc__ == about


def test_the_learner_on_any_network_goes_to_another_process_as_it_is():
    learner = tapped_head_on("test_vit")
    # What workers get; it must not need the network, nor a file that has the class.
    there = pickle.loads(cloudpickle.dumps(learner))
    assert there.may_need == learner.may_need
    assert there.features("2/4@large", 0, False) == learner.features("2/4@large", 0, False)

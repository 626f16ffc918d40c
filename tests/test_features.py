"""Feature tables: the same numbers as without them, computed once, and again only if a file is not right."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from sweeps.inputs import features
from sweeps.inputs.features import load_or_compute, seconds_to_compute
from sweeps.inputs.weights import find_weights
from trainables.parts.backbones import FeatureSpec, before_last, empty_backbone, extractor, random_backbone
from trainables.parts.torchvision_import import torchvision

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("two_workers")]
SPECS = [FeatureSpec(backbone="alexnet", output=output, size_px=64) for output in ("full", "mean")]


@pytest.fixture(scope="module")
def weights():
    return find_weights("random", ["alexnet"])[0]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, size=(120, 28, 28), dtype=np.uint8)


@pytest.fixture(scope="module")
def finished(weights, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    return folder, load_or_compute(SPECS, images, weights, folder, "validation", lambda: 2)


@pytest.mark.parametrize("shape", [(60, 40, 40), (60, 80, 80, 3)], ids=["larger grey", "colour"])
def test_images_of_other_sizes_and_colours_have_tables_of_their_own(shape, finished, images, weights, tmp_path):
    others = np.resize(images, shape)
    assert seconds_to_compute(SPECS, others, weights, finished[0]).keys() == {"alexnet"}
    found = load_or_compute(SPECS, others, weights, tmp_path, "validation", lambda: 2)
    extract = extractor(SPECS[0], ["full", "mean"], weights["alexnet"].state)
    for start in range(0, len(others), 20):
        wanted = extract(torch.from_numpy(others[start : start + 20]))
        for spec in SPECS:
            np.testing.assert_allclose(found[spec][start : start + 20], wanted[spec.output], rtol=1e-3, atol=1e-4)


def test_a_table_s_name_is_what_it_always_was(finished, images, weights):
    """Else all tables that people have would be computed again."""
    key = hashlib.sha256(f"2 (120, 28, 28) {weights['alexnet'].fingerprint}".encode() + images.tobytes()).hexdigest()
    names = {f"alexnet-64px-half-{output}-float32-{key[:16]}.npy" for output in ("full", "mean")}
    assert {path.name for path in finished[0].iterdir()} == names


def one_by_one(images, weights):
    """AlexNet as torchvision has it, one image at a time, without any of our shapes and layouts."""
    network = torchvision.models.alexnet(weights=None).eval()
    network.load_state_dict(dict(weights["alexnet"].state), strict=False)
    rows = []
    with torch.inference_mode():
        for image in images:
            grey = torchvision.transforms.functional.to_tensor(image)
            large = torch.nn.functional.interpolate(grey[None], size=(64, 64), mode="bilinear", align_corners=False)
            colour = torchvision.transforms.functional.normalize(large.repeat(1, 3, 1, 1), [0.5] * 3, [0.5] * 3)
            rows.append(network.avgpool(network.features(colour))[0])
    return torch.stack(rows)


def test_tables_hold_what_the_network_gives(finished, weights, images):
    expected = one_by_one(images[:7], weights)
    _, tables = finished
    np.testing.assert_allclose(tables[SPECS[0]][:7], expected.flatten(1).numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(tables[SPECS[1]][:7], expected.mean((2, 3)).numpy(), rtol=1e-3, atol=1e-4)


def test_sizes(finished, images):
    _, tables = finished
    assert [table.shape for table in tables.values()] == [(len(images), 9216), (len(images), 256)]
    assert {table.dtype for table in tables.values()} == {np.dtype(np.float16)}


@pytest.mark.parametrize(("factor", "dtype"), [(1, np.float16), (1e5, np.float32), (1e-6, np.float32)])
def test_numbers_that_half_precision_cannot_hold_keep_their_digits(factor, dtype):
    table = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32) * np.float32(factor)
    found = features._compact(table)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, table, rtol=1e-3, atol=1e-3 * factor)


def test_a_second_time_nothing_is_computed(finished, weights, images, monkeypatch):
    folder, tables = finished
    assert seconds_to_compute(SPECS, images, weights, folder) == {}
    monkeypatch.setattr(features, "_computed", None)
    again = load_or_compute(SPECS, images, weights, folder, "validation", lambda: 2)
    assert all(np.array_equal(again[spec], tables[spec]) for spec in SPECS)


@pytest.mark.parametrize("damage", ["torn", "empty", "foreign", "text", "zip", "zeros", "renamed"])
def test_a_file_that_is_not_right_is_computed_again(finished, weights, images, tmp_path, damage):
    folder, tables = finished
    for path in folder.iterdir():
        content = path.read_bytes()
        zeros = content[:-5000] + bytes(1000) + content[-4000:]
        other = next(each for each in folder.iterdir() if each != path).read_bytes()
        damaged = {"torn": content[:-1], "empty": b"", "text": b"words", "zip": b"PK", "zeros": zeros, "renamed": other}
        (tmp_path / path.name).write_bytes(damaged.get(damage, content))
        if damage == "foreign":
            np.save(tmp_path / path.name, np.zeros((3, 3), dtype=np.float32))
    assert seconds_to_compute(SPECS, images, weights, tmp_path).keys() == {"alexnet"}
    again = load_or_compute(SPECS, images, weights, tmp_path, "validation", lambda: 2)
    assert all(np.array_equal(again[spec], tables[spec]) for spec in SPECS)


def test_other_images_weights_and_inputs_have_other_tables(finished, weights, images):
    folder, _ = finished
    other = find_weights("random", ["alexnet"])[0]["alexnet"]
    state = {name: value + 1 for name, value in other.state.items()}
    changed = {"alexnet": type(other)(source="changed", fingerprint="another", state=state)}
    changes = [{"size_px": 96}, {"normalisation": "imagenet"}, {"precision": "bfloat16"}, {"output": before_last(1)}]
    for case in [
        (SPECS, images[::-1], weights),
        (SPECS, images, changed),
        *(([replace(SPECS[0], **change)], images, weights) for change in changes),
    ]:
        assert seconds_to_compute(*case, folder).keys() == {"alexnet"}


def test_nothing_unfinished_is_left(finished):
    folder, _ = finished
    assert {path.suffix for path in folder.iterdir()} == {".npy"}


def test_a_backbone_without_values_has_the_form_of_one_with(weights):
    for name in ("alexnet", "vgg11"):
        shapes = {key: value.shape for key, value in empty_backbone(name).state_dict().items()}
        assert shapes == {key: value.shape for key, value in random_backbone(name).state_dict().items()}
        assert not random_backbone(name).training

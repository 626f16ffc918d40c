"""A trained model that is saved and loaded: the same probabilities, whatever the approach, and no training image."""

from __future__ import annotations

import functools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import expit, softmax

from approaches import APPROACHES, brief, brief_start_of, pretended, random_weights, weights_of
from sweeps.inputs.image_folders import read_folder
from sweeps.inputs.npz_files import read_npz
from trainables.parts import exported
from trainables.parts.backbones import extractor
from trainables.parts.datasets import BREASTMNIST, phantom_other, small
from trainables.parts.exported import ExportedModel, Form, as_learned
from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.protocol import Protocol
from trainables.parts.run_seed import classify, prepare_worker, support_of
from trainables.parts.streams import Streams

PROTOCOL = Protocol(classes=("a", "b"), shots=(2, 2), validation=1, confirmation=1, pool=(5, 5))
# What is learned from, and a batch to be classified.
LEARNED, ASKED = [0, 1, 5, 6], [2, 3, 4, 7, 8, 9]
GREY = Form(size_px=28, colours=1, are_files=False)


@functools.cache
def images():
    return np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8)


@functools.cache
def image_sets():
    other = phantom_other(BREASTMNIST)
    return {
        POOL: pretended(images(), PROTOCOL.labels, PROTOCOL),
        BREASTMNIST: pretended(other.images, other.labels),
    }


def taught(approach):
    """A model of an approach's start that has learned from four images, and the form in which it sees all."""
    params = brief(brief_start_of(approach), 2)
    config = approach.learner.Config(**{**params, **{name: 2 for name in params if name == "first_steps"}})
    needs = approach.learner.needs(config)
    support = support_of(needs, np.array(LEARNED), image_sets(), weights_of(approach))
    views = [image_sets()[POOL].view(name) for name in needs.view_names]
    specs = [None if isinstance(each, str) else each for each in needs.views]
    model = ExportedModel(
        classes=PROTOCOL.classes,
        form=GREY,
        views=tuple(map(exported.view_of, needs.view_names, specs, views)),
        members=(approach.learner.fit(config, support, Streams(0)),),
        temperature=1.0,
        weights={spec.backbone: {} for spec in needs.features},
    )
    return model, views


def pretended_extractor(spec, outputs, weights):
    """As `extractor`, of the features that tests have in place of a backbone's."""

    def extract(pixels):
        seen = pretended(pixels.numpy(), None)
        named = {output: f"{replace(spec, output=output).name}" for output in outputs}
        return {output: torch.from_numpy(seen.view(name).copy()) for output, name in named.items()}

    return extract


@pytest.mark.parametrize("approach", APPROACHES, ids=lambda approach: approach.name)
def test_every_approach_gives_the_same_probabilities_after_loading_as_in_training(approach, tmp_path, monkeypatch):
    prepare_worker()
    monkeypatch.setattr(exported, "extractor", pretended_extractor)
    model, views = taught(approach)
    before = model.probabilities(images()[ASKED])
    exported.save(model, tmp_path / "model")
    assert np.array_equal(exported.load(tmp_path / "model").probabilities(images()[ASKED]), before)
    # As a seed scores them, with the mirror images' own features.
    log_odds = classify(model.members[0], views, np.array(ASKED))
    np.testing.assert_allclose(before[:, 1], expit(log_odds.astype(float)), rtol=0, atol=1e-6)
    # No image that was learned from is in it, nor its features.
    content = (tmp_path / "model" / exported.MEMBERS).read_bytes()
    seen = [np.asarray(view[row]) for view in views for row in LEARNED]
    assert not [each for each in seen for dtype in (each.dtype, "f4", "f8") if each.astype(dtype).tobytes() in content]


@pytest.mark.parametrize("name", ["pixel_baseline", "starter_cnn", "siamese_bce"])
def test_of_three_classes_in_colour_there_are_three_probabilities(name, tmp_path):
    prepare_worker()
    approach = next(each for each in APPROACHES if each.name == name)
    colours = np.random.default_rng(0).integers(0, 256, (9, 40, 30, 3), dtype=np.uint8)
    form = Form(size_px=40, colours=3, are_files=True)
    protocol = Protocol(classes=("a", "b", "c"), shots=(2, 2, 2), validation=1, confirmation=1, pool=(3, 3, 3))
    config = approach.learner.Config(**brief(brief_start_of(approach), 2))
    views = {PIXELS: small(as_learned(form, colours))}
    pool = ImageSet(labels=protocol.labels, views=views, protocol=protocol)
    support = support_of(approach.learner.needs(config), protocol.split(0)[0], {POOL: pool}, {})
    classifiers = tuple(approach.learner.fit(config, support, Streams(seed)) for seed in range(2))
    model = ExportedModel(
        classes=protocol.classes,
        form=form,
        views=(exported.View(),),
        members=classifiers,
        temperature=2.0,
        weights={},
    )
    exported.save(model, tmp_path / "model")
    found = exported.load(tmp_path / "model").predict(colours)
    assert list(found.columns) == ["a", "b", "c"]
    np.testing.assert_allclose(found.sum(axis=1), 1)
    logits = [classify(each, [views[PIXELS]], np.arange(9), 3) for each in classifiers]
    expected = np.mean([softmax(each.astype(float) / 2, axis=1) for each in logits], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_through_a_real_backbone_probabilities_are_those_of_its_tables(tmp_path):
    prepare_worker()
    approach = next(each for each in APPROACHES if each.name == "efficientnet_lite0")
    config = approach.learner.Config(tap="2@64", cut=0, shrink=0.2, mirror=True, head="centroid")
    needs = approach.learner.needs(config)
    state = {name: torch.from_numpy(value) for name, value in random_weights("efficientnet_lite0").items()}

    def table(spec):
        features = extractor(spec, [spec.output], state)(torch.tensor(images()))
        return features[spec.output].numpy().astype(np.float16)

    pool = ImageSet(
        labels=PROTOCOL.labels, views={spec.name: table(spec) for spec in needs.features}, protocol=PROTOCOL
    )
    classifier = approach.learner.fit(config, support_of(needs, np.array(LEARNED), {POOL: pool}, {}), Streams(0))
    views = [pool.view(name) for name in needs.view_names]
    model = ExportedModel(
        classes=PROTOCOL.classes,
        form=GREY,
        views=tuple(map(exported.view_of, needs.view_names, needs.features, views)),
        members=(classifier,),
        temperature=1.0,
        weights={"efficientnet_lite0": state},
    )
    exported.save(model, tmp_path / "model")
    found = exported.load(tmp_path / "model").probabilities(images()[ASKED])
    log_odds = classify(classifier, views, np.array(ASKED))
    np.testing.assert_allclose(found[:, 1], expit(log_odds), rtol=0, atol=1e-3)


def test_what_another_python_saved_is_refused(tmp_path):
    model = ExportedModel(classes=("a", "b"), form=GREY, views=(), members=(), temperature=1.0, weights={})
    exported.save(model, tmp_path / "model")
    path = tmp_path / "model" / exported.DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | {"python": "3.7"}))
    with pytest.raises(ValueError, match=r"by Python 3\.7"):
        exported.load(tmp_path / "model")


def test_the_mean_is_of_probabilities_and_not_of_logits():
    log_odds = [np.array([0.0, 5.0]), np.array([3.0, -5.0])]
    found = exported.mean_probabilities(log_odds, 2.0)
    expected = (expit(log_odds[0] / 2) + expit(log_odds[1] / 2)) / 2
    np.testing.assert_allclose(found, np.stack([1 - expected, expected], axis=1))
    logits = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(
        exported.mean_probabilities([logits], 2.0), np.exp(logits / 2) / np.exp(logits / 2).sum()
    )


def test_a_half_is_the_second_of_two_classes_as_in_scoring():
    assert exported.decided(np.array([[0.5, 0.5], [0.6, 0.4]])).tolist() == [1, 0]
    assert exported.decided(np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])).tolist() == [0, 2]


RNG = np.random.default_rng(1)
WIDE = RNG.integers(0, 256, (30, 40), dtype=np.uint8)
COLOURED = RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8)


@pytest.mark.parametrize("image", [WIDE, COLOURED], ids=["grey", "colour"])
def test_images_of_any_size_become_what_a_folder_s_files_became(image, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "0.png")
    read = read_folder(tmp_path, size_px=28, train_only=True).train.images
    form = Form(size_px=28, colours=3 if image.ndim == 3 else 1, are_files=True)
    assert np.array_equal(as_learned(form, image[None]), read[:1])


@pytest.mark.parametrize("image", [WIDE, COLOURED], ids=["grey", "colour"])
def test_images_of_any_size_become_what_those_of_an_npz_file_became(image, tmp_path):
    np.savez(tmp_path / "x.npz", train_images=np.stack([image] * 2), train_labels=[0, 1])
    read = read_npz(tmp_path / "x.npz", size_px=28, train_only=True).train.images
    form = Form(size_px=28, colours=3 if image.ndim == 3 else 1, are_files=False)
    assert np.array_equal(as_learned(form, image[None]), read[:1])


def test_grey_and_colour_become_each_other():
    grey, colour = (Form(size_px=40, colours=count, are_files=True) for count in (1, 3))
    seen = as_learned(colour, [WIDE, COLOURED])
    assert seen.shape == (2, 40, 40, 3)
    assert np.array_equal(seen[0, 5:35], np.repeat(WIDE[..., None], 3, -1))
    again = as_learned(grey, [seen[0], WIDE, WIDE[..., None], WIDE.astype(np.int64), WIDE.astype(np.float32)])
    assert all(np.array_equal(each, again[0]) for each in again)
    weighed = COLOURED @ [0.299, 0.587, 0.114]
    assert np.abs(as_learned(grey, [COLOURED])[0, 5:35] - weighed).max() <= 1


def test_fractions_are_stretched():
    form = Form(size_px=40, colours=1, are_files=True)
    assert np.array_equal(as_learned(form, [WIDE / 255]), as_learned(form, [WIDE]))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ([], "at least one image"),
        ([np.zeros((2, 2, 2))], r"shape \(H, W\) or, in colour, \(H, W, 3\).* \(2, 2, 2\)"),
        ([np.zeros((0, 2))], "shape"),
        ([np.array([["a"]])], "of numbers"),
        ([np.array([[300]])], "from 0 to 255, or all of fractions from 0 to 1; got numbers from 300 to 300"),
        ([np.array([[-1]])], "got numbers from -1"),
        ([np.array([[0.5, 7.0]])], "from 0.5 to 7, not all of them whole"),
        # One of whole numbers, one of fractions.
        ([np.array([[200]]), np.array([[0.5]])], "from 0.5 to 200, not all of them whole"),
    ],
)
def test_what_is_no_image_is_refused(wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        as_learned(GREY, wrong)


def test_an_image_may_be_dark_but_what_mlflow_cuts_to_noughts_and_ones_is_refused():
    prepare_worker()
    model, _ = taught(next(each for each in APPROACHES if each.name == "pixel_baseline"))
    dark = np.eye(28, dtype=np.uint8)
    assert np.array_equal(model.probabilities([dark]), model.probabilities([dark, images()[0]])[:1])
    # Fractions where whole numbers are asked for.
    with pytest.raises(ValueError, match=r"none above 1\. Multiply fractions"):
        model.predict(dark[None])
    assert len(model.predict([dark, images()[0]])) == 2


def test_arithmetic_is_on_one_thread_and_as_it_was_afterwards():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with exported.on_one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)

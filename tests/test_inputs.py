"""What a sweep is made from, and what is said of it: no synthetic image or random network passes for a real one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import pretended
from refusals import no_network
from sweeps.analysis import caveats
from sweeps.core.errors import BadInput
from sweeps.inputs import weights
from sweeps.inputs.inputs import SMOKE_PX, Inputs, fastest_precision
from sweeps.store.spec import Source, Spec
from test_content_checks import smooth
from trainables.parts.backbones import BACKBONES, FeatureSpec
from trainables.parts.datasets import BREASTMNIST
from trainables.parts.image_sets import PIXELS, POOL
from trainables.parts.learner import Learner, Needs
from trainables.parts.protocol import NUMBERS_VERSION, TEST, study_protocol

COMPUTED = FeatureSpec(backbone="alexnet", output="mean", size_px=128)


class Frozen(Learner):
    """Learns from features."""

    may_need = Needs(views=(COMPUTED, replace(COMPUTED, output="full")))


class Trained(Learner):
    """Trains its backbone further."""

    may_need = Needs(views=(COMPUTED,), trained_backbones=("alexnet",))


class Beside(Learner):
    """Learns from other images too, in features of its own."""

    may_need = Needs(views=(replace(COMPUTED, size_px=64),), other_datasets=(BREASTMNIST,))


class Other(Learner):
    """Learns from features of another backbone."""

    may_need = Needs(views=(FeatureSpec(backbone="vgg16", output="mean"),))


class Untrained(Learner):
    """Learns from features that mean nothing, by intention."""

    may_need = Needs(views=(FeatureSpec(backbone="vgg11_random", output="mean"),))


def approach(learner):
    return replace(pretended.approach(learner.__name__.lower()), learner=learner)


LEARNERS = (pretended.Nothing, Frozen, Trained, Beside, Untrained, Other)
PIXELS_ONLY, FROZEN, TRAINED, BESIDE, UNTRAINED, OTHER = map(approach, LEARNERS)


@pytest.fixture(scope="module")
def alexnet():
    return weights.random_backbone("alexnet")


@pytest.fixture(autouse=True)
def cheap(monkeypatch, alexnet):
    """What takes a second is made once. VGG11's values matter nowhere here, so it has AlexNet's."""
    monkeypatch.setattr(weights, "random_backbone", lambda name: alexnet)


def find(approaches, folder, **options):
    given = {"dataset": "phantom", "weights": "random", "also": ["breastmnist=phantom"], "precision": "float32"}
    return Inputs.find(approaches, folder, **{**given, "smoke": False, **options})


@pytest.fixture
def weights_file(tmp_path, alexnet):
    path = tmp_path / "alexnet.pth"
    torch.save(alexnet.state_dict(), path)
    return str(path.resolve())


@pytest.fixture
def breast_file(tmp_path):
    path = tmp_path / "breastmnist.npz"
    images = np.random.default_rng(5).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    np.savez(path, train_images=images, train_labels=np.array([0, 1, 0, 1, 0, 1], np.uint8))
    return str(path.resolve())


def test_nothing_real(tmp_path, phantom, alexnet):
    found = find([FROZEN, BESIDE], tmp_path)
    assert caveats.of_sweep(found.spec("c")) == {"images": "phantom", "weights": "random", "other_images": "phantom"}
    assert caveats.warnings(found.spec("c")) == ["PHANTOM IMAGES", "RANDOM WEIGHTS"]
    assert found.notices == ()
    fingerprint = weights.weights_fingerprint(alexnet.state_dict())
    assert found.spec("c", seeds=10, search_seed=3) == Spec(
        challenge="c",
        numbers_version=NUMBERS_VERSION,
        dataset=Source(source="phantom", fingerprint=phantom.fingerprint),
        protocol=study_protocol(),
        test_counts=(234, 390),
        weights={"alexnet": Source(source="random", fingerprint=fingerprint)},
        other_datasets={
            BREASTMNIST: Source(source="phantom", fingerprint=found.other_datasets[BREASTMNIST].fingerprint)
        },
        precision="float32",
        smoke=False,
        seeds=10,
        search_seed=3,
    )


def test_everything_real(tmp_path, good_npz, weights_file, breast_file):
    found = find(
        [FROZEN, BESIDE], tmp_path, dataset=str(good_npz), weights=weights_file, also=[f"breastmnist={breast_file}"]
    )
    assert caveats.of_sweep(found.spec("c")) == {"images": "real", "weights": weights_file}
    assert caveats.warnings(found.spec("c")) == []
    assert found.spec("c").other_datasets[BREASTMNIST].source == breast_file


def test_other_images_that_are_synthetic_are_named_beside_real_ones(tmp_path, good_npz, weights_file):
    found = find([BESIDE], tmp_path, dataset=str(good_npz), weights=weights_file)
    assert caveats.of_sweep(found.spec("c"))["images"] == "real"
    assert caveats.of_sweep(found.spec("c"))["other_images"] == "phantom"
    assert caveats.warnings(found.spec("c")) == ["PHANTOM BREASTMNIST"]


def test_smoke_is_marked(tmp_path):
    found = find([PIXELS_ONLY], tmp_path, smoke=True)
    assert caveats.of_sweep(found.spec("c")) == {"images": "phantom", "smoke": "true"}
    assert caveats.warnings(found.spec("c")) == ["PHANTOM IMAGES", "SMOKE RUN"]
    assert found.spec("c").smoke is True


def test_what_nobody_needs_is_neither_looked_for_nor_marked(tmp_path):
    found = find([PIXELS_ONLY], tmp_path, weights="imagenet", also=["breastmnist=breastmnist"])
    assert (found.weights, found.other_datasets, found.notices) == ({}, {}, ())
    assert caveats.of_sweep(found.spec("c")) == {"images": "phantom"}


@pytest.mark.parametrize("option", ["random", "auto", "imagenet", "file"])
def test_a_network_that_is_random_by_intention_is_no_reason_to_warn(tmp_path, weights_file, option):
    found = find([UNTRAINED], tmp_path, weights=weights_file if option == "file" else option)
    assert caveats.warnings(found.spec("c")) == ["PHANTOM IMAGES"]
    assert caveats.of_sweep(found.spec("c")) == {"images": "phantom"}
    assert {name: each.source for name, each in found.spec("c").weights.items()} == {"vgg11_random": "random"}
    assert found.notices == ()


def test_beside_it_the_others_weights_are_marked_as_they_are(tmp_path, weights_file):
    found = find([UNTRAINED, FROZEN], tmp_path, weights=weights_file)
    assert caveats.of_sweep(found.spec("c"))["weights"] == weights_file
    assert caveats.warnings(found.spec("c")) == ["PHANTOM IMAGES"]
    assert caveats.warnings(find([UNTRAINED, FROZEN], tmp_path).spec("c")) == ["PHANTOM IMAGES", "RANDOM WEIGHTS"]


@pytest.mark.parametrize("option", ["auto", "random"])
def test_what_was_found_finds_the_same_again(tmp_path, good_npz, breast_file, monkeypatch, option):
    monkeypatch.setattr(weights, "_imagenet_weights", no_network)
    given = {"weights": option, "smoke": True}
    approaches = [FROZEN, BESIDE]
    first = find(
        approaches, tmp_path, dataset=str(good_npz), also=[f"breastmnist={breast_file}"], precision="auto", **given
    )
    # Also when weights can be had meanwhile.
    monkeypatch.setattr(weights, "_imagenet_weights", None)
    again = find(approaches, tmp_path, **first.found(), **given, before=first.spec("c"))
    assert again.spec("c") == first.spec("c")


def test_which_backbones_are_random_is_said_if_not_all_are(tmp_path, alexnet, monkeypatch):
    def alexnet_alone(name):
        return weights._weights("imagenet", alexnet.state_dict()) if name == "alexnet" else no_network()

    monkeypatch.setattr(weights, "_imagenet_weights", alexnet_alone)
    found = find([FROZEN, OTHER, UNTRAINED], tmp_path, weights="auto")
    assert caveats.warnings(found.spec("c")) == ["PHANTOM IMAGES", "RANDOM WEIGHTS of vgg16"]
    assert caveats.of_table(found.spec("c"), [FROZEN, UNTRAINED]) == ["PHANTOM IMAGES"]
    assert caveats.of_table(found.spec("c"), [OTHER, UNTRAINED]) == ["PHANTOM IMAGES", "RANDOM WEIGHTS"]
    assert caveats.of_approach(found.spec("c"), FROZEN)["weights"] == "imagenet"
    assert caveats.of_approach(found.spec("c"), OTHER)["weights"] == "random"


@pytest.mark.parametrize("split", ["train", "test"])
def test_other_images_that_are_to_be_validated_or_tested_on_are_refused(tmp_path, good_arrays, split):
    """Their labels would be learned."""
    main, other = tmp_path / "main.npz", tmp_path / "mixed.npz"
    arrays = good_arrays
    np.savez(main, **arrays)
    own = np.random.default_rng(5).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    images = np.concatenate([own, arrays[f"{split}_images"][:3]])
    np.savez(other, train_images=images, train_labels=np.arange(len(images)) % 2)
    with pytest.raises(BadInput) as caught:
        find([BESIDE], tmp_path, dataset=str(main), also=[f"breastmnist={other}"])
    text = str(caught.value)
    assert f"3 of {other.resolve()} are among them" in text
    assert str(main.resolve()) in text
    assert "--also breastmnist=PATH" in text
    assert "\n" not in text


def enlarged(images):
    return np.stack([np.asarray(Image.fromarray(each).resize((64, 64), Image.Resampling.BICUBIC)) for each in images])


def test_the_same_pictures_at_another_size_are_refused(tmp_path):
    """Of a set under any name, and by its name where what was read of it has no picture in common."""
    main, same, mine = (tmp_path / name for name in ("breastmnist_64.npz", "breastmnist.npz", "mine.npz"))
    of_main, test, others = smooth(40, 0), smooth(8, 1), smooth(6, 2)
    labels = np.arange(40) % 2
    np.savez(
        main, train_images=enlarged(of_main), train_labels=labels, test_images=enlarged(test), test_labels=labels[:8]
    )
    np.savez(mine, train_images=test[:5], train_labels=labels[:5])
    np.savez(same, train_images=others, train_labels=labels[:6])
    with pytest.raises(BadInput, match=rf"[45] of {mine.resolve()} are among them, or nearly are"):
        find([BESIDE], tmp_path, dataset=str(main), also=[f"breastmnist={mine}"])
    with pytest.raises(BadInput, match="is of the same MedMNIST set"):
        find([BESIDE], tmp_path, dataset=str(main), also=["breastmnist=auto"])


def test_the_main_file_given_as_other_images_is_refused(tmp_path, good_npz):
    with pytest.raises(BadInput, match="Expected other images as breastmnist than those of"):
        find([BESIDE], tmp_path, dataset=str(good_npz), also=[f"breastmnist={good_npz}"])


def test_auto_precision_is_the_processor_s_and_is_in_the_spec(tmp_path):
    found = find([PIXELS_ONLY], tmp_path, precision="auto")
    assert found.precision == found.spec("c").precision == fastest_precision()
    assert found.precision in ("float32", "bfloat16")
    assert found.image_sets([PIXELS_ONLY], [POOL], slots=lambda: 1)[POOL].precision == found.precision


@pytest.mark.parametrize(("has", "expected"), [("avx512_bf16", "bfloat16"), ("bf16", "bfloat16"), ("avx2", "float32")])
def test_bfloat16_only_where_the_processor_computes_in_it(monkeypatch, has, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False, has: True, "architecture": "x"})
    assert fastest_precision() == expected


def test_nothing_is_computed_for_those_who_need_no_features(tmp_path):
    found = find([PIXELS_ONLY], tmp_path)
    assert found.seconds_to_compute([PIXELS_ONLY], [POOL, TEST]) == {}


@pytest.mark.parametrize(("smoke", "size_px"), [(False, COMPUTED.size_px), (True, SMOKE_PX)])
def test_a_smoke_run_s_features_are_of_64_pixels(tmp_path, smoke, size_px):
    found = find([FROZEN], tmp_path, smoke=smoke)
    expected = 2000 * BACKBONES["alexnet"].seconds_per_image * (size_px / 224) ** 2
    assert found.seconds_to_compute([FROZEN], [POOL]) == {"alexnet": pytest.approx(expected)}
    assert SMOKE_PX == 64


def test_two_outputs_of_a_backbone_cost_no_more_than_one_and_two_approaches_no_more_than_one(tmp_path):
    found = find([FROZEN, TRAINED], tmp_path)
    one, both = (found.seconds_to_compute(some, [POOL]) for some in ([TRAINED], [FROZEN, TRAINED]))
    assert one == both


def test_of_other_images_only_those_who_learn_from_them_need_features(tmp_path):
    found = find([FROZEN, BESIDE], tmp_path)
    count = len(found.other_datasets[BREASTMNIST].images)
    expected = count * BACKBONES["alexnet"].seconds_per_image * (64 / 224) ** 2
    assert found.seconds_to_compute([FROZEN, BESIDE], [BREASTMNIST]) == {"alexnet": pytest.approx(expected)}
    assert found.seconds_to_compute([FROZEN], [BREASTMNIST]) == {}


def test_who_asks_for_the_pool_cannot_reach_the_test_split(tmp_path, phantom):
    found = find([PIXELS_ONLY], tmp_path).image_sets([PIXELS_ONLY], [POOL], slots=lambda: 1)
    assert found.keys() == {POOL}
    assert found[POOL].views.keys() == {PIXELS}
    assert np.array_equal(found[POOL].view(PIXELS), phantom.pool_images)
    assert np.bincount(found[POOL].labels).tolist() == [1000, 1000]


def test_weights_go_only_to_those_who_train_them_further(tmp_path, alexnet):
    found = find([FROZEN, TRAINED, PIXELS_ONLY], tmp_path)
    assert found.weights_to_train([FROZEN, PIXELS_ONLY]) == {}
    states = found.weights_to_train([FROZEN, TRAINED])
    assert states.keys() == {"alexnet"}
    assert states["alexnet"].keys() == alexnet.state_dict().keys()
    for name, value in alexnet.state_dict().items():
        assert np.array_equal(states["alexnet"][name], value.numpy())

"""One suite for every approach of every challenge; none is named here."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import optuna
import pytest
import torch
from torch import nn

from sweeps.challenge import Approach
from sweeps.challenge1 import CHALLENGE as CHALLENGE1
from sweeps.challenge2 import CHALLENGE as CHALLENGE2
from trainables.backbones import BACKBONES, before_last, blocks, empty_backbone, random_backbone
from trainables.data import BREASTMNIST, phantom_other
from trainables.protocol import (
    PIXELS,
    TEST,
    VALIDATION,
    ImageSet,
    SeedTrainable,
    Streams,
    prepare_worker,
    run_seed,
    split_of_seed,
    support_of,
)

# The plain baseline is in both.
APPROACHES = tuple({each.name: each for each in (*CHALLENGE1.approaches, *CHALLENGE2.approaches)}.values())


@pytest.fixture(params=APPROACHES, ids=lambda approach: approach.name)
def approach(request):
    prepare_worker()
    return request.param


@pytest.fixture(scope="session")
def image_sets(phantom):
    """The phantom's pixels, and for every backbone the pixels themselves in the place of its features."""
    other = phantom_other(BREASTMNIST)
    images = {**phantom.images(), other.name: other.images}
    labels = {**phantom.labels(), other.name: other.labels}
    specs = [spec for each in APPROACHES for spec in each.trainable.features]
    return {
        name: ImageSet(labels=labels[name], views={PIXELS: images[name], **pretended(specs, images[name])})
        for name in images
    }


def pretended(specs, images_NHW):
    """Pixels in the form of features: 16 channels on 7 x 7 positions; fewer positions; more channels than that.

    Each backbone has the channels in another order, so that a table of the wrong one gives other numbers.
    """
    grey_NHW = (images_NHW - images_NHW.mean((1, 2), keepdims=True)) / images_NHW.std((1, 2), keepdims=True)
    map_NCYX = grey_NHW.astype(np.float32).reshape(-1, 7, 4, 7, 4).transpose(0, 2, 4, 1, 3).reshape(-1, 16, 7, 7)

    @functools.cache
    def of(backbone, output):
        own_NCYX = np.roll(map_NCYX, list(BACKBONES).index(backbone), axis=1)
        few_NCYX = own_NCYX[:, :, ::2, ::2]
        if output == "full":
            return own_NCYX.reshape(len(own_NCYX), -1)
        if output == "mean":
            return few_NCYX.reshape(len(few_NCYX), -1)
        return few_NCYX[:, np.arange(channels_of(backbone, output)) % 16]

    return {spec.name: of(spec.backbone, spec.output) for spec in specs}


@functools.cache
def channels_of(backbone, output):
    """Channels of the map that goes into the last blocks of a backbone."""
    stages = blocks(empty_backbone(backbone))
    count = next(count for count in range(1, len(stages)) if before_last(count) == output)
    return nn.Sequential(*stages[:-count])(torch.empty(1, 3, 64, 64, device="meta")).shape[1]


@functools.cache
def random_weights(backbone):
    return {name: value.numpy() for name, value in random_backbone(backbone).state_dict().items()}


def run(approach, params, seed, image_sets, splits=(VALIDATION,)):
    weights = {name: random_weights(name) for name in approach.trainable.trains}
    return run_seed(approach.trainable, params, seed, image_sets, splits, weights=weights)


def configurations(approach: Approach, count: int, seed: int = 0) -> list[dict]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    found = []
    for _ in range(count):
        trial = study.ask()
        approach.suggest(trial)
        found.append(trial.params)
    return found


@pytest.fixture(scope="session")
def published(image_sets):
    """Results of an approach's published setting on a seed; each is trained once for all tests."""

    @functools.cache
    def train(name, seed):
        approach = next(each for each in APPROACHES if each.name == name)
        return run(approach, approach.reported.params, seed, image_sets, (VALIDATION, TEST))

    return train


def numbers(results):
    return [dataclasses.replace(result, seconds=0, timestamp_ms=0) for result in results]


def taught(approach, config, image_sets):
    """What seed 0 has to learn from."""
    weights = {name: random_weights(name) for name in approach.trainable.trains}
    return support_of(approach.trainable, config, split_of_seed(0)[0], image_sets, weights)


def test_every_published_setting_lies_in_the_space_and_is_a_configuration(approach):
    for setting in approach.reported.settings().values():
        suggested = optuna.trial.FixedTrial(dict(setting.params))
        approach.suggest(suggested)
        assert suggested.params == dict(setting.params)
        for name, distribution in suggested.distributions.items():
            assert distribution._contains(distribution.to_internal_repr(setting.params[name]))
        approach.trainable.Config(**setting.params)


def test_variants_are_other_settings_with_a_number_each(approach):
    settings = [dict(setting.params) for setting in approach.reported.settings().values()]
    assert all(params not in settings[:index] for index, params in enumerate(settings))
    for name, variant in approach.reported.variants.items():
        assert name.isidentifier()
        assert variant.mean is not None


def test_published_results_are_complete_or_absent(approach):
    for setting in approach.reported.settings().values():
        assert (setting.mean is None) == (setting.sd is None)
        assert setting.mean is None or 0 < setting.mean < 100
    assert approach.reported.note


def test_what_is_wrong_with_the_study_s_number_is_said_in_a_line(approach):
    fault = approach.reported.fault
    assert fault is None or (len(fault) <= 150 and "\n" not in fault and not fault.endswith("."))
    # A number that is no accuracy of the class needs a reason.
    assert approach.reported.is_class_accuracy or fault


def test_every_suggestion_is_a_configuration(approach):
    for params in configurations(approach, 50):
        config = approach.trainable.Config(**params)
        known = {PIXELS, *(spec.name for spec in approach.trainable.features)}
        assert approach.trainable.views(config)
        assert set(approach.trainable.views(config)) <= known
        assert approach.trainable.trained_further(config) in {None, *approach.trainable.trains}


def test_misspelt_hyperparameter_is_a_failure_with_its_name(approach, image_sets):
    (result,) = run(approach, {**approach.reported.params, "lerning_rate": 1}, 0, image_sets)
    assert "lerning_rate" in result.error


def test_says_what_it_is(approach):
    assert approach.about.endswith(".")
    assert approach.seconds_a_seed > 0


def test_same_seed_gives_the_same_bits_whatever_ran_before(approach, image_sets, published):
    before = published(approach.name, 1000)
    run(approach, configurations(approach, 1)[0], 1001, image_sets)
    torch.manual_seed(12345)
    np.random.seed(12345)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    again = run(approach, approach.reported.params, 1000, image_sets, (VALIDATION, TEST))
    assert numbers(before) == numbers(again)
    # And it leaves the global random state alone.
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert before[0].error is None


def test_another_seed_gives_other_numbers(approach, published):
    assert published(approach.name, 1000)[0].brier != published(approach.name, 1001)[0].brier


def test_an_image_scored_alone_and_in_a_batch_has_the_same_logit(approach, image_sets):
    for params in [dict(approach.reported.params), *configurations(approach, 3, seed=1)]:
        config = approach.trainable.Config(**params)
        classifier = approach.trainable.fit(config, taught(approach, config, image_sets), Streams(0))
        views = [torch.from_numpy(image_sets[TEST].view(name)[:20]) for name in approach.trainable.views(config)]
        with torch.inference_mode():
            together = classifier(*views)
            alone = torch.cat([classifier(*(view[i : i + 1] for view in views)) for i in range(20)])
        assert together.shape == (20,)
        torch.testing.assert_close(together.float(), alone.float(), rtol=1e-3, atol=1e-3)


def test_never_sees_a_validation_label(approach, image_sets, published):
    """Validation images with all labels turned give exactly the opposite accuracy: nothing else has changed."""
    pool = image_sets[VALIDATION]
    rows, _ = split_of_seed(1000)
    turned_labels = 1 - pool.labels
    turned_labels[rows] = pool.labels[rows]
    turned = {**image_sets, VALIDATION: ImageSet(labels=turned_labels, views=pool.views)}
    as_is = published(approach.name, 1000)[0]
    (opposite,) = run(approach, approach.reported.params, 1000, turned)
    assert opposite.accuracy == pytest.approx(1 - as_is.accuracy)


def test_does_not_change_the_images_it_learns_from(approach, image_sets):
    config = approach.trainable.Config(**approach.reported.params)
    support = taught(approach, config, image_sets)
    before = [view.clone() for view in (support.images, *support.more)]
    approach.trainable.fit(config, support, Streams(0))
    assert all(map(torch.equal, (support.images, *support.more), before))


def learns(approach, image_sets, metric, more_than, seeds):
    """Whether the published setting, or one of a few others as a sweep would try them, is that good on each seed.

    Published settings are kept as they are, also one that cannot learn (a learning rate of a millionth).
    """

    def is_good(params, seed):
        (result,) = run(approach, params, seed, image_sets)
        assert result.error is None
        return getattr(result, metric) > more_than

    candidates = [dict(approach.reported.params), *configurations(approach, 8)]
    return any(all(is_good(params, seed) for seed in seeds) for params in candidates)


def test_learns_an_easy_task(approach, image_sets):
    """Class 1 is bright above and dark below, class 0 the other way round, with the same mean."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 1000)
    images = rng.integers(80, 160, size=(2000, 28, 28), dtype=np.uint8)
    above_NHW, below_NHW = images[:, :14], images[:, 14:]
    for label, brighter, darker in ((0, below_NHW, above_NHW), (1, above_NHW, below_NHW)):
        brighter[labels == label] += 60
        darker[labels == label] -= 60
    pool = ImageSet(labels=labels, views={PIXELS: images, **pretended(approach.trainable.features, images)})
    easy = {**image_sets, VALIDATION: pool}
    assert learns(approach, easy, "accuracy", 0.9, range(2))


def test_is_better_than_chance_on_the_phantom(approach, image_sets):
    assert learns(approach, image_sets, "auroc", 0.6, range(1000, 1003))


# AUROC of two seeds at the published setting on the phantom, but for what makes training magnify the last digits, which
# another processor rounds differently: after ten steps where there are steps, and without attention at every stage of
# an untrained ResNet, which gives an AUROC anywhere from .38 to .81 for the same seed. A commit that changes one says
# so ("Numbers: ...") and raises NUMBERS_VERSION.
STEADY = {"resnet18_attention": {"position": "end"}}
GOLDEN = {
    "pixel_baseline": [0.9166, 0.9235],
    "starter_cnn": [0.8391, 0.7933],
    "cnn": [0.7252, 0.6326],
    "cnn_satoto": [0.6073, 0.5496],
    "cnn_cirillo": [0.7609, 0.7724],
    "cnn_attention": [0.5654, 0.6214],
    "resnet18": [0.6205, 0.7158],
    "resnet18_attention": [0.6998, 0.856],
    "cnn_resnet18_ensemble": [0.6811, 0.7675],
    "siamese_bce": [0.8123, 0.8662],
    "siamese_contrastive": [0.8115, 0.8713],
    "cnn_ensemble": [0.8823, 0.925],
    "alexnet": [0.9208, 0.9159],
    "vgg11": [0.9325, 0.9197],
    "vgg11_mlp": [0.92, 0.9218],
    "triplet": [0.8317, 0.8992],
    "vgg11_cnn": [0.901, 0.9212],
    "vgg11_rnn": [0.9145, 0.9252],
    "vgg11_lstm": [0.9267, 0.9252],
    "pixel_rnn": [0.5619, 0.4758],
    "pixel_lstm": [0.5143, 0.6228],
    "vgg11_rnn_hidden": [0.7013, 0.783],
    "vgg11_lstm_hidden": [0.3861, 0.8524],
    "vgg16": [0.92, 0.9182],
    "vgg11_bn": [0.9187, 0.9137],
    "vgg11_alexnet": [0.9351, 0.9276],
    "finetune": [0.8792, 0.9073],
    "vgg11_vgg16": [0.9315, 0.9251],
    "resnet50_focal": [0.8338, 0.844],
    "alexnet_focal": [0.9193, 0.9034],
    "vgg11_random": [0.9337, 0.9135],
}


def test_golden_numbers(approach, image_sets):
    params = {**approach.reported.params, **STEADY.get(approach.name, {})}
    if "steps" in params:
        params["steps"] = 10
    found = [run(approach, params, seed, image_sets)[0].auroc for seed in (1000, 1001)]
    if approach.name not in GOLDEN:
        pytest.fail(f'Add "{approach.name}": {[round(auroc, 4) for auroc in found]} to GOLDEN in this file.')
    assert found == pytest.approx(GOLDEN[approach.name], abs=0.02)


def test_golden_numbers_are_of_approaches():
    assert set(GOLDEN) <= {approach.name for approach in APPROACHES}


@pytest.mark.parametrize("challenge", [CHALLENGE1, CHALLENGE2], ids=lambda challenge: challenge.name)
def test_names_are_unique(challenge):
    names = [approach.name for approach in challenge.approaches]
    assert len(set(names)) == len(names)


def test_what_is_in_both_challenges_is_the_same():
    first = {approach.name: approach for approach in CHALLENGE1.approaches}
    assert [each == first[each.name] for each in CHALLENGE2.approaches if each.name in first] == [True]


class Stepwise(SeedTrainable):
    """Trained for real below by Tune's own interface, without Tune."""

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config:
        fail_at: int | None = None

    @classmethod
    def fit(cls, config, support, streams):
        if streams.seed == config.fail_at:
            raise RuntimeError("no luck")
        shift = streams.integer("any") % 7
        return lambda images: images.float().mean((1, 2)) - 128 + shift


def request(blocks, **params):
    return {"params": params, "blocks": blocks, "splits": [VALIDATION]}


def stepwise(image_sets, blocks, **params):
    trainable = Stepwise.__new__(Stepwise)
    trainable.setup(request(blocks, **params), image_sets=image_sets)
    return trainable


def test_a_step_ends_with_its_block(image_sets):
    trainable = stepwise(image_sets, [[1, 2, 3], [4]])
    first, second = trainable.step(), trainable.step()
    assert [result["seed"] for result in first["results"]] == [1, 2, 3]
    assert [result["seed"] for result in second["results"]] == [4]
    assert (first["done"], second["done"]) == (False, True)


def test_a_long_block_is_reported_in_parts(image_sets, monkeypatch):
    monkeypatch.setattr("trainables.protocol.STEP_SECONDS", 0.0)
    trainable = stepwise(image_sets, [[1, 2]])
    steps = [trainable.step(), trainable.step()]
    assert [[result["seed"] for result in step["results"]] for step in steps] == [[1], [2]]
    assert [step["done"] for step in steps] == [False, True]


def test_a_failed_seed_ends_the_trial_with_its_reason(image_sets):
    step = stepwise(image_sets, [[1, 2, 3], [4]], fail_at=2).step()
    assert [result["error"] and result["error"].split(" (")[0] for result in step["results"]] == [
        None,
        "RuntimeError: no luck",
    ]
    assert step["done"]


def test_a_reused_actor_gives_what_a_fresh_one_gives(image_sets):
    used = stepwise(image_sets, [[7]], fail_at=7)
    used.step()
    assert used.reset_config(request([[1, 2]]))
    fresh = stepwise(image_sets, [[1, 2]])
    strip = [{k: v for k, v in r.items() if k not in ("seconds", "timestamp_ms")} for r in used.step()["results"]]
    assert strip == [
        {k: v for k, v in r.items() if k not in ("seconds", "timestamp_ms")} for r in fresh.step()["results"]
    ]

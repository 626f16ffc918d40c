"""One suite for every approach of every challenge; none is named here."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import optuna
import pytest
import torch

from approaches import (
    APPROACHES,
    brief,
    brief_start_of,
    configurations,
    pretended,
    run,
    start_of,
    weights_of,
)
from sweeps.challenge1 import CHALLENGE as CHALLENGE1
from sweeps.challenge2 import CHALLENGE as CHALLENGE2
from sweeps.core.challenge import Challenge
from sweeps.stages.search import SearchStage
from sweeps.store.journal import Journal
from trainables.parts.datasets import BREASTMNIST, phantom_other
from trainables.parts.image_sets import POOL
from trainables.parts.protocol import TEST, VALIDATION, study_protocol
from trainables.parts.run_seed import prepare_worker, support_of
from trainables.parts.streams import Streams


@pytest.fixture(params=APPROACHES, ids=lambda approach: approach.name)
def approach(request):
    prepare_worker()
    return request.param


def test_challenge_1_takes_no_weights_and_no_other_images():
    """What it refuses to be given options about."""
    assert CHALLENGE1.is_from_scratch
    needs = [each.learner.may_need for each in CHALLENGE1.approaches]
    assert not any([*need.features, *need.other_datasets, *need.trained_backbones] for need in needs)


@pytest.fixture(scope="module")
def image_sets(phantom):
    """The phantom; of its test images every tenth, since all that is asked of them is the same numbers again."""
    other = phantom_other(BREASTMNIST)
    images = {**phantom.images(), other.name: other.images}
    labels = {**phantom.labels(), other.name: other.labels}
    kept = {name: slice(None, None, 10 if name == TEST else 1) for name in images}
    protocol = {POOL: phantom.protocol}
    return {name: pretended(images[name][kept[name]], labels[name][kept[name]], protocol.get(name)) for name in images}


@pytest.fixture(scope="module")
def trained(image_sets):
    """Results of an approach's start, in brief, on a seed; each is trained once for all tests."""

    @functools.cache
    def train(name, seed):
        approach = next(each for each in APPROACHES if each.name == name)
        return run(approach, brief_start_of(approach), seed, image_sets, (VALIDATION, TEST))

    return train


def numbers(results):
    return [dataclasses.replace(result, seconds=0, timestamp_ms=0) for result in results]


def taught(approach, config, image_sets):
    """What seed 0 has to learn from."""
    rows, _ = study_protocol().split(0)
    return support_of(approach.learner.needs(config), rows, image_sets, weights_of(approach))


def test_every_setting_to_start_with_lies_in_the_space_and_is_a_configuration(approach):
    published = [setting.params for setting in approach.published_settings.values()]
    for params in map(dict, [*published, *approach.starts]):
        suggested = optuna.trial.FixedTrial(params)
        approach.suggest(suggested)
        assert suggested.params == params
        for name, distribution in suggested.distributions.items():
            assert distribution._contains(distribution.to_internal_repr(params[name]))
        approach.learner.Config(**params)


def test_on_random_weights_no_larger_images_are_offered_than_are_computed(approach):
    backbones = {spec.backbone for spec in approach.features}
    (cheap,) = Challenge(name="", title="", approaches=(approach,)).with_random_weights(backbones).approaches
    # What is not tapped, but trained on, has one size for each backbone.
    is_tapped = hasattr(approach.learner, "taps")
    assert not is_tapped or len({spec.size_px for spec in cheap.features}) <= 1
    for params in (*configurations(cheap, 20), *([dict(cheap.start)] if cheap.start else [])):
        needs = cheap.learner.needs(cheap.learner.Config(**params))
        assert set(needs.features) <= set(cheap.features)
    # Nothing else of its space is lost, and what has no large images is as it was.
    if cheap.features == approach.features:
        assert cheap == approach
    else:
        assert "tap" in configurations(cheap, 1)[0]
    assert Challenge(name="", title="", approaches=(approach,)).with_random_weights([]).approaches == (approach,)


def test_variants_are_other_settings_and_have_names(approach):
    settings = [dict(setting.params) for setting in approach.published_settings.values()]
    assert all(params not in settings[:index] for index, params in enumerate(settings))
    for name in approach.published_settings:
        assert not name or name.isidentifier()


def test_published_results_are_complete_or_absent(approach):
    for setting in approach.published_settings.values():
        assert (setting.mean_percent is None) == (setting.sd_percent is None)
        # In per cent: a fraction would be below 1.
        assert setting.mean_percent is None or 1 < setting.mean_percent < 100
        assert setting.seeds is None or setting.mean_percent is not None
    assert approach.published is None or approach.published.note


def test_what_is_wrong_with_the_study_s_number_is_said_in_a_line(approach):
    fault = approach.published.fault if approach.published else None
    assert fault is None or (len(fault) <= 150 and "\n" not in fault and not fault.endswith("."))
    # A number that is no accuracy of the class needs a reason.
    assert approach.published is None or approach.published.is_class_accuracy or fault


def test_every_suggestion_is_a_configuration_whose_needs_are_among_those_declared(approach):
    may_need = approach.learner.may_need
    for params in (start_of(approach), *configurations(approach, 50)):
        needs = approach.learner.needs(approach.learner.Config(**params))
        assert needs.views
        assert set(needs.views) <= set(may_need.views)
        assert set(needs.other_datasets) <= set(may_need.other_datasets)
        assert set(needs.trained_backbones) <= set(may_need.trained_backbones)
        assert len(needs.trained_backbones) <= 1


def first_of_a_search(approach, folder):
    """The first configuration that a search of this approach trains."""
    journal = Journal(folder, write=True)
    stage = SearchStage(journal, [approach], lambda record: None, num_samples=1, seeds=1, search_seed=0)
    params = stage.next_task().params
    journal.close()
    return params


def test_without_anything_published_a_search_starts_from_the_sampler_s_own_draw(approach, tmp_path):
    unpublished = dataclasses.replace(approach, published=None)
    assert unpublished.start is None
    assert unpublished.published_settings == {}
    drawn = first_of_a_search(unpublished, tmp_path / "unpublished")
    assert first_of_a_search(approach, tmp_path / "as it is") == dict(approach.start or drawn)
    # The draw is complete, and depends on nothing but the search's seed.
    approach.suggest(optuna.trial.FixedTrial(drawn))
    approach.learner.Config(**drawn)
    assert first_of_a_search(unpublished, tmp_path / "again") == drawn


def test_misspelt_hyperparameter_is_a_failure_with_its_name(approach, image_sets):
    (result,) = run(approach, {**start_of(approach), "lerning_rate": 1}, 0, image_sets)
    assert "lerning_rate" in result.error


def test_says_what_it_is(approach):
    assert approach.about.endswith(".")
    assert approach.seconds_per_seed > 0


def test_same_seed_gives_the_same_bits_whatever_ran_before(approach, image_sets, trained):
    before = trained(approach.name, 1000)
    run(approach, brief(configurations(approach, 1)[0]), 1001, image_sets, (TEST,))
    torch.manual_seed(12345)
    np.random.seed(12345)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    again = run(approach, brief_start_of(approach), 1000, image_sets, (VALIDATION, TEST))
    assert numbers(before) == numbers(again)
    # And it leaves the global random state alone.
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert before[0].error is None


def test_another_seed_gives_other_numbers(approach, trained):
    assert trained(approach.name, 1000)[0].brier != trained(approach.name, 1001)[0].brier


def test_an_image_scored_alone_and_in_a_batch_has_the_same_logit(approach, image_sets):
    for params in [start_of(approach), *configurations(approach, 2, seed=1)]:
        config = approach.learner.Config(**brief(params))
        classifier = approach.learner.fit(config, taught(approach, config, image_sets), Streams(0))
        names = approach.learner.needs(config).view_names
        views = [torch.from_numpy(image_sets[TEST].view(name)[:8]) for name in names]
        with torch.inference_mode():
            together = classifier(*views)
            alone = torch.cat([classifier(*(view[i : i + 1] for view in views)) for i in range(8)])
        assert together.shape == (8,)
        torch.testing.assert_close(together.float(), alone.float(), rtol=1e-3, atol=1e-3)


def test_never_sees_a_validation_label(approach, image_sets, trained):
    """Validation images with all labels turned give exactly the opposite accuracy: nothing else has changed."""
    pool = image_sets[POOL]
    rows, _ = study_protocol().split(1000)
    turned_labels = 1 - pool.labels
    turned_labels[rows] = pool.labels[rows]
    turned = {**image_sets, POOL: dataclasses.replace(pool, labels=turned_labels)}
    as_is = trained(approach.name, 1000)[0]
    (opposite,) = run(approach, brief_start_of(approach), 1000, turned)
    assert opposite.accuracy == pytest.approx(1 - as_is.accuracy)


def test_does_not_change_the_images_it_learns_from(approach, image_sets):
    config = approach.learner.Config(**brief_start_of(approach))
    support = taught(approach, config, image_sets)
    before = [view.clone() for view in (support.images, *support.more)]
    approach.learner.fit(config, support, Streams(0))
    assert all(map(torch.equal, (support.images, *support.more), before))


def learns(approach, image_sets, metric, more_than, seeds, *cheaper):
    """Whether the cheaper settings, the start, or one of a few others as a sweep would try them, is good on each seed.

    Published settings are kept as they are, also one that cannot learn (a learning rate of a millionth). A fifth of the
    images to validate on is enough to see it.
    """
    pool = image_sets[POOL]
    fewer = dataclasses.replace(pool, protocol=dataclasses.replace(pool.protocol, validation=100))

    def is_good(params, seed):
        (result,) = run(approach, params, seed, {**image_sets, POOL: fewer})
        assert result.error is None
        return getattr(result, metric) > more_than

    candidates = [*cheaper, start_of(approach), *configurations(approach, 8)]
    return any(all(is_good(params, seed) for seed in seeds) for params in candidates)


@pytest.fixture(scope="module")
def easy(image_sets):
    """Class 1 is bright above and dark below, class 0 the other way round, with the same mean."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 1000)
    images = rng.integers(80, 160, size=(2000, 28, 28), dtype=np.uint8)
    above_NHW, below_NHW = images[:, :14], images[:, 14:]
    for label, brighter, darker in ((0, below_NHW, above_NHW), (1, above_NHW, below_NHW)):
        brighter[labels == label] += 60
        darker[labels == label] -= 60
    return {**image_sets, POOL: pretended(images, labels, study_protocol())}


def test_learns_an_easy_task(approach, easy):
    assert learns(approach, easy, "accuracy", 0.9, range(2), brief_start_of(approach))


def test_is_better_than_chance_on_the_phantom(approach, image_sets, trained):
    is_good_in_brief = all(trained(approach.name, seed)[0].auroc > 0.6 for seed in range(1000, 1003))
    assert is_good_in_brief or learns(approach, image_sets, "auroc", 0.6, range(1000, 1003))


# AUROC of two seeds at an approach's start on the phantom, after ten steps where there are steps (see also `STEADY`). A
# commit that changes one says so ("Numbers: ...") and raises NUMBERS_VERSION.
GOLDEN = {
    "pixel_baseline": [0.9166, 0.9235],
    "starter_cnn": [0.8391, 0.7933],
    "cnn": [0.7252, 0.6326],
    "cnn_satoto": [0.6073, 0.5496],
    "cnn_cirillo": [0.7609, 0.7724],
    "cnn_attention": [0.5654, 0.6214],
    "resnet18": [0.8535, 0.8076],
    "resnet18_attention": [0.7861, 0.726],
    "cnn_resnet18_ensemble": [0.8671, 0.6837],
    "siamese_bce": [0.8123, 0.8662],
    "siamese_contrastive": [0.8115, 0.8713],
    "cnn_ensemble": [0.7998, 0.8777],
    "cnn_hog": [0.875, 0.9245],
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
    "cnn_transfer": [0.8419, 0.8342],
    "triplet_finetune": [0.8615, 0.9112],
    "efficientnet_lite0": [0.936, 0.9379],
    "lite0_mlp": [0.9366, 0.9411],
    "lite0_focal": [0.9045, 0.9342],
    "lite0_triplet": [0.9275, 0.9296],
    "resnet18_frozen": [0.9393, 0.9401],
    "densenet121": [0.9393, 0.9401],
    "dinov2_small": [0.9393, 0.9401],
    "convnext_tiny": [0.9393, 0.9401],
    "timm_backbone": [0.9388, 0.9397],
}


def test_golden_numbers(approach, trained):
    found = [trained(approach.name, seed)[0].auroc for seed in (1000, 1001)]
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

"""`--set`: a space made narrower without code."""

from __future__ import annotations

import optuna
import pytest

from search_spaces import cnn
from sweeps import challenge1, challenge2
from sweeps.core.errors import BadInput
from sweeps.core.narrowing import Setting, parameters

CHALLENGE = challenge1.CHALLENGE


def drawn(challenge, name, count=60):
    """Configurations of an approach, by Optuna's own random sampler."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    (approach,) = challenge.named([name])
    found = []
    for _ in range(count):
        trial = study.ask()
        approach.suggest(trial)
        found.append(trial.params)
    return found


def test_ranges_are_narrowed_and_values_fixed_of_the_approaches_that_are_meant():
    settings = ["learning_rate=1e-3..2e-3", "dropout=0.3", "cnn.blocks=2,3", "steps=40..50"]
    narrowed = CHALLENGE.with_settings(settings, ["cnn", "cnn_satoto"])
    for name, blocks in (("cnn", {2, 3}), ("cnn_satoto", {2, 3, 4})):
        found = drawn(narrowed, name)
        assert all(1e-3 <= params["learning_rate"] <= 2e-3 for params in found)
        assert {params["dropout"] for params in found} == {0.3}
        assert {params["blocks"] for params in found} == blocks
        assert {params["steps"] for params in found} <= set(range(40, 51))
    assert {params["blocks"] for params in drawn(CHALLENGE, "cnn")} == {2, 3, 4}


def test_what_is_said_of_one_approach_counts_before_what_is_said_of_all():
    for settings in (["cnn.dropout=0.1", "dropout=0.2"], ["dropout=0.2", "cnn.dropout=0.1"]):
        narrowed = CHALLENGE.with_settings(settings, ["cnn", "cnn_satoto"])
        assert {params["dropout"] for params in drawn(narrowed, "cnn", 5)} == {0.1}
        assert {params["dropout"] for params in drawn(narrowed, "cnn_satoto", 5)} == {0.2}


@pytest.mark.parametrize(
    ("settings", "taps", "sizes_px", "is_started"),
    [
        ([], {"3@64"}, {64}, False),
        (["tap=4@128"], {"4@128"}, {128}, False),
        (["vgg11.tap=4@96,3@64"], {"4@96", "3@64"}, {64, 96}, False),
        (["tap=5@224"], {"5@224"}, {224}, True),
    ],
)
def test_random_weights_see_larger_images_where_a_person_asks_for_them(settings, taps, sizes_px, is_started):
    challenge = challenge2.CHALLENGE.with_settings(settings, ["vgg11"]).with_random_weights({"vgg11"})
    (approach,) = challenge.named(["vgg11"])
    assert {params["tap"] for params in drawn(challenge, "vgg11")} == taps
    assert {spec.size_px for spec in approach.features} == sizes_px
    assert (approach.start is not None) == is_started


@pytest.mark.parametrize(
    ("settings", "taps", "sizes_px"),
    [
        ([], {"1/4@small"}, {96}),
        (["tap=1/4@LARGE"], {"1/4@large"}, {144}),
        (["tap=1/4@small"], {"1/4@small"}, {96}),
    ],
)
def test_so_they_do_where_a_network_takes_other_sizes_than_its_taps_are_called_by(settings, taps, sizes_px):
    """A vision transformer of patches of 16 pixels takes 144 where 140 were wanted."""
    challenge = challenge2.CHALLENGE.with_backbone("test_vit").with_settings(settings, ["timm_backbone"])
    challenge = challenge.with_random_weights({"timm:test_vit"})
    (approach,) = challenge.named(["timm_backbone"])
    found = drawn(challenge, "timm_backbone")
    assert taps <= {params["tap"] for params in found}
    assert {spec.size_px for spec in approach.features} == sizes_px
    needed = {spec for params in found for spec in approach.learner.needs(approach.learner.Config(**params)).features}
    assert needed <= set(approach.features)


@pytest.mark.parametrize(
    ("setting", "sizes_px"),
    [("tap=2@64", {64}), ("tap=2@80,8@140", {80, 140}), ("tap=2@64&6@140", {64, 140}), ("head=lda", {64, 80, 96, 140})],
)
def test_only_features_that_a_setting_leaves_are_computed(setting, sizes_px):
    challenge = challenge2.CHALLENGE.with_settings([setting], ["efficientnet_lite0"])
    (approach,) = challenge.named(["efficientnet_lite0"])
    assert {spec.size_px for spec in approach.features} == sizes_px
    configs = [approach.learner.Config(**params) for params in drawn(challenge, "efficientnet_lite0")]
    assert {spec for config in configs for spec in approach.learner.needs(config).features} <= set(approach.features)


def test_a_pretrained_partner_sees_what_it_always_sees():
    (alone,) = challenge2.CHALLENGE.with_random_weights({"vgg16"}).named(["vgg11_vgg16"])
    assert alone.most_px is None
    (both,) = challenge2.CHALLENGE.with_random_weights({"vgg11", "vgg16"}).named(["vgg11_vgg16"])
    assert both.most_px == 64


def test_a_range_is_searched_where_the_approach_has_it():
    (approach,) = CHALLENGE.with_settings(["learning_rate=1e-9..1e-3"], ["cnn"]).named(["cnn"])
    trial = optuna.create_study().ask()
    approach.suggest(trial)
    distribution = trial.distributions["learning_rate"]
    assert (distribution.low, distribution.high, distribution.log) == (1e-4, 1e-3, True)


def test_parameters_that_only_some_configurations_have_are_known():
    assert {"gain_spread", "reflect"} <= set(parameters(CHALLENGE.named(["cnn_ensemble"])[0].suggest))
    assert parameters(cnn.suggest) == ["normalisation", "learning_rate", "weight_decay", "steps", "averaging", "loss",
                                       "statistics_memory", "blocks", "dropout"]  # fmt: skip


def test_the_published_setting_is_tried_if_it_is_within():
    (approach,) = CHALLENGE.named(["cnn"])
    steps = approach.start["steps"]
    (within,) = CHALLENGE.with_settings([f"steps={steps}"], ["cnn"]).named(["cnn"])
    (outside,) = CHALLENGE.with_settings([f"steps={steps + 1}"], ["cnn"]).named(["cnn"])
    assert within.start == approach.start
    assert outside.start is None


def test_of_a_portfolio_only_what_is_within_is_tried():
    (whole,) = CHALLENGE.named(["pixel_baseline"])
    name, value = next(iter(whole.starts[0].items()))
    (narrowed,) = CHALLENGE.with_settings([f"pixel_baseline.{name}={value}"], ["pixel_baseline"]).named(
        ["pixel_baseline"]
    )
    assert narrowed.starts == tuple(params for params in whole.starts if params[name] == value)
    assert 0 < len(narrowed.starts) < len(whole.starts)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["learning_rat=1e-3"], r"cnn: .*learning_rate, .*got learning_rat=1e-3"),
        (["resnet18.steps=50"], r"got resnet18\.steps=50"),
        (
            ["learning_rate=1..2"],
            r"--set of cnn to be something within 0\.0001 to 0\.03 for learning_rate; got learning_rate=1\.\.2",
        ),
        (["blocks=5"], r"some of 2, 3, 4 for blocks; got blocks=5"),
        (["blocks=2,5"], r"some of 2, 3, 4"),
        (["loss=1..2"], r"some of cross_entropy, cosine, cosine_cross_entropy"),
        (["steps=40.5"], r"whole numbers within 30 to 100"),
        (["dropout=0.1,0.2"], r"a number or a range within 0 to 0\.6"),
        (["dropout=much"], r"a number or a range within 0 to 0\.6"),
        (["dropout=0.1", "dropout=0.2"], r"one for each parameter, not two of dropout; got dropout=0\.1, dropout=0\.2"),
        (["cnn.dropout=0.1", "dropout=0.2"], r"other settings leave to be searched, .*got dropout=0\.2"),
    ],
)
def test_what_cannot_be_is_refused(settings, told):
    with pytest.raises(BadInput, match=told):
        CHALLENGE.with_settings(settings, ["cnn"])


@pytest.mark.parametrize(
    "text", ["steps", "=3", "steps=", "steps=5..", "steps=a..b", "steps=9..3", "a b=3", "x=nan..1"]
)
def test_what_is_no_setting_is_no_setting(text):
    with pytest.raises(ValueError, match="expected"):
        Setting.read(text)


def test_the_baseline_changes_only_if_it_is_meant():
    names = ["pixel_baseline", "densenet121"]
    (baseline,) = challenge2.CHALLENGE.named(names[:1])
    same, other = challenge2.CHALLENGE.with_settings(["logistic_c=1"], names).named(names)
    assert same == baseline
    assert other.settings
    (meant,) = challenge2.CHALLENGE.with_settings(["pixel_baseline.logistic_c=1"], names).named(names[:1])
    assert meant.settings
    with pytest.raises(BadInput, match="of the baseline with its name before it"):
        challenge2.CHALLENGE.with_settings(["logistic_c=1"], names[:1])


def test_the_choices_of_truth_and_of_words_are_written_as_python_has_them():
    assert Setting.read("reflect=true").of_choices([False, True]) == [True]
    assert Setting.read("averaging=.8").of_choices([0.0, 0.8]) == [0.8]
    assert Setting.read("blocks=2..3").of_choices([2, 3, 4]) == [2, 3]

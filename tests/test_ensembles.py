from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from trainables import cnn_ensemble, cnn_resnet18_ensemble
from trainables.cnn_ensemble import CNNEnsemble, CnnEnsembleConfig
from trainables.cnn_resnet18_ensemble import CNNResNet18Ensemble, EnsembleConfig, JointNetwork
from trainables.parts.augmentation import augment
from trainables.parts.learner import Support
from trainables.parts.networks import Ends, classifying, custom_stages, pooled_classifying, resnet18_stages
from trainables.parts.scratch import fit_network
from trainables.parts.side_by_side import fit_side_by_side
from trainables.parts.streams import Streams

COMMON = {
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "steps": 4,
    "normalisation": "fixed",
    "augmentation": "both",
    "gain_spread": 0.2,
    "elastic_sigma_px": 1.0,
    "rotation_deg": 20.0,
    "reflect": True,
    "dropout": 0.2,
}


def several(**changes):
    return CnnEnsembleConfig(**{**COMMON, "members": 3, "blocks": 4, "statistics_memory": 0.5, **changes})


def two(combination, **changes):
    return EnsembleConfig(**{**COMMON, "shape": "7x7-8", "combination": combination, **changes})


GREY_OF_TWO = Ends(inputs=1, outputs=1)
EACH = {
    "several": (CNNEnsemble, several()),
    "several of three blocks": (CNNEnsemble, several(blocks=3)),
    "joint": (CNNResNet18Ensemble, two("joint")),
    "average": (CNNResNet18Ensemble, two("average")),
}


@pytest.fixture(scope="module")
def support():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 28, 28), dtype=np.uint8)
    return Support(images=torch.from_numpy(images), labels=torch.tensor([0] * 5 + [1] * 5), classes=2)


@pytest.fixture(scope="module")
def others():
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, (20, 28, 28), dtype=np.uint8))


def scored(classifier, images):
    with torch.inference_mode():
        return classifier(images)


def mean_of_probabilities(members, images):
    mean = np.mean([1 / (1 + np.exp(-scored(member, images).double().numpy())) for member in members], axis=0)
    return np.log(mean / (1 - mean))


@pytest.fixture
def fitted(monkeypatch):
    """What an ensemble trains: classifiers, each with the streams of its members."""
    found = []

    def watched(fit):
        def fit_and_remember(build, augment, config, support, streams, *more):
            found.append((fit(build, augment, config, support, streams, *more), streams))
            return found[-1][0]

        return fit_and_remember

    monkeypatch.setattr(cnn_ensemble, "fit_side_by_side", watched(fit_side_by_side))
    monkeypatch.setattr(cnn_resnet18_ensemble, "fit_network", watched(fit_network))
    return found


@pytest.mark.parametrize(("approach", "config"), EACH.values(), ids=EACH)
def test_logits_are_finite_and_one_an_image(approach, config, support, others):
    found = scored(approach.fit(config, support, Streams(0)), others)
    assert found.shape == (20,)
    assert found.isfinite().all()
    assert len(found.unique()) > 1


@pytest.mark.parametrize(("approach", "config"), EACH.values(), ids=EACH)
def test_same_seed_gives_the_same_and_another_does_not(approach, config, support, others):
    found = [scored(approach.fit(config, support, Streams(seed)), others) for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("blocks", [3, 4])
def test_several_networks_vote_by_their_mean_probability(members, blocks, support, others):
    # Dropout draws once for all members.
    config = several(members=members, blocks=blocks, dropout=0.0)
    singles = [
        fit_network(
            lambda ends: CNNEnsemble.network(config, ends),
            lambda images, generator: augment(config, images, generator),
            config,
            support,
            Streams(3).within(f"member {number}"),
        )
        for number in range(members)
    ]
    found = scored(CNNEnsemble.fit(config, support, Streams(3)), others)
    assert found.numpy() == pytest.approx(mean_of_probabilities(singles, others), abs=1e-4)


def test_the_two_networks_vote_by_their_mean_probability(support, others):
    config = two("average")
    builds = {
        "cnn": lambda ends: classifying(custom_stages(), dropout=config.dropout),
        "resnet18": lambda ends: pooled_classifying(resnet18_stages(config.shape)),
    }
    singles = [
        fit_network(
            build,
            lambda images, generator: augment(config, images, generator),
            config,
            support,
            Streams(3).within(name),
        )
        for name, build in builds.items()
    ]
    found = scored(CNNResNet18Ensemble.fit(config, support, Streams(3)), others)
    assert found.numpy() == pytest.approx(mean_of_probabilities(singles, others), abs=1e-4)


@pytest.mark.parametrize("combination", ["joint", "average"])
@pytest.mark.parametrize(("shape", "differs"), [("7x7-64", True), ("7x7-8", False)])
def test_a_wide_resnet18_is_trained_in_the_precision_of_the_support(combination, shape, differs, support, others):
    config = two(combination, shape=shape, steps=2)
    exact, fast = (
        scored(CNNResNet18Ensemble.fit(config, replace(support, precision=precision), Streams(3)), others)
        for precision in ("float32", "bfloat16")
    )
    assert torch.equal(exact, fast) is not differs


def test_members_of_several_differ_in_everything_random(support, others, fitted):
    found = scored(CNNEnsemble.fit(several(members=4), support, Streams(0)), others)
    ((members, streams_of_members),) = fitted
    for name in ("initialisation", "augmentation"):
        assert len({streams.integer(name) for streams in streams_of_members}) == 4
    logits = scored(members, others)
    assert torch.pdist(logits).min() > 1e-2
    each = [lambda images, own=own: own for own in logits]
    assert found.numpy() == pytest.approx(mean_of_probabilities(each, others), abs=1e-4)


def test_the_two_networks_differ_in_everything_random(support, others, fitted):
    found = scored(CNNResNet18Ensemble.fit(two("average"), support, Streams(0)), others)
    for name in ("initialisation", "augmentation", "dropout"):
        assert len({streams.integer(name) for _, streams in fitted}) == len(fitted) == 2
    logits = torch.stack([scored(member, others) for member, _ in fitted])
    assert torch.pdist(logits).min() > 1e-2
    assert found.numpy() == pytest.approx(mean_of_probabilities([member for member, _ in fitted], others), abs=1e-4)


def test_another_member_changes_none(support, others, fitted):
    for members in (2, 3):
        CNNEnsemble.fit(several(members=members, dropout=0.0), support, Streams(0))
    few, many = (scored(members, others) for members, _ in fitted)
    torch.testing.assert_close(few, many[:2], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("blocks", "inputs"), [(2, 32 * 7 * 7), (3, 64 * 3 * 3), (4, 64)])
def test_blocks_are_the_network_s(blocks, inputs):
    network = CNNEnsemble.network(several(blocks=blocks, dropout=0.35), GREY_OF_TWO)
    kinds = {
        kind: [module for module in network.modules() if isinstance(module, kind)] for kind in (nn.Conv2d, nn.Linear)
    }
    (dropout,) = [module for module in network.modules() if isinstance(module, nn.Dropout)]
    assert len(kinds[nn.Conv2d]) == blocks
    assert [layer.in_features for layer in kinds[nn.Linear]] == [inputs]
    assert dropout.p == 0.35


def test_joint_features_are_those_of_both_networks():
    torch.manual_seed(0)
    network, images = JointNetwork(two("joint"), GREY_OF_TWO).eval(), torch.randn(3, 1, 28, 28)
    custom, resnet = network.branches
    linear = network.head[0]
    assert linear.in_features == 64 + 8 * 8
    expected = []
    for image in images[:, None]:
        seen = torch.cat([custom(image)[0], resnet(image)[0]])
        expected.append((linear.weight[0] @ seen + linear.bias).item())
    assert network(images).tolist() == pytest.approx(expected, abs=1e-4)


def test_joint_training_reaches_every_weight_of_both():
    torch.manual_seed(0)
    network = JointNetwork(two("joint"), GREY_OF_TWO)
    network(torch.randn(10, 1, 28, 28)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_joint_fit_trains_both(support, monkeypatch):
    built = []

    def network(config, ends):
        built.append(JointNetwork(config, ends))
        built.append({name: parameter.detach().clone() for name, parameter in built[0].named_parameters()})
        return built[0]

    monkeypatch.setattr(CNNResNet18Ensemble, "network", network)
    CNNResNet18Ensemble.fit(two("joint"), support, Streams(0))
    trained, start = built
    assert not trained.training
    for name, parameter in trained.named_parameters():
        assert not torch.equal(parameter, start[name]), name


def test_joint_dropout_is_before_the_linear_layer():
    network, images = JointNetwork(two("joint", dropout=0.5), GREY_OF_TWO), torch.randn(10, 1, 28, 28)
    assert network.dropout.p == 0.5
    for branch in network.branches:
        branch.eval()
    network.dropout.train()
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


def test_unknown_combination_is_an_error_with_the_choices(support):
    with pytest.raises(ValueError, match="Expected a combination from joint, average; got 'product'"):
        CNNResNet18Ensemble.fit(two("product"), support, Streams(0))

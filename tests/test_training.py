import math

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.utils.class_weight import compute_sample_weight
from torch import nn
from torch.nn import functional
from torch.nn.functional import l1_loss, mse_loss

from trainables.parts.streams import Streams
from trainables.parts.torchvision_import import torchvision
from trainables.parts.training import (
    COSINE_SCALE,
    TrainingConfig,
    channels_last,
    classifier_of,
    cosine_logits,
    cosine_loss,
    cross_entropy,
    focal_loss,
    mean_probability,
    outputs_for,
    train,
)

EXTREMES = [-1000.0, -90.0, -17.0, 0.0, 1e-3, 17.0, 90.0, 1000.0]


def always(values):
    return lambda images: torch.tensor(values)


def probability(logits):
    return 1 / (1 + np.exp(-np.asarray(logits, dtype=np.float64)))


@pytest.mark.parametrize("members", [1, 2, 5])
def test_mean_probability_is_the_mean_of_the_members(members):
    logits = 4 * torch.randn(members, 50, generator=torch.Generator().manual_seed(0))
    found = mean_probability([always(row.tolist()) for row in logits])(torch.zeros(50))
    mean = probability(logits).mean(0)
    assert found.shape == (50,)
    assert found.numpy() == pytest.approx(np.log(mean / (1 - mean)), abs=1e-4)


@pytest.mark.parametrize("copies", [1, 3])
def test_mean_probability_of_one_member_is_that_member(copies):
    found = mean_probability([always(EXTREMES)] * copies)(torch.zeros(len(EXTREMES)))
    assert found.tolist() == pytest.approx(EXTREMES, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([1000.0, -1000.0], 0.0),
        ([90.0, -90.0], 0.0),
        # Half of next to nothing: the smaller probability of the other class is lost beside the larger.
        ([-1000.0, -900.0], -900 - math.log(2)),
        ([1000.0, 900.0], 900 + math.log(2)),
        ([1000.0, 0.0], math.log(3)),
        ([-1000.0, 0.0], -math.log(3)),
    ],
)
def test_mean_probability_is_exact_where_a_probability_rounds_to_0_or_1(logits, expected):
    found = mean_probability([always([logit]) for logit in logits])(torch.zeros(1))
    assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_every_member_sees_the_images():
    images = torch.arange(3.0)
    found = mean_probability([lambda each: each, lambda each: each * 1.0])(images)
    assert found.tolist() == pytest.approx([0, 1, 2], abs=1e-6)


class Constant(nn.Module):
    """The same output for every image, to be learned."""

    def __init__(self, start=0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(start))

    def forward(self, images):
        assert self.training
        return self.value.expand(len(images))


def config(**changes):
    return TrainingConfig(**{"learning_rate": 0.05, "weight_decay": 0.0, "steps": 400, **changes})


FEW = torch.tensor([0, 0, 0, 1])


@pytest.mark.parametrize(
    ("loss", "targets", "best"),
    [([], FEW, 0.0), ([mse_loss], FEW.float(), 0.25), ([l1_loss], FEW.float(), 0.0)],
    ids=["log-odds of classes that count the same", "mean", "median"],
)
def test_training_minimises_the_given_loss(loss, targets, best):
    model = Constant(1.0)
    train(model, lambda step: torch.zeros(4), targets, config(), Streams(0), *loss)
    assert model.value.item() == pytest.approx(best, abs=0.05)


def test_training_leaves_eval_mode():
    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5), nn.BatchNorm1d(1), nn.Flatten(0)).eval()
    train(model, lambda step: torch.randn(4, 1), FEW, config(steps=1), Streams(0))
    assert not any(module.training for module in model.modules())
    assert model[2].num_batches_tracked == 1


def test_each_step_gets_its_own_batch_and_all_targets():
    asked, seen = [], []
    model = Constant()
    model.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].tolist()))

    def batch_of_step(step):
        asked.append(step)
        return torch.full((4,), float(step))

    train(model, batch_of_step, FEW, config(steps=5), Streams(0))
    assert asked == [0, 1, 2, 3, 4]
    assert seen == [[float(step)] * 4 for step in range(5)]


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_steps_are_adam_s_with_decay_beside_the_gradient(weight_decay):
    model = Constant(1.0)
    targets = FEW.float()
    train(model, lambda step: torch.zeros(4), targets, config(steps=7, weight_decay=weight_decay), Streams(0), mse_loss)
    value, mean, square = 1.0, 0.0, 0.0
    for step in range(1, 8):
        slope = 2 * (value - 0.25)
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        value -= 0.05 * weight_decay * value
        value -= 0.05 * (mean / (1 - 0.9**step)) / (math.sqrt(square / (1 - 0.999**step)) + 1e-8)
    assert model.value.item() == pytest.approx(value, abs=1e-5)


def test_gradients_of_before_are_forgotten():
    fresh, used = Constant(1.0), Constant(1.0)
    used.value.grad = torch.tensor(100.0)
    for model in (fresh, used):
        train(model, lambda step: torch.zeros(4), FEW, config(steps=3), Streams(0))
    assert torch.equal(fresh.value, used.value)


def trained_with_dropout(seed):
    model = nn.Sequential(nn.Linear(8, 1), nn.Dropout(0.5), nn.Flatten(0))
    nn.init.ones_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    train(model, lambda step: torch.ones(4, 8), FEW, config(steps=10), Streams(seed))
    return model[0].weight.detach()


def test_dropout_draws_from_the_seed_s_stream_alone():
    before = torch.get_rng_state()
    first = trained_with_dropout(1)
    torch.manual_seed(99)
    assert torch.equal(trained_with_dropout(1), first)
    assert not torch.equal(trained_with_dropout(2), first)
    torch.set_rng_state(before)
    train(nn.Sequential(nn.Dropout(0.5), Constant()), lambda step: torch.ones(4), FEW, config(steps=3), Streams(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_classifier_prepares_its_images():
    classifier = classifier_of(nn.Flatten(0), lambda images: 2 * images[:, None])
    assert classifier(torch.arange(3.0)).tolist() == [0, 2, 4]


def test_channels_last_changes_the_layout_and_no_number():
    torch.manual_seed(0)
    model, images = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 2, 3)), torch.randn(2, 3, 9, 9)
    before, weights = model(images), [parameter.detach().clone() for parameter in model.parameters()]
    model = channels_last(model)
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), weights, strict=True))
    torch.testing.assert_close(model(images), before, rtol=1e-4, atol=1e-5)


def weights_after_each_step(steps, averaging, build):
    """The model's state after each step, and the one that training leaves."""
    torch.manual_seed(0)
    model, seen = build(), []
    # A batch is asked for before its step, so the state after the last step is the last of a longer training.
    train(
        model,
        lambda step: (seen.append({k: v.clone() for k, v in model.state_dict().items()}), torch.ones(4, 2))[1],
        FEW,
        config(steps=steps, averaging=averaging),
        Streams(0),
    )
    return seen[1:], model.state_dict()


def small_network():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1), nn.Flatten(0))


@pytest.mark.parametrize("averaging", [0.5, 0.9])
def test_averaging_is_an_exponential_mean_of_weights_and_statistics(averaging):
    states, _ = weights_after_each_step(6, 0.0, small_network)
    _, found = weights_after_each_step(5, averaging, small_network)
    assert {"1.running_mean", "0.weight"} <= set(found)
    for name, value in found.items():
        if value.is_floating_point():
            expected = states[0][name]
            for state in states[1:]:
                expected = averaging * expected + (1 - averaging) * state[name]
            torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)


def test_without_averaging_the_last_weights_stay():
    states, _ = weights_after_each_step(6, 0.0, small_network)
    _, found = weights_after_each_step(5, 0.0, small_network)
    assert all(torch.equal(value, states[-1][name]) for name, value in found.items())


OUTPUTS = torch.tensor([[3.0, 0.0], [1.0, 1.0], [0.0, 0.5], [-2.0, 1.0]])


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_cosine_loss_agrees_with_loops(weight):
    total = 0.0
    for (zero, one), label in zip(OUTPUTS.tolist(), [0, 1, 0, 1], strict=True):
        length = math.hypot(zero, one)
        total += 1 - (one if label else zero) / length
        right = COSINE_SCALE * (one - zero) / length * (1 if label else -1)
        total += weight * math.log(1 + math.exp(-right))
    found = cosine_loss(weight)(OUTPUTS, torch.tensor([0, 1, 0, 1]))
    assert float(found) == pytest.approx(total / 4, abs=1e-6)


def test_cosine_log_odds_know_directions_and_no_lengths():
    found = cosine_logits(OUTPUTS)
    assert found[:3].tolist() == pytest.approx([-COSINE_SCALE, 0.0, COSINE_SCALE], abs=1e-6)
    torch.testing.assert_close(cosine_logits(7 * OUTPUTS), found)


LOGITS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 3, 1, 2, 3, 3])


@pytest.mark.parametrize(("classes", "outputs"), [(2, 1), (3, 3), (9, 9)])
def test_two_classes_have_one_output(classes, outputs):
    assert outputs_for(classes) == outputs


def test_cross_entropy_is_torch_s_of_both_kinds_of_logits():
    assert torch.equal(cross_entropy(LOGITS[:4], LABELS[:4]), functional.cross_entropy(LOGITS[:4], LABELS[:4]))
    two = torch.tensor([0, 1, 1, 0, 0, 1])
    expected = functional.binary_cross_entropy_with_logits(LOGITS[:, 0], two.float())
    assert torch.equal(cross_entropy(LOGITS[:, 0], two), expected)
    # Log-odds are the same question as logits of two classes whose difference they are.
    both = torch.stack([LOGITS[:, 1], LOGITS[:, 1] + LOGITS[:, 0]], dim=1)
    torch.testing.assert_close(cross_entropy(both, two), expected)


@pytest.mark.parametrize("labels", [[0, 1, 1, 1, 1, 1], [1, 0, 0, 1, 0, 1], [0, 3, 1, 2, 3, 3], [2, 0, 1, 1, 0, 2]])
def test_every_class_counts_the_same_however_many_images_it_has(labels):
    """scikit-learn's "balanced" weights are the oracle."""
    labels_N, balanced_N = torch.tensor(labels), compute_sample_weight("balanced", labels)
    classes = max(labels) + 1
    if classes == 2:
        p_NK = np.stack([expit(-LOGITS[:, 0].double()), expit(LOGITS[:, 0].double())], axis=1)
        found = cross_entropy(LOGITS[:, 0], labels_N)
    else:
        p_NK = softmax(LOGITS[:, :classes].numpy().astype(np.float64), axis=1)
        found = cross_entropy(LOGITS[:, :classes], labels_N)
    expected = log_loss(labels, p_NK, sample_weight=balanced_N, labels=range(classes))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    away_N = 1 - cosine_similarity(LOGITS[:, :classes].numpy(), np.eye(classes, dtype=np.float32))[range(6), labels]
    assert float(cosine_loss(0.0)(LOGITS[:, :classes], labels_N)) == pytest.approx(
        np.average(away_N, weights=balanced_N), rel=1e-5
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.8])
def test_focal_loss_is_the_sum_of_torchvision_s_over_classes(gamma, alpha):
    sigmoid_focal_loss = torchvision.ops.sigmoid_focal_loss
    is_so = functional.one_hot(LABELS, 4).float()
    expected = sigmoid_focal_loss(LOGITS, is_so, alpha=alpha, gamma=gamma).sum(1).mean()
    torch.testing.assert_close(focal_loss(gamma, alpha)(LOGITS, LABELS), expected)
    two = LABELS % 2
    expected = sigmoid_focal_loss(LOGITS[:, 0], two.float(), alpha=alpha, gamma=gamma, reduction="mean")
    torch.testing.assert_close(focal_loss(gamma, alpha)(LOGITS[:, 0], two), expected)


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_cosine_loss_of_more_classes_agrees_with_sklearn(weight):
    cosines = cosine_similarity(LOGITS.numpy(), np.eye(4, dtype=np.float32))
    assert cosine_logits(LOGITS).numpy() == pytest.approx(COSINE_SCALE * cosines, abs=1e-5)
    away = 1 - cosines[np.arange(6), LABELS.numpy()]
    p_NK, balanced_N = softmax(COSINE_SCALE * cosines.astype(float), axis=1), compute_sample_weight("balanced", LABELS)
    entropy = log_loss(LABELS.numpy(), p_NK, labels=range(4), sample_weight=balanced_N)
    expected = np.average(away, weights=balanced_N) + weight * entropy
    assert float(cosine_loss(weight)(LOGITS, LABELS)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("members", [1, 2, 5])
def test_mean_probability_of_more_classes_is_the_mean_of_the_members(members):
    logits = 4 * torch.randn(members, 50, 3, generator=torch.Generator().manual_seed(0))
    found = mean_probability([lambda images, own=own: own for own in logits])(torch.zeros(50))
    assert found.shape == (50, 3)
    mean = softmax(logits.double().numpy(), axis=2).mean(0)
    assert softmax(found.double().numpy(), axis=1) == pytest.approx(mean, abs=1e-6)


def test_mean_probability_of_more_classes_is_exact_where_a_probability_rounds_to_0():
    members = torch.tensor([[[0.0, -1000.0, -2000.0]], [[0.0, -900.0, -2000.0]]])
    found = mean_probability([lambda images, own=own: own for own in members])(torch.zeros(1))[0]
    assert (found - found[0]).tolist() == pytest.approx([0, -900 - math.log(2), -2000], abs=1e-3)

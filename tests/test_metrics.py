from decimal import Decimal

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from trainables.parts.metrics import METRICS, metric_names, metrics_of, score
from trainables.parts.results import SeedResult, count_of, packed, unpacked_hits


def with_ties(seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(200) % 2 if seed % 2 else np.arange(200) % 5 // 4)
    logits = np.round(rng.normal(labels - 0.5, 1.5), 1)
    return logits, labels


SECOND_OPINIONS = {
    "accuracy": lambda labels, logits: sk.accuracy_score(labels, expit(logits) >= 0.5),
    "balanced_accuracy": lambda labels, logits: sk.balanced_accuracy_score(labels, expit(logits) >= 0.5),
    "auroc": lambda labels, logits: np.mean(
        [np.sign(a - b) / 2 + 0.5 for a in logits[labels == 1] for b in logits[labels == 0]]
    ),
    "sensitivity": lambda labels, logits: sk.recall_score(labels, expit(logits) >= 0.5, pos_label=1),
    "specificity": lambda labels, logits: sk.recall_score(labels, expit(logits) >= 0.5, pos_label=0),
    "brier": lambda labels, logits: sk.brier_score_loss(labels, expit(logits)),
}


def test_every_metric_has_a_second_opinion():
    assert set(METRICS) == set(SECOND_OPINIONS)
    assert set(score(*with_ties(0))) == set(METRICS)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(6))
def test_metric_agrees_with_its_second_opinion(metric, seed):
    logits, labels = with_ties(seed)
    assert len(set(logits)) < len(logits)
    assert score(logits, labels)[metric] == pytest.approx(SECOND_OPINIONS[metric](labels, logits), abs=1e-12)


def test_single_precision_gives_the_same():
    logits, labels = with_ties(0)
    assert score(logits.astype(np.float32), labels) == pytest.approx(score(logits, labels), abs=1e-6)


def test_an_even_chance_is_called_pneumonia():
    found = score(np.array([0.0, 0.0]), np.array([0, 1]))
    assert (found["sensitivity"], found["specificity"]) == (1, 0)
    assert found["auroc"] == 0.5
    assert found["brier"] == 0.25


def test_just_below_an_even_chance_is_called_normal():
    found = score(np.array([-1e-6, -1e-6]), np.array([0, 1]))
    assert (found["sensitivity"], found["specificity"]) == (0, 1)


def test_the_threshold_is_not_the_starter_code_s():
    assert score(np.array([0.3, -0.3]), np.array([1, 0]))["accuracy"] == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_perfect_and_perfectly_wrong(sign):
    found = score(sign * np.array([-1000.0, -1000.0, 1000.0]), np.array([0, 0, 1]))
    expected = float(sign > 0)
    assert all(found[metric] == expected for metric in METRICS if metric != "brier")
    assert found["brier"] == 1 - expected


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_an_error(broken):
    with pytest.raises(ValueError, match="2 of 4 logits are not finite"):
        score(np.array([0.0, broken, 1.0, broken]), np.array([0, 1, 0, 1]))


@pytest.mark.parametrize("seed", range(4))
def test_metrics_of_more_classes_agree_with_their_second_opinions(seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1, 2, 3], [30, 10, 20, 40]))
    logits = np.round(rng.normal(size=(100, 4)) + 1.5 * np.eye(4)[labels], 1)
    p, found = softmax(logits, axis=1), score(logits, labels)
    called = p.argmax(1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, called))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(labels, called))
    assert found["recalls"] == pytest.approx(sk.recall_score(labels, called, average=None))
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(labels, p, multi_class="ovr", average="macro"))
    assert found["brier"] == pytest.approx(sk.brier_score_loss(labels, p, labels=range(4), scale_by_half=True))


def test_the_brier_score_of_two_classes_is_that_of_more():
    logits, labels = with_ties(1)
    assert score(np.stack([0 * logits, logits], 1), labels)["brier"] == pytest.approx(score(logits, labels)["brier"])


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_hits_survive_packing(hits):
    assert unpacked_hits(packed(np.array(hits)), len(hits)).tolist() == hits
    assert len(hits) <= count_of(packed(np.array(hits))) < len(hits) + 8


def test_hits_of_another_number_of_images_are_refused():
    with pytest.raises(ValueError, match="Expected the hits of 20 images, 3 bytes; got 2"):
        unpacked_hits(packed(np.ones(16, bool)), 20)


def test_metrics_have_the_names_of_the_classes():
    result = SeedResult(seed=0, split="test", seconds=1, timestamp_ms=0, accuracy=0.5, recalls=(0.1, 0.2, 0.3))
    found = metrics_of(result, ("cat", "dog", "owl"))
    assert tuple(found) == metric_names(("cat", "dog", "owl"))
    assert (found["accuracy"], found["recall_dog"]) == (0.5, 0.2)
    assert tuple(metrics_of(result, ("no", "yes"))) == METRICS


@pytest.mark.parametrize("scale", [1, 5, 300])
def test_of_more_classes_probabilities_that_round_to_1_are_no_ties(scale):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    logits = ((rng.normal(size=(300, 3)) + np.eye(3)[labels]) * scale).astype(np.float32)
    # In numbers that do not overflow.
    exact = [[Decimal(float(logit)) for logit in row] for row in logits]
    rest = [[sum(other.exp() for other in row if other is not own).ln() for own in row] for row in exact]
    log_odds = np.array(exact, float) - np.array(rest, float)
    untied = np.mean([sk.roc_auc_score(labels == at, log_odds[:, at]) for at in range(3)])
    assert score(logits, labels)["auroc"] == pytest.approx(untied, abs=1e-12)

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy.special import expit

from trainables.parts.metrics import METRICS, score


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

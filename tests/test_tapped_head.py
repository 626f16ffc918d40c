"""Heads on inner layers: each against its textbook form on all features, without the detour over the support's span."""

from __future__ import annotations

import inspect
import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight

from sweeps.challenge2 import CHALLENGE
from trainables import tapped_head, timm_heads
from trainables.parts.learner import Support
from trainables.parts.metrics import decided
from trainables.parts.streams import Streams
from trainables.tapped_head import CUTS, EfficientNetLite0, TappedHead, TappedHeadConfig, standardiser

MODULES = (tapped_head, timm_heads)
FOUND = {head for module in MODULES for _, head in inspect.getmembers(module, inspect.isclass)}
HEADS = sorted((head for head in FOUND if hasattr(head, "taps") and hasattr(head, "backbone")), key=str)
LABELS = torch.tensor([0] * 5 + [1] * 5)
# Labels of what is learned from: the study's, more classes, uneven ones, and one image of each.
TASKS = {
    "five and five": LABELS,
    "three classes": torch.tensor([0] * 2 + [1] * 4 + [2] * 3),
    "two and eight": torch.tensor([0] * 2 + [1] * 8),
    "one and three": torch.tensor([0] + [1] * 3),
    "one each": torch.tensor([0, 1]),
    "one each of three": torch.tensor([0, 1, 2]),
}
each_task = pytest.mark.parametrize("labels", TASKS.values(), ids=TASKS)
CONFIG = TappedHeadConfig(tap="8@140", cut=1, shrink=0.2, mirror=False, head="centroid")
FEATURES = 60


def features(count, seed):
    """Of unlike scales; the last one is constant."""
    found = np.random.default_rng(seed).normal(size=(count, FEATURES)) * np.linspace(0.1, 5, FEATURES)
    found[:, -1] = 3.0
    return torch.from_numpy(found.astype(np.float32))


def support_of(*views):
    return of_labels(LABELS, *views)


def of_labels(labels, *views):
    return Support(images=views[0], labels=labels, classes=len(labels.unique()), more=views[1:])


def logits(config, support, new):
    with torch.inference_mode():
        return EfficientNetLite0.fit(config, support, Streams(0))(new).numpy()


def standardised(known, new, shrink):
    """By the formula, feature by feature, without the last one, which is constant."""
    known, new = known.double().numpy(), new.double().numpy()
    sds = [known[:, index].std() for index in range(FEATURES)]
    columns = []
    for index in range(FEATURES - 1):
        scale = sds[index] + shrink * sum(sds) / FEATURES
        columns.append((new[:, index] - known[:, index].mean()) / scale / np.sqrt(FEATURES))
    return np.stack(columns, 1)


def _leave_borders(monkeypatch):
    """Where they are without regard to classes' unlike numbers of images."""
    monkeypatch.setattr(tapped_head, "are_uneven", lambda _: False)


TEXTBOOK = {
    "ridge": ("ridge_alpha", RidgeClassifier, "alpha", 0.3),
    "svm": ("svm_c", SVC, "C", 5.0),
    "logistic": ("logistic_c", LogisticRegression, "C", 2.0),
}


@each_task
@pytest.mark.parametrize("head", TEXTBOOK)
@pytest.mark.parametrize("mirror", [False, True])
def test_a_head_is_what_it_is_on_all_features(head, mirror, labels, monkeypatch):
    _leave_borders(monkeypatch)
    own, textbook, name, strength = TEXTBOOK[head]
    views = (features(len(labels), 0), features(len(labels), 1))[: 1 + mirror]
    new = features(30, 2)
    known = torch.cat(views)
    more = {"kernel": "linear"} if head == "svm" else {"max_iter": 10000, "tol": 1e-8} if head == "logistic" else {}
    model = textbook(**{name: strength}, **more)
    seen, seen_new = standardised(known, known, 0.2), standardised(known, new, 0.2)
    targets, classes = labels.repeat(1 + mirror).numpy(), len(labels.unique())
    counted = {"sample_weight": compute_sample_weight("balanced", targets)}
    if head == "svm" and classes > 2:
        each = [clone(model).fit(seen, targets == label, **counted) for label in range(classes)]
        wanted = np.stack([one.decision_function(seen_new) for one in each], 1)
    else:
        wanted = model.fit(seen, targets, **counted).decision_function(seen_new)
    found = logits(replace(CONFIG, head=head, mirror=mirror, **{own: strength}), of_labels(labels, *views), new)
    np.testing.assert_allclose(found, wanted, rtol=2e-2, atol=2e-3)


@each_task
@pytest.mark.parametrize("shrink", [0.0, 1.0])
def test_centroid_of_any_classes_is_sklearn_s_and_the_difference_of_two_logits_a_margin(shrink, labels, monkeypatch):
    _leave_borders(monkeypatch)
    known, new = features(len(labels), 0), features(200, 2)
    seen, seen_new = standardised(known, known, shrink), standardised(known, new, shrink)
    found = logits(replace(CONFIG, shrink=shrink), of_labels(labels, known), new)
    # It also computes variances, of which there are none with one image a class.
    with np.errstate(invalid="ignore"):
        assert (decided(found) == NearestCentroid().fit(seen, labels.numpy()).predict(seen_new)).all()
    means = [seen[labels.numpy() == label].mean(0) for label in range(len(labels.unique()))]
    apart = np.mean([np.square(one - other).sum() for one, other in itertools.combinations(means, 2)])
    squared = np.stack([np.square(seen_new - mean).sum(1) for mean in means], 1)
    wanted = (squared[:, :1] - squared) / apart
    if len(means) == 2:
        np.testing.assert_allclose(found, wanted[:, 1], rtol=1e-4, atol=1e-4)
    else:
        np.testing.assert_allclose(found - found[:, :1], wanted, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found.sum(1), 0, atol=1e-6)


EVERY = [{"head": "centroid"}, {"head": "lda", "lda_shrinkage": 0.3}]
EVERY += [{"head": head, own: strength} for head, (own, _, _, strength) in TEXTBOOK.items()]
each_head = pytest.mark.parametrize("head", EVERY, ids=lambda head: head["head"])


@each_task
@each_head
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("tap", ["8@140", "2@64&8@140"])
def test_every_head_tells_apart_any_number_of_classes_of_any_number_of_images(head, labels, mirror, tap):
    classes = len(labels.unique())

    def seen(of, seed):
        found = torch.randn(len(of), 3, FEATURES // 3, generator=torch.Generator().manual_seed(seed))
        found[range(len(of)), of] += 4
        return found.flatten(1)

    new_labels = torch.arange(10 * classes) % classes
    steps = (1 + mirror) * len(tap.split("&"))
    config = replace(CONFIG, mirror=mirror, tap=tap, shrink=1.0, **head)
    # Nobody should be bothered with what sklearn warns of.
    with warnings.catch_warnings(action="error"):
        support = of_labels(labels, *(seen(labels, seed) for seed in range(steps)))
        classifier = EfficientNetLite0.fit(config, support, Streams(0))
    found = classifier(*(seen(new_labels, 10 + seed) for seed in range(steps)))
    assert found.shape == ((len(new_labels),) if classes == 2 else (len(new_labels), classes))
    assert (decided(found.numpy()) == new_labels.numpy()).mean() > 0.9


@each_head
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("counts", [(2, 8), (8, 2), (2, 5, 10)])
def test_a_class_of_few_images_is_found_too(head, mirror, counts):
    """Images of a class are farther apart than the classes are."""
    recalls = []
    for seed in range(10):
        rng, labels = np.random.default_rng(seed), np.repeat(np.arange(len(counts)), counts)
        asked = np.repeat(np.arange(len(counts)), 40)
        known, new = (10 * np.eye(len(counts), 600)[of] + rng.normal(size=(len(of), 600)) for of in (labels, asked))
        views = [torch.from_numpy(known + 0.1 * rng.normal(size=known.shape)) for _ in range(1 + mirror)]
        config = replace(CONFIG, mirror=mirror, shrink=1.0, **head)
        said = decided(logits(config, of_labels(torch.from_numpy(labels), *views), torch.from_numpy(new)))
        recalls.append([np.mean(said[asked == label] == label) for label in range(len(counts))])
    assert np.mean(recalls, axis=0).min() > 0.6


@pytest.mark.parametrize("labels", [TASKS["two and eight"], TASKS["three classes"]], ids=["two", "three"])
def test_centroid_takes_off_what_a_mean_of_few_images_is_farther_by(labels):
    """Chan and Hall 2009: the squared distance to a mean of n images less the variance inside classes over n."""
    known, new = features(len(labels), 0), features(200, 2)
    seen, seen_new = standardised(known, known, 0.2), standardised(known, new, 0.2)
    own = [seen[labels.numpy() == label] for label in range(len(labels.unique()))]
    variance = sum(np.square(each - each.mean(0)).sum() for each in own) / (len(labels) - len(own))
    squares = [np.square(seen_new - each.mean(0)).sum(1) - variance / len(each) for each in own]
    found = decided(logits(CONFIG, of_labels(labels, known), new))
    assert (found == np.argmin(squares, axis=0)).all()


@each_task
@each_head
@pytest.mark.parametrize("same", ["all", "inside classes"])
def test_images_that_do_not_differ_are_no_error(head, labels, same):
    """One image for all, or one for each class; of these every head knows the class."""
    copied = features(1, 0).repeat(len(labels), 1) if same == "all" else features(3, 0)[labels]
    found = logits(replace(CONFIG, **head), of_labels(labels, copied), copied)
    assert np.isfinite(found).all()
    if same == "all":
        assert np.ptp(found, axis=0).max() < 1e-9
    else:
        assert (decided(found) == labels.numpy()).all()


def test_lda_of_one_image_a_class_is_the_nearest_class_mean():
    for labels in (torch.tensor([0, 1]), torch.tensor([0, 1, 2])):
        support, new = of_labels(labels, features(len(labels), 0)), features(20, 1)
        found = logits(replace(CONFIG, head="lda", lda_shrinkage=0.1), support, new)
        np.testing.assert_array_equal(found, logits(CONFIG, support, new))


@pytest.mark.parametrize("shrink", [0.0, 0.2, 1.0])
def test_centroid_is_sklearn_s_and_the_class_means_have_margins_of_one(shrink):
    known, new = features(10, 0), features(200, 2)
    config = replace(CONFIG, shrink=shrink)
    model = NearestCentroid().fit(standardised(known, known, shrink), LABELS.numpy())
    found = logits(config, support_of(known), new)
    assert ((found > 0) == model.predict(standardised(known, new, shrink))).all()
    means = torch.stack([known[:5].mean(0), known[5:].mean(0)])
    np.testing.assert_allclose(logits(config, support_of(known), means), [-1, 1], atol=1e-4)


@each_task
def test_lda_with_a_spherical_covariance_of_any_classes_decides_as_the_nearest_centroid(labels):
    support, new = of_labels(labels, features(len(labels), 0)), features(200, 2)
    spherical = logits(replace(CONFIG, head="lda", lda_shrinkage=1.0), support, new)
    assert (decided(spherical) == decided(logits(CONFIG, support, new))).all()


def test_lda_with_a_spherical_covariance_is_the_nearest_centroid_and_with_less_it_is_not():
    known, new = features(10, 0), features(200, 2)
    wanted = logits(CONFIG, support_of(known), new)
    spherical = logits(replace(CONFIG, head="lda", lda_shrinkage=1.0), support_of(known), new)
    np.testing.assert_allclose(spherical / np.abs(spherical).max(), wanted / np.abs(wanted).max(), atol=1e-4)
    other = logits(replace(CONFIG, head="lda", lda_shrinkage=0.1), support_of(known), new)
    assert np.abs(other / np.abs(other).max() - wanted / np.abs(wanted).max()).max() > 0.01


def test_a_feature_that_is_constant_in_the_support_counts_nothing_even_if_it_varies_later():
    for shrink in (0.0, 0.2):
        _, factor_D = standardiser(features(10, 0).double().numpy(), shrink)
        assert (factor_D[:-1] > 0).all()
        assert factor_D[-1] == 0


def test_ten_images_that_are_all_the_same_give_the_same_answer_for_all():
    same = features(1, 0).repeat(10, 1)
    assert (logits(CONFIG, support_of(same), features(5, 1)) == 0).all()


def test_of_images_that_are_scored_the_mirror_images_are_not_looked_at():
    support = support_of(features(10, 0), features(10, 1))
    classifier = EfficientNetLite0.fit(replace(CONFIG, mirror=True), support, Streams(0))
    new = features(5, 2)
    assert torch.equal(classifier(new, features(5, 3)), classifier(new, features(5, 4)))


@pytest.mark.parametrize("head", [{"head": "centroid"}, {"head": "lda", "lda_shrinkage": 0.3}])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("labels", [LABELS, TASKS["three classes"]], ids=["two classes", "three classes"])
def test_of_two_taps_the_margins_are_averaged_at_the_same_size(head, mirror, labels):
    """Features of the second tap are a thousand times larger, which must not decide."""
    step = 1 + mirror
    views = [features(len(labels), seed) * (1 if seed < step else 1000) for seed in range(2 * step)]
    new = [features(30, 10 + seed) * (1 if seed < step else 1000) for seed in range(2 * step)]
    config = replace(CONFIG, mirror=mirror, **head)
    expected = []
    for first in (0, step):
        own = of_labels(labels, *views[first : first + step])
        known = np.concatenate([logits(config, own, view) for view in views[first : first + step]])
        # What is the same for all classes decides nothing.
        middle = known.mean(1, keepdims=True) if known.ndim == 2 else 0
        expected.append(logits(config, own, new[first]) / np.abs(known - middle).mean())
    classifier = EfficientNetLite0.fit(replace(config, tap="2@64&8@140"), of_labels(labels, *views), Streams(0))
    np.testing.assert_allclose(classifier(*new).numpy(), np.mean(expected, axis=0), rtol=1e-6, atol=1e-9)


def test_a_configuration_of_two_taps_needs_the_tables_of_both():
    (tap, mirrored), (other, other_mirrored) = (
        EfficientNetLite0.needs(replace(CONFIG, tap=tap, mirror=True)).views for tap in ("2@64", "8@140")
    )
    both = EfficientNetLite0.needs(replace(CONFIG, tap="2@64&8@140", mirror=True)).views
    assert both == (tap, mirrored, other, other_mirrored)


def test_an_unknown_head_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="Expected a head from centroid, ridge, svm, logistic, lda; got 'tree'"):
        logits(replace(CONFIG, head="tree"), support_of(features(10, 0)), features(1, 1))


@pytest.mark.parametrize(("tap", "cut"), [("9@140", 0), ("8@141", 0), ("8", 0), ("8@140", 2)])
def test_an_unknown_tap_is_an_error_with_the_choices(tap, cut):
    with pytest.raises(ValueError, match="Expected a tap from 2@64, "):
        EfficientNetLite0.needs(replace(CONFIG, tap=tap, cut=cut))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.__name__)
def test_features_are_as_declared_and_every_feature_has_its_configuration(head):
    assert issubclass(head, TappedHead)
    named = set()
    for tap in head.taps:
        for cut in CUTS:
            views = head.needs(replace(CONFIG, tap=tap, cut=cut, mirror=True)).features
            assert [view.mirrored for view in views] == [False, True]
            assert views[:1] == head.needs(replace(CONFIG, tap=tap, cut=cut)).features
            named |= {view.name for view in views}
    assert named == {view.name for view in head.may_need.features}


class Choices(Exception):
    """What the space offers as taps."""


@pytest.mark.parametrize("name", [each.name for each in CHALLENGE.approaches if hasattr(each.learner, "taps")])
def test_the_space_offers_every_tap(name):
    (approach,) = CHALLENGE.named([name])

    class Trial:
        def suggest_categorical(self, name, choices):
            raise Choices(choices)

    with pytest.raises(Choices) as caught:
        approach.suggest(Trial())
    offered = [choice.split("&") for choice in caught.value.args[0]]
    assert tuple(taps[0] for taps in offered if len(taps) == 1) == approach.learner.taps
    assert all(set(taps) <= set(approach.learner.taps) for taps in offered)

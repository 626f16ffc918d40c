from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from trainables.parts import run_seed as run_seed_module
from trainables.parts.backbones import FeatureSpec
from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.learner import Learner, Needs
from trainables.parts.metrics import METRICS
from trainables.parts.protocol import TEST, VALIDATION, Protocol, study_protocol
from trainables.parts.results import packed_probabilities, unpacked_hits, unpacked_probabilities
from trainables.parts.run_seed import classify, run_seed, support_of


@dataclass(frozen=True, kw_only=True)
class NoConfig:
    pass


class Watched(Learner):
    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        cls.seen = support
        threshold = support.images.float().mean()
        return lambda images: threshold - images.flatten(1).float().mean(1)


class Raising(Learner):
    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        raise RuntimeError("the matrix is singular")


class RaisingLater(Learner):
    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        def classifier(images):
            raise KeyError("late")

        return classifier


class Diverged(Learner):
    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        return lambda images: torch.full((len(images),), torch.nan)


@pytest.mark.parametrize("seed", [0, 11])
def test_fit_gets_the_ten_images_of_the_split(phantom, seed):
    (result,) = run_seed(Watched, {}, seed, phantom.pixel_sets())
    train, _ = study_protocol().split(seed)
    assert result.error is None
    assert Watched.seen.images.dtype == torch.uint8
    assert np.array_equal(Watched.seen.images.numpy(), phantom.pool_images[train])
    assert Watched.seen.labels.dtype == torch.int64
    assert Watched.seen.labels.tolist() == [0] * 5 + [1] * 5
    assert Watched.seen.classes == 2
    assert Watched.seen.precision == "float32"


def test_fit_gets_the_precision_of_the_pool(phantom):
    (result,) = run_seed(Watched, {}, 0, {POOL: replace(phantom.pixel_sets()[POOL], precision="bfloat16")})
    assert result.error is None
    assert Watched.seen.precision == "bfloat16"


def test_accuracy_is_over_the_1000_validation_images(phantom):
    (result,) = run_seed(Watched, {}, 5, phantom.pixel_sets())
    _, validation = study_protocol().split(5)
    threshold = float(Watched.seen.images.float().mean())
    right = 0
    for row in validation:
        called = phantom.pool_images[row].mean() <= threshold
        right += called == (row >= 1000)
    assert result.accuracy == pytest.approx(right / 1000, abs=0.002)


def test_a_result_is_complete(phantom):
    (result,) = run_seed(Watched, {}, 5, phantom.pixel_sets())
    assert (result.seed, result.split, result.error) == (5, VALIDATION, None)
    assert all(0 <= getattr(result, metric) <= 1 for metric in METRICS)
    assert result.seconds > 0


def test_fit_does_not_need_validation_labels(phantom):
    (ordinary,) = run_seed(Watched, {}, 2, phantom.pixel_sets())
    with_labels = Watched.seen
    labels = phantom.labels()[POOL].copy()
    train, _ = study_protocol().split(2)
    others = np.setdiff1d(np.arange(2000), train)
    labels[others] = 1 - labels[others]
    (swapped,) = run_seed(Watched, {}, 2, {POOL: replace(phantom.pixel_sets()[POOL], labels=labels)})
    assert torch.equal(Watched.seen.images, with_labels.images)
    assert torch.equal(Watched.seen.labels, with_labels.labels)
    assert swapped.accuracy == pytest.approx(1 - ordinary.accuracy)


def test_fit_cannot_reach_the_pool_through_its_images(phantom):
    before = phantom.pool_images.copy()
    run_seed(Watched, {}, 2, phantom.pixel_sets())
    Watched.seen.images.zero_()
    assert np.array_equal(phantom.pool_images, before)


def test_search_never_touches_test(phantom):
    class Tripwire(dict):
        def __getitem__(self, split):
            assert split != TEST
            return super().__getitem__(split)

    (result,) = run_seed(Watched, {}, 0, Tripwire(phantom.pixel_sets()))
    assert result.error is None
    (without,) = run_seed(Watched, {}, 0, {POOL: phantom.pixel_sets()[POOL]})
    assert without.accuracy == result.accuracy


def test_confirmation_scores_both_splits_with_one_training(phantom):
    (validation_alone,) = run_seed(Watched, {}, 0, phantom.pixel_sets())
    validation, test = run_seed(Watched, {}, 0, phantom.pixel_sets(), (VALIDATION, TEST))
    assert (validation.split, test.split) == (VALIDATION, TEST)
    assert validation.accuracy == validation_alone.accuracy
    called = phantom.test_images.mean((1, 2)) <= float(Watched.seen.images.float().mean())
    assert test.accuracy == pytest.approx(np.mean(called == (phantom.test_labels == 1)), abs=0.002)


def test_probabilities_are_of_the_test_split_class_by_class_and_agree_with_hits_and_brier_score(phantom):
    shuffled = np.random.default_rng(0).permutation(len(phantom.test_labels))
    sets = phantom.pixel_sets()
    views = {PIXELS: sets[TEST].view(PIXELS)[shuffled]}
    sets[TEST] = replace(sets[TEST], labels=sets[TEST].labels[shuffled], views=views)
    validation, test = run_seed(Watched, {}, 0, sets, (VALIDATION, TEST))
    assert validation.probabilities is None
    count = len(shuffled)
    p_NK = unpacked_probabilities(test.probabilities, count, 2)
    labels = np.sort(phantom.test_labels)
    assert p_NK.sum(1) == pytest.approx(np.ones(count))
    assert np.mean(np.square(p_NK[:, 1] - labels)) == pytest.approx(test.brier, abs=1e-3)
    # Float16 may round what is nearly one half to it.
    is_clear = np.abs(p_NK[:, 1] - 0.5) > 1e-3
    right = (p_NK.argmax(1) == labels)[is_clear]
    assert np.array_equal(right, unpacked_hits(test.hits, count)[is_clear])
    assert 0.2 < right.mean() < 1
    assert is_clear.mean() > 0.9


class OfThree(Learner):
    """Of three classes."""

    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        levels = torch.tensor([60.0, 120.0, 180.0])
        return lambda images: -((images.flatten(1).float().mean(1)[:, None] - levels) / 20).square()


def test_so_are_those_of_more_classes():
    labels = np.arange(60) % 3
    noise = np.random.default_rng(0).normal(0, 25, 60)
    images = np.broadcast_to((60 + 60 * labels + noise).astype(np.uint8)[:, None, None], (60, 28, 28))
    order = np.argsort(labels, kind="stable")
    protocol = Protocol(classes=("x", "y", "z"), shots=(2,) * 3, validation=5, confirmation=5, pool=(20,) * 3)
    pool = ImageSet(labels=labels[order], views={PIXELS: images[order]}, protocol=protocol)
    (test,) = run_seed(OfThree, {}, 0, {POOL: pool, TEST: ImageSet(labels=labels, views={PIXELS: images})}, (TEST,))
    p_NK = unpacked_probabilities(test.probabilities, 60, 3)
    assert p_NK.sum(1) == pytest.approx(np.ones(60), abs=1e-3)
    assert np.array_equal(p_NK.argmax(1) == labels[order], unpacked_hits(test.hits, 60))
    truth = np.eye(3)[labels[order]]
    assert np.square(p_NK - truth).sum(1).mean() / 2 == pytest.approx(test.brier, abs=1e-3)
    assert 0.5 < test.accuracy < 1


def test_too_many_probabilities_are_not_kept(phantom, monkeypatch):
    monkeypatch.setattr(run_seed_module, "MOST_PROBABILITIES", 2 * len(phantom.test_labels) - 1)
    (test,) = run_seed(Watched, {}, 0, phantom.pixel_sets(), (TEST,))
    assert (test.error, test.probabilities) == (None, None)


@pytest.mark.parametrize("classes", [2, 3, 9])
def test_probabilities_come_back_to_three_digits(classes):
    p_NK = np.random.default_rng(classes).dirichlet(np.full(classes, 0.1), 200)
    back = unpacked_probabilities(packed_probabilities(p_NK), 200, classes)
    assert back.shape == p_NK.shape
    assert np.abs(back - p_NK).max() < 1e-3
    assert (back >= 0).all()
    with pytest.raises(ValueError, match=f"probabilities of 201 images, {201 * (classes - 1)}; got"):
        unpacked_probabilities(packed_probabilities(p_NK), 201, classes)


@pytest.mark.parametrize(
    ("learner", "params", "reason"),
    [
        (Raising, {}, "RuntimeError: the matrix is singular"),
        (RaisingLater, {}, "KeyError: 'late'"),
        (Diverged, {}, "1000 of 1000 logits are not finite"),
        (Watched, {"learning_rte": 1.0}, "learning_rte"),
    ],
)
@pytest.mark.parametrize("splits", [(VALIDATION,), (VALIDATION, TEST)])
def test_a_failure_is_one_result_with_its_reason(phantom, learner, params, reason, splits):
    (result,) = run_seed(learner, params, 6, phantom.pixel_sets(), splits)
    assert reason in result.error
    assert (result.seed, result.split) == (6, VALIDATION)
    assert all(getattr(result, metric) is None for metric in METRICS)


def test_what_fails_besides_leaves_what_was_scored_before(phantom):
    """And of what is scored besides it fails as a whole."""
    sets = phantom.pixel_sets()
    sets |= {"good": sets[TEST], "odd": replace(sets[TEST], views={})}

    def accuracies(results):
        return [(result.seed, result.split, result.accuracy) for result in results]

    splits = (VALIDATION, TEST)
    (*whole, good) = run_seed(Watched, {}, 6, sets, splits, besides=("good",))
    assert accuracies(whole) == accuracies(run_seed(Watched, {}, 6, sets, splits))
    assert (good.split, good.accuracy) == ("good", whole[1].accuracy)
    (*kept, failed) = run_seed(Watched, {}, 6, sets, splits, besides=("good", "odd"))
    assert accuracies(kept) == accuracies(whole)
    assert (failed.seed, failed.split) == (6, "good")
    assert failed.error


def test_ctrl_c_is_not_a_result(phantom, monkeypatch):
    def interrupted(config, support, streams):
        raise KeyboardInterrupt

    monkeypatch.setattr(Watched, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_seed(Watched, {}, 0, phantom.pixel_sets())


def test_features_that_are_stored_in_half_precision_are_classified_as_float32():
    table = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float16)
    found = classify(lambda batch: batch[:, 0], [table], np.arange(20))
    assert found.dtype == np.float32
    assert np.array_equal(found, table[:, 0])


@pytest.mark.parametrize("count", [1, 49, 50, 51, 124])
def test_classify_answers_in_the_order_of_the_rows(count):
    images = np.arange(200, dtype=np.float32)[:, None]
    rows = np.random.default_rng(count).permutation(200)[:count]
    assert classify(lambda batch: batch[:, 0], [images], rows).tolist() == rows.tolist()


class Elsewhere:
    def __init__(self, stored):
        self.stored, self.fetched = stored, 0

    def load(self):
        self.fetched += 1
        return self.stored


@pytest.mark.parametrize("store", [lambda stored: stored, Elsewhere], ids=["here", "elsewhere"])
def test_support_is_what_the_needs_say(store):
    table = FeatureSpec(backbone="alexnet", output="mean")
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 1000)
    own = {PIXELS: rng.integers(256, size=(2000, 28, 28), dtype=np.uint8), table.name: rng.random((2000, 3))}
    foreign = {table.name: rng.random((7, 3))}
    weights = {"vgg11": store({"bias": np.ones(2, np.float32)}), "alexnet": store({"bias": np.zeros(2, np.float32)})}
    image_sets = {
        POOL: ImageSet(
            labels=labels, views={name: store(view) for name, view in own.items()}, protocol=study_protocol()
        ),
        "breastmnist": ImageSet(labels=np.arange(7), views={name: store(view) for name, view in foreign.items()}),
    }
    needs = Needs(views=(table, PIXELS), other_datasets=("breastmnist",), trained_backbones=("vgg11",))
    rows = np.array([3, 1999, 0])

    support = support_of(needs, rows, image_sets, weights)
    assert np.array_equal(support.images.numpy(), own[table.name][rows])
    assert [np.array_equal(view.numpy(), own[PIXELS][rows]) for view in support.more] == [True]
    assert support.labels.tolist() == [0, 1, 0]
    assert set(support.other_datasets) == {"breastmnist"}
    assert np.array_equal(support.other_datasets["breastmnist"].images, foreign[table.name])
    assert support.other_datasets["breastmnist"].labels.tolist() == list(range(7))
    # A copy of its own, and of no other backbone.
    support.weights["bias"].zero_()
    assert support_of(needs, rows, image_sets, weights).weights["bias"].tolist() == [1.0, 1.0]


def test_without_needs_there_are_the_pixels_and_nothing_else(phantom):
    support = support_of(Needs(), study_protocol().split(0)[0], phantom.pixel_sets(), {})
    assert support.images.shape == (10, 28, 28)
    assert (support.more, dict(support.other_datasets), dict(support.weights)) == ((), {}, {})


def test_a_view_that_lies_elsewhere_is_fetched_once():
    view = Elsewhere(np.zeros((4, 28, 28), np.uint8))
    images = ImageSet(labels=np.zeros(4), views={PIXELS: view})
    assert images.view(PIXELS) is images.view(PIXELS) is view.stored
    assert view.fetched == 1

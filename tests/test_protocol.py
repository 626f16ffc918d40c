from dataclasses import dataclass

import numpy as np
import pytest
import torch

from trainables.protocol import ImageSet, SeedTrainable, Streams, classify, run_seed, split_of_seed

SEEDS = [0, 1, 49, 10_000, 2**32 - 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_split_is_the_course_s(seed):
    order = np.random.RandomState(seed).permutation(1000)
    train, validation = [], []
    for first_row_of_class in (0, 1000):
        for position in range(1000):
            if position < 5:
                train.append(first_row_of_class + order[position])
            elif position < 505:
                validation.append(first_row_of_class + order[position])
    found_train, found_validation = split_of_seed(seed)
    assert found_train.tolist() == train
    assert found_validation.tolist() == validation


def test_split_of_seed_0_is_as_it_ever_was():
    train, _ = split_of_seed(0)
    assert train.tolist() == [993, 859, 298, 553, 672, 1993, 1859, 1298, 1553, 1672]


@pytest.mark.parametrize("seed", SEEDS)
def test_split_is_disjoint_and_balanced(seed):
    train, validation = split_of_seed(seed)
    assert len(set(train)) == 10
    assert len(set(validation)) == 1000
    assert not set(train) & set(validation)
    assert np.count_nonzero(train >= 1000) == 5
    assert np.count_nonzero(validation >= 1000) == 500
    assert min(train.min(), validation.min()) >= 0
    assert max(train.max(), validation.max()) < 2000


def test_split_leaves_the_global_random_state_alone():
    np.random.seed(1)
    expected = np.random.random()
    np.random.seed(1)
    split_of_seed(7)
    assert np.random.random() == expected


def draws(streams, name):
    return torch.rand(1000, generator=streams.generator(name))


def test_same_seed_and_name_give_the_same_numbers():
    assert Streams(3).integer("layers") == Streams(3).integer("layers")
    assert torch.equal(draws(Streams(3), "layers"), draws(Streams(3), "layers"))


def test_streams_are_as_they_ever_were():
    assert Streams(0).integer("layers") == 12869271667218206629


def test_no_two_seeds_or_names_share_a_stream():
    names = ["layers", "dropout", "augmentation", "pairs", "a", "b", ""]
    numbers = [Streams(seed).integer(name) for seed in range(200) for name in names]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("other", [(3, "dropout"), (4, "layers")])
def test_streams_are_uncorrelated(other):
    seed, name = other
    both = torch.stack([draws(Streams(3), "layers"), draws(Streams(seed), name)])
    assert abs(torch.corrcoef(both)[0, 1]) < 0.1


def test_another_stream_moves_none():
    alone = draws(Streams(3), "layers")
    streams = Streams(3)
    draws(streams, "new")
    with streams.torch_default("newer"):
        torch.rand(5)
        assert torch.equal(draws(streams, "layers"), alone)


def test_a_part_has_streams_of_its_own():
    parent = Streams(3)
    parts = [parent, parent.within("a"), parent.within("b"), parent.within(""), parent.within("a").within("")]
    parts += [parent.within("a").within("b"), parent.within("b").within("a"), parent.within("a").within("a")]
    parts += [Streams(4).within("a"), Streams(4)]
    numbers = [part.integer(name) for part in parts for name in ("layers", "dropout", "a", "b", "")]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("path", [("a",), ("a", "b"), ("member 0",)])
def test_a_part_s_streams_are_reproducible(path):
    def part(seed=3):
        streams = Streams(seed)
        for name in path:
            streams = streams.within(name)
        return streams

    assert torch.equal(draws(part(), "layers"), draws(part(), "layers"))
    assert not torch.equal(draws(part(), "layers"), draws(part(4), "layers"))
    with part().torch_default("layers"):
        assert torch.equal(torch.rand(1000), draws(part(), "layers"))
    assert part().seed == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Streams(3), Streams(3).within("a")),
        (Streams(3).within("a"), Streams(3).within("b")),
        (Streams(3).within("a"), Streams(4).within("a")),
        (Streams(3).within("a").within("b"), Streams(3).within("b").within("a")),
    ],
    ids=["parent", "sibling", "seed", "order"],
)
def test_a_part_s_streams_are_uncorrelated_with_others(one, other):
    both = torch.stack([draws(one, "layers"), draws(other, "layers")])
    assert abs(torch.corrcoef(both)[0, 1]) < 0.1


def test_a_part_moves_no_stream_of_its_whole_or_of_another_part():
    streams = Streams(3)
    whole, part = draws(streams, "layers"), draws(streams.within("b"), "layers")
    first = streams.within("a")
    draws(first, "layers")
    first.within("deeper").integer("layers")
    assert torch.equal(draws(streams, "layers"), whole)
    assert torch.equal(draws(streams.within("b"), "layers"), part)


def test_torch_default_is_the_named_stream():
    with Streams(3).torch_default("layers"):
        assert torch.equal(torch.rand(1000), draws(Streams(3), "layers"))


def test_torch_default_restores_the_global_generator():
    before = torch.get_rng_state()
    with Streams(3).torch_default("layers"):
        torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)


def test_torch_default_restores_the_global_generator_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), Streams(3).torch_default("layers"):
        torch.rand(1 // 0)
    assert torch.equal(torch.get_rng_state(), before)


@dataclass(frozen=True, kw_only=True)
class NoConfig:
    pass


class Watched(SeedTrainable):
    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        cls.seen = support
        threshold = support.images.float().mean()
        return lambda images: threshold - images.flatten(1).float().mean(1)


class Raising(SeedTrainable):
    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        raise RuntimeError("the matrix is singular")


class RaisingLater(SeedTrainable):
    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        def classifier(images):
            raise KeyError("late")

        return classifier


class Diverged(SeedTrainable):
    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        return lambda images: torch.full((len(images),), torch.nan)


METRICS = ("accuracy", "balanced_accuracy", "auroc", "sensitivity", "specificity", "brier")


@pytest.mark.parametrize("seed", [0, 11])
def test_fit_gets_the_ten_images_of_the_split(phantom, seed):
    (result,) = run_seed(Watched, {}, seed, phantom.pixel_sets())
    train, _ = split_of_seed(seed)
    assert result.error is None
    assert Watched.seen.images.dtype == torch.uint8
    assert np.array_equal(Watched.seen.images.numpy(), phantom.pool_images[train])
    assert Watched.seen.labels.dtype == torch.float32
    assert Watched.seen.labels.tolist() == [0.0] * 5 + [1.0] * 5


def test_accuracy_is_over_the_1000_validation_images(phantom):
    (result,) = run_seed(Watched, {}, 5, phantom.pixel_sets())
    _, validation = split_of_seed(5)
    threshold = float(Watched.seen.images.float().mean())
    right = 0
    for row in validation:
        called = phantom.pool_images[row].mean() <= threshold
        right += called == (row >= 1000)
    assert result.accuracy == pytest.approx(right / 1000, abs=0.002)


def test_a_result_is_complete(phantom):
    (result,) = run_seed(Watched, {}, 5, phantom.pixel_sets())
    assert (result.seed, result.split, result.error) == (5, "validation", None)
    assert all(0 <= getattr(result, metric) <= 1 for metric in METRICS)
    assert result.seconds > 0


def test_fit_does_not_need_validation_labels(phantom):
    (ordinary,) = run_seed(Watched, {}, 2, phantom.pixel_sets())
    with_labels = Watched.seen
    labels = phantom.labels()["validation"].copy()
    train, _ = split_of_seed(2)
    others = np.setdiff1d(np.arange(2000), train)
    labels[others] = 1 - labels[others]
    (swapped,) = run_seed(
        Watched, {}, 2, {"validation": ImageSet(labels=labels, views={"pixels": phantom.pool_images})}
    )
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
            assert split != "test"
            return super().__getitem__(split)

    (result,) = run_seed(Watched, {}, 0, Tripwire(phantom.pixel_sets()))
    assert result.error is None
    (without,) = run_seed(Watched, {}, 0, {"validation": phantom.pixel_sets()["validation"]})
    assert without.accuracy == result.accuracy


def test_confirmation_scores_both_splits_with_one_training(phantom):
    (validation_alone,) = run_seed(Watched, {}, 0, phantom.pixel_sets())
    validation, test = run_seed(Watched, {}, 0, phantom.pixel_sets(), ("validation", "test"))
    assert (validation.split, test.split) == ("validation", "test")
    assert validation.accuracy == validation_alone.accuracy
    called = phantom.test_images.mean((1, 2)) <= float(Watched.seen.images.float().mean())
    assert test.accuracy == pytest.approx(np.mean(called == (phantom.test_labels == 1)), abs=0.002)


@pytest.mark.parametrize(
    ("approach", "params", "reason"),
    [
        (Raising, {}, "RuntimeError: the matrix is singular"),
        (RaisingLater, {}, "KeyError: 'late'"),
        (Diverged, {}, "1000 of 1000 logits are not finite"),
        (Watched, {"learning_rte": 1.0}, "learning_rte"),
    ],
)
@pytest.mark.parametrize("splits", [("validation",), ("validation", "test")])
def test_a_failure_is_one_result_with_its_reason(phantom, approach, params, reason, splits):
    (result,) = run_seed(approach, params, 6, phantom.pixel_sets(), splits)
    assert reason in result.error
    assert (result.seed, result.split) == (6, "validation")
    assert all(getattr(result, metric) is None for metric in METRICS)


def test_ctrl_c_is_not_a_result(phantom, monkeypatch):
    def interrupted(config, support, streams):
        raise KeyboardInterrupt

    monkeypatch.setattr(Watched, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_seed(Watched, {}, 0, phantom.pixel_sets())


@pytest.mark.parametrize("count", [1, 49, 50, 51, 124])
def test_classify_answers_in_the_order_of_the_rows(count):
    images = np.arange(200, dtype=np.float32)[:, None]
    rows = np.random.default_rng(count).permutation(200)[:count]
    assert classify(lambda batch: batch[:, 0], [images], rows).tolist() == rows.tolist()

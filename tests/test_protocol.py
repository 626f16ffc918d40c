import numpy as np
import pytest

from trainables.parts.protocol import Protocol, study_protocol

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
    found_train, found_validation = study_protocol().split(seed)
    assert found_train.tolist() == train
    assert found_validation.tolist() == validation


def test_split_of_seed_0_is_as_it_ever_was():
    train, _ = study_protocol().split(0)
    assert train.tolist() == [993, 859, 298, 553, 672, 1993, 1859, 1298, 1553, 1672]


@pytest.mark.parametrize("seed", SEEDS)
def test_split_is_disjoint_and_balanced(seed):
    train, validation = study_protocol().split(seed)
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
    study_protocol().split(7)
    assert np.random.random() == expected


def own(pool, shots=(5, 5), validation=500, **more):
    classes = tuple("abcdefgh"[: len(pool)])
    return Protocol(classes=classes, shots=shots, validation=validation, confirmation=1000, pool=pool, **more)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pool", [(60, 60), (25, 400), (400, 25), (7, 9)])
def test_small_pools_take_the_numbers_below_their_size_in_the_one_order(seed, pool):
    order = np.random.RandomState(seed).permutation(max(pool))
    learned_from, validation = own(pool).split(seed)
    each = min(pool) - 5
    for label, rows in enumerate(learned_from.reshape(2, 5)):
        drawn = [label * pool[0] + number for number in order if number < pool[label]]
        assert rows.tolist() == drawn[:5]
        assert validation.reshape(2, each)[label].tolist() == drawn[5 : 5 + each]


def test_shots_of_each_class_and_labels():
    protocol = own((10, 30, 20), shots=(2, 8, 1), validation=3)
    learned_from, validation = protocol.split(0)
    assert protocol.labels[learned_from].tolist() == [0] * 2 + [1] * 8 + [2]
    assert protocol.labels[validation].tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert protocol.support == 11


def test_fresh_seeds_are_scored_on_all_that_are_left():
    protocol = own((30, 40), validation=10)
    search, confirmation = protocol.split(3), protocol.for_confirmation().split(3)
    assert search[0].tolist() == confirmation[0].tolist()
    assert (len(search[1]), len(confirmation[1])) == (20, 50)
    assert set(search[1]) <= set(confirmation[1])


@pytest.mark.parametrize("seed", range(20))
def test_no_group_both_learns_and_validates_and_shots_are_of_different_groups(seed):
    rng = np.random.default_rng(0)
    # A person may have images in both classes.
    groups = tuple(rng.integers(0, 25, 90).tolist())
    learned_from, validation = own((40, 50), shots=(4, 6), groups=groups).split(seed)
    of_image = np.array(groups)
    assert not set(of_image[learned_from]) & set(of_image[validation])
    for rows in np.split(learned_from, [4]):
        assert len(set(of_image[rows])) == len(rows)
    assert np.count_nonzero(validation < 40) == np.count_nonzero(validation >= 40) > 0


def test_groups_of_one_image_each_change_nothing():
    alone = tuple(range(1000, 1090))
    for found, wanted in zip(own((40, 50), groups=alone).split(1), own((40, 50)).split(1), strict=True):
        assert found.tolist() == wanted.tolist()


def test_with_fewer_groups_than_shots_a_group_gives_several():
    groups = (0,) * 5 + (1,) * 5 + (2,) * 5 + tuple(range(10, 25))
    learned_from, _ = own(
        (15, 15), shots=(5, 1), validation=1, groups=(*groups[:10], *range(30, 35), *groups[15:])
    ).split(0)
    assert len(learned_from) == 6


def test_a_class_whose_groups_all_learn_is_named():
    with pytest.raises(ValueError, match="All groups of a have an image among those that seed 0 learns from"):
        own((6, 10), shots=(2, 2), groups=(0, 0, 0, 1, 1, 1, *range(10, 20))).split(0)

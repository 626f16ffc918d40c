import numpy as np
import pytest

from trainables.parts.protocol import study_protocol

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

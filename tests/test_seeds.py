"""Blocks of seeds: whose is which."""

import numpy as np

from sweeps import rerun
from sweeps.core import seeds


def test_any_two_searches_meet_other_seeds():
    blocks = [set(seeds.search_seeds(search_seed, seeds.MOST_SEEDS)) for search_seed in (0, 1, 2, 7, 1234)]
    assert sum(map(len, blocks)) == len(set.union(*blocks))


def test_no_search_meets_seeds_of_another_kind():
    others = (seeds.STUDY_SEEDS_FROM, seeds.CONFIRM_SEEDS_FROM, seeds.DECISION_SEEDS_FROM)
    for first in others:
        assert not any(map(seeds.is_of_a_search, (first, first + seeds.MOST_SEEDS - 1)))
    assert all(map(seeds.is_of_a_search, seeds.search_seeds(0, seeds.MOST_SEEDS)))


def test_rerun_says_whose_a_seed_is():
    text = " ".join(rerun._parser().format_help().split())
    for words in ("from 6000 the decision's", "from 1000000 + 1000 x --search-seed the search's"):
        assert words in text


def test_the_last_search_seed_still_starts_numpy():
    np.random.RandomState(seeds.search_seeds(seeds.MOST_SEARCH_SEED, seeds.MOST_SEEDS)[-1])

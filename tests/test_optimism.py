"""How much choosing flattered the winner: against simulated searches whose truth is known, and where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from made_up import trial
from sweeps.analysis.optimism import Finalists, additive, flattery, optimism, scores


def params(rate):
    return {"rate": rate, "width": 0.5, "kind": "plain"}


def noisy(number, mean, state="COMPLETE", seeds=10, **more):
    """A trial with noise of its own on each seed."""
    made = trial(number, mean, state, seeds=seeds, **{"params": params(number), **more})
    rng = np.random.default_rng(number)
    for result in made.results:
        object.__setattr__(result, "accuracy", mean + 0.02 * rng.normal())
    return made


def test_it_is_right_on_average_and_whatever_the_difficulty_of_the_seeds():
    """30 configurations whose true means are known, 10 seeds that are easy or hard for all of them."""
    rng = np.random.default_rng(0)
    true_C = 0.85 - np.abs(rng.normal(0, 0.02, 30))
    own_BCS = rng.normal(0, 0.015, (2000, 30, 10))
    chosen_B = (true_C + own_BCS.mean(2)).argmax(1)
    flattered = own_BCS.mean(2)[np.arange(2000), chosen_B].mean()
    regretted = (true_C.max() - true_C[chosen_B]).mean()
    estimates = [flattery(true_C[:, None] + own_CS + rng.normal(0, 0.03, 10)) for own_CS in own_BCS[:12]]
    assert flattered > 0.004
    # With noise as great as the differences it is a quarter too small.
    assert np.mean([each.mean for each in estimates]) == pytest.approx(flattered, abs=0.0025)
    assert np.mean([each.regret for each in estimates]) == pytest.approx(regretted, abs=0.002)
    assert np.mean([each.low <= flattered <= each.high for each in estimates]) > 0.8
    same = [flattery(true_C[:, None] + own_BCS[0] + difficulty_S) for difficulty_S in (0.0, rng.normal(0, 0.03, 10))]
    assert same[0].mean == pytest.approx(same[1].mean)


def test_of_three_seeds_its_interval_does_not_go_beyond_what_is_possible():
    found = [flattery(np.random.default_rng(seed).uniform(size=(3, 3))) for seed in range(20)]
    assert max(each.high for each in found) == 1
    assert all(0 <= each.low <= each.mean <= each.high for each in found)


def test_a_choice_in_two_steps_flatters_less_and_is_right_on_average_too():
    """The same configurations; the best three meet ten more seeds, and the best by all twenty is handed on."""
    rng = np.random.default_rng(0)
    true_C = 0.85 - np.abs(rng.normal(0, 0.02, 30))
    own_BCS = rng.normal(0, 0.015, (2000, 30, 20))
    every = np.arange(2000)[:, None]
    best_BF = np.argsort(-(true_C + own_BCS[:, :, :10].mean(2)), 1)[:, :3]
    chosen_B = best_BF[every, (true_C + own_BCS.mean(2))[every, best_BF].argmax(1)[:, None]][:, 0]
    flattered = own_BCS.mean(2)[every[:, 0], chosen_B].mean()
    regretted = (true_C.max() - true_C[chosen_B]).mean()
    found = [flattery(true_C[:, None] + own_CS[:, :10], Finalists(number=3, seeds=10)) for own_CS in own_BCS[:6]]
    in_one_step = [flattery(true_C[:, None] + own_CS[:, :10]) for own_CS in own_BCS[:6]]
    assert flattered > 0.002
    # As in one step it is too small, here by two fifths: the best are nearly the same.
    assert np.mean([each.mean for each in found]) == pytest.approx(flattered, abs=0.002)
    assert np.mean([each.regret for each in found]) == pytest.approx(regretted, abs=0.0015)
    assert np.mean([each.low <= flattered <= each.high for each in found]) > 0.8
    assert all(two.mean < one.mean and two.regret < one.regret for two, one in zip(found, in_one_step, strict=True))


def test_the_interval_lies_evenly_around_the_root():
    """The jackknife by a loop over the seeds: each leaves its scores out."""
    rng = np.random.default_rng(1)
    scores_CS = 0.8 + rng.normal(0, 0.02, (12, 10))
    found = flattery(scores_CS)
    root, low, high = np.sqrt([found.mean, found.low, found.high])
    assert low > 0
    assert high - root == pytest.approx(root - low)
    # Nothing but the draws of noise differs from estimates of nine seeds by themselves.
    without = [np.sqrt(flattery(np.delete(scores_CS, at, 1)).mean) for at in range(10)]
    # Nine seeds have ten ninths of the variance of ten.
    error = np.sqrt(9 * np.var(without) * 9 / 10)
    assert high - root == pytest.approx(stats.t.ppf(0.975, 9) * error, rel=0.3)


def test_finalists_are_those_that_have_all_further_seeds():
    results = noisy(0, 0.8).results
    assert Finalists.of([]) is None
    # The others failed: this one's further seeds are in its mean all the same.
    assert Finalists.of([results]) == Finalists(number=1, seeds=10)
    assert Finalists.of([results, results[:7], results]) == Finalists(number=3, seeds=7)


def test_one_that_is_far_better_was_not_flattered():
    rng = np.random.default_rng(0)
    scores_CS = rng.normal(0.7, 0.01, (20, 10))
    scores_CS[3] += 0.2
    found = flattery(scores_CS)
    assert found.mean == pytest.approx(0.0, abs=0.0015)
    assert found.regret == pytest.approx(0.0, abs=1e-6)


def test_there_is_none_without_two_complete_configurations_on_three_seeds():
    assert optimism([]) is None
    assert optimism([noisy(0, 0.8)]) is None
    assert optimism([noisy(0, 0.8), noisy(1, 0.7, "PRUNED", seeds=3)]) is None
    # The same configuration again is no other one.
    assert optimism([noisy(0, 0.8), noisy(1, 0.8, params=params(0))]) is None
    # Two seeds tell nothing of noise.
    assert optimism([noisy(0, 0.8, seeds=2), noisy(1, 0.8, seeds=2)]) is None
    assert optimism([noisy(0, 0.8), noisy(1, 0.79)]) is not None


def test_raced_out_configurations_stand_with_the_seeds_that_they_have():
    found = scores([noisy(0, 0.8), noisy(1, 0.7, "PRUNED", seeds=4), noisy(2, 0.79), noisy(3, 0.7, "FAIL", seeds=2)])
    assert found.shape == (3, 10)
    assert sorted((~np.isnan(found)).sum(1)) == [4, 10, 10]


def test_what_is_missing_does_not_move_means():
    means_C, difficulty_S = np.array([0.8, 0.7, 0.6]), np.array([0.1, -0.1, 0.0, 0.0])
    scores_CS = means_C[:, None] + difficulty_S
    scores_CS[2, 1:] = np.nan
    found = additive(scores_CS)
    assert found[0] == pytest.approx(means_C)
    assert found[1] == pytest.approx(difficulty_S)


def test_the_same_search_gives_the_same_number():
    trials = [noisy(number, 0.8) for number in range(5)]
    assert optimism(trials) == optimism(trials[::-1])


def test_scores_that_are_all_alike_show_no_noise():
    perfect = [
        replace(each, results=tuple(replace(result, accuracy=1.0, balanced_accuracy=1.0) for result in each.results))
        for each in (noisy(number, 0.9) for number in range(3))
    ]
    assert optimism(perfect) is None


def test_raced_out_configurations_with_two_seeds_do_not_count():
    trials = [noisy(number, 0.8 - number / 100) for number in range(4)]
    few = [noisy(number, 0.85, "PRUNED", seeds=1 + number % 2) for number in range(4, 8)]
    assert optimism([*trials, *few]) == optimism(trials)


def test_too_few_that_are_left_by_racing_do_not_stand_for_those_that_were_stopped_before():
    complete = [noisy(number, 0.8 - number / 100) for number in range(2)]
    few = [noisy(number, 0.7, "PRUNED", seeds=1) for number in range(2, 6)]
    assert optimism(complete) is not None
    assert optimism([*complete, *few]) is None
    assert optimism([*complete, noisy(6, 0.75, "PRUNED", seeds=3), *few]) is not None

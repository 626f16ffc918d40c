"""Racing decides by a moderated t test; its oracles are scipy's test and a Bayesian's posterior, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sweeps.stages.racing import Racing, p_of_less


def numbered(scores):
    return dict(enumerate(np.asarray(scores).tolist()))


@pytest.mark.parametrize("number", [2, 3, 9, 40])
def test_without_a_prior_it_is_student_s_test(number):
    differences = np.random.default_rng(number).normal(-0.01, 0.03, (20, number))
    expected = stats.ttest_1samp(differences, 0, axis=1, alternative="less").pvalue
    assert p_of_less(differences, np.full(20, 0.03), 0.0) == pytest.approx(expected)
    # Nothing is expected of what spread no scores have.
    assert p_of_less(differences, np.zeros(20), 4.0) == pytest.approx(expected)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_it_is_the_posterior_probability_that_the_configuration_is_no_worse(number):
    """The variance has a scaled inverse chi-squared distribution, as if from four observations of the spread."""
    rng = np.random.default_rng(number)
    differences, spread, prior = rng.normal(-0.02, 0.02, number), 0.03, 4.0
    squares = prior * spread**2 + ((differences - differences.mean()) ** 2).sum()
    variances = squares / rng.chisquare(prior + number - 1, 400_000)
    means = rng.normal(differences.mean(), np.sqrt(variances / number))
    assert p_of_less(differences[None], np.array([spread]), prior)[0] == pytest.approx((means >= 0).mean(), abs=0.004)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("images", [20, 30, 1000])
def test_differences_that_are_all_alike_have_the_p_of_the_sign_test(number, images):
    """Whatever the last digits that subtraction leaves."""
    for least in range(1, images - number):
        best = (np.arange(number) % 3 + least) / images
        differences = (best * images - 1) / images - best
        assert p_of_less(differences[None], np.zeros(1), 4.0)[0] == 0.5**number
        assert p_of_less(np.zeros((1, number)), np.zeros(1), 4.0)[0] == 1.0


@pytest.mark.parametrize("looked", [1, 2, 3, 9])
def test_a_configuration_is_stopped_below_p(looked):
    """The rival's scores spread by .03."""
    best = 0.8 + 0.03 * np.array([-1, 0, 1, -1, 0, 1, -1, 0, 1, 0]) * np.sqrt(9 / 6)
    assert best.std(ddof=1) == pytest.approx(0.03)
    freedom = Racing().prior + looked - 1
    # The differences themselves are all alike.
    root = np.sqrt(Racing().prior * 0.03**2 / freedom / looked)
    for rivals in (1, 2, 3):
        # Those beside the best one are a little worse, and have another spread.
        complete = [best - 0.001 * number * (1 + np.arange(10) % 2) for number in range(rivals)]
        mean = np.mean(complete, axis=0)
        least = -stats.t.ppf(rivals * Racing().p, freedom) * root
        for behind, is_stopped in ((1.02 * least, True), (0.98 * least, False)):
            own, known = numbered(mean[:looked] - behind), [numbered(each) for each in complete]
            assert Racing().is_worse(own, known) == is_stopped


@pytest.mark.parametrize("images", [20, 30, 1000])
def test_equal_means_are_equal_whatever_their_last_digits(images):
    """The rival is ahead on nine seeds, and its tenth brings its mean down."""
    for least in range(9, images - 2):
        own = least + np.array([0, 1, 0, 1, 0, 1, 0, 1, -4])
        best = np.append(own + 1, least - 9)
        assert own.mean() == best.mean()
        assert not Racing().is_worse(numbered(own / images), [numbered(best / images)])
        assert Racing().is_worse(numbered((own - 1) / images), [numbered(best / images)])


def test_what_is_not_finite_and_what_has_no_seed_in_common_is_never_stopped():
    best = dict.fromkeys(range(9), 0.9)
    worse = dict.fromkeys(range(9), 0.5)
    assert Racing().is_worse(worse, [best])
    assert not Racing().is_worse(worse | {3: float("nan")}, [best])
    # Also on a seed that the configuration does not have.
    assert not Racing().is_worse(dict.fromkeys(range(4), 0.5), [best | {8: float("nan")}])
    assert not Racing().is_worse({}, [best])
    assert not Racing().is_worse(worse, [{}])
    assert not Racing().is_worse(worse, [])
    assert not Racing().is_worse({9: 0.5}, [best])


def test_one_seed_says_nothing_against_scores_that_are_all_alike():
    best = dict.fromkeys(range(10), 1.0)
    assert not Racing().is_worse({0: 0.9}, [best])
    assert Racing().is_worse(dict.fromkeys(range(4), 0.9), [best])


def test_the_rule_is_the_one_that_is_measured_and_told():
    """In docs/method.md, docs/evidence.md and `benchmarks/racing.py`."""
    assert Racing() == Racing(p=0.12, prior=2.0, first=1, growth=1.25, rivals=3)

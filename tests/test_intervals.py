import numpy as np
import pytest
from scipy import stats

from sweeps.intervals import estimate, paired_difference


def sample(n, seed=0):
    return np.random.default_rng(seed).normal(0.8, 0.05, n)


@pytest.mark.parametrize("n", [2, 3, 10, 50])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scipy(n, seed):
    values = sample(n, seed).clip(0.6, 1)
    found = estimate(values)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.n == n
    assert found.mean == pytest.approx(sum(values) / n)
    assert found.sd == pytest.approx(stats.tstd(values))
    assert found.iqm == pytest.approx(stats.trim_mean(values, 0.25))
    assert found.low == pytest.approx(max(interval.low, 0))
    assert found.high == pytest.approx(min(interval.high, 1))


def test_iqm_of_eight_is_the_mean_of_the_middle_four():
    assert estimate(np.array([0.9, 0.1, 0.5, 0.6, 0.7, 0.8, 0.0, 1.0])).iqm == pytest.approx(
        (0.5 + 0.6 + 0.7 + 0.8) / 4
    )


def test_of_nothing_is_none():
    assert estimate(np.array([])) is None


def test_of_one_has_no_spread():
    found = estimate(np.array([0.7]))
    assert (found.n, found.mean, found.iqm) == (1, 0.7, 0.7)
    assert (found.sd, found.low, found.high) == (None, None, None)


def test_of_two_is_student_s_t_with_one_degree_of_freedom():
    found = estimate(np.array([0.49, 0.51]))
    assert found.high - found.mean == pytest.approx(12.706 * 0.01, rel=1e-4)


def test_equal_values_have_an_interval_of_no_width():
    found = estimate(np.full(10, 0.5))
    assert (found.sd, found.low, found.high) == (0, 0.5, 0.5)


def test_interval_stays_within_0_and_1():
    found = estimate(np.array([0.0, 1.0, 1.0]))
    assert (found.low, found.high) == (0, 1)


def test_order_does_not_matter():
    assert estimate(sample(10)).mean == pytest.approx(estimate(sample(10)[::-1]).mean)


def test_interval_covers_the_truth_in_95_percent_of_samples():
    rng = np.random.default_rng(1)
    found = [estimate(rng.normal(0.6, 0.05, 10)) for _ in range(2000)]
    assert 0.935 < np.mean([each.low <= 0.6 <= each.high for each in found]) < 0.965


def test_paired_difference_agrees_with_scipy():
    ours, theirs = sample(20), sample(20, seed=1)
    found = paired_difference(ours, theirs)
    interval = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.n, found.mean) == (20, pytest.approx(ours.mean() - theirs.mean()))
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_paired_difference_of_one_seed_is_unknown():
    assert paired_difference(np.array([0.7]), np.array([0.6])) is None

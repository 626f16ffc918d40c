import numpy as np
import pytest
from scipy import stats

from sweeps.analysis.intervals import POOL_ERROR, estimate, estimates
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult


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


def test_the_images_error_is_added_as_independent_errors_are():
    plain, whole = estimate(sample(20)), estimate(sample(20), 0.02)
    half = plain.high - plain.mean
    assert whole.high - whole.mean == pytest.approx(np.sqrt(half**2 + (1.96 * 0.02) ** 2), rel=1e-4)
    assert (whole.mean, whole.sd, whole.images_error) == (plain.mean, plain.sd, 0.02)


def test_with_the_pool_s_error_the_interval_covers_the_truth_of_another_pool():
    """Every sample's images move all its seeds together; without that part the interval would be far too narrow."""
    rng = np.random.default_rng(1)
    without, whole = [], []
    for _ in range(2000):
        values = rng.normal(0.6, 0.05, 50) + rng.normal(0, 0.01)
        without.append(estimate(values))
        whole.append(estimate(values, 0.01))
    assert 0.935 < np.mean([each.low <= 0.6 <= each.high for each in whole]) < 0.965
    assert np.mean([each.low <= 0.6 <= each.high for each in without]) < 0.8


def results(split, n=50, normal=234, pneumonia=390, rng=None, of_images=None):
    """Seeds whose classifiers find 90 % of pneumonia and 70 % of normal images; `of_images` fixes the hits."""
    rng = rng or np.random.default_rng(0)
    sensitivity, specificity = of_images or (0.9, 0.7)
    noise = rng.normal(0, 0.02, (n, 2))
    found = []
    for seed, (a, b) in enumerate(noise):
        hits = {"sensitivity": sensitivity + a, "specificity": specificity + b}
        balanced = (hits["sensitivity"] + hits["specificity"]) / 2
        accuracy = (pneumonia * hits["sensitivity"] + normal * hits["specificity"]) / (pneumonia + normal)
        more = {"accuracy": accuracy, "balanced_accuracy": balanced, "auroc": 0.9, "brier": 0.1}
        found.append(SeedResult(seed=seed, split=split, seconds=1.0, timestamp_ms=0, **hits, **more))
    return found


def test_validation_has_the_pool_s_part_and_test_the_binomial_one():
    pool = estimates(results(VALIDATION), VALIDATION, (234, 390))
    assert {metric: each.images_error for metric, each in pool.items() if each.images_error} == {
        "accuracy": POOL_ERROR,
        "balanced_accuracy": POOL_ERROR,
    }
    test = estimates(results(TEST), TEST, (234, 390))
    se, sp = test["sensitivity"].mean, test["specificity"].mean
    assert test["sensitivity"].images_error == pytest.approx(stats.binom.std(390, se) / 390)
    assert test["specificity"].images_error == pytest.approx(stats.binom.std(234, sp) / 234)
    both = test["sensitivity"].images_error ** 2 + test["specificity"].images_error ** 2
    assert test["balanced_accuracy"].images_error == pytest.approx(np.sqrt(both / 4))
    assert test["accuracy"].images_error == pytest.approx(stats.binom.std(624, test["accuracy"].mean) / 624)
    assert test["auroc"].images_error == test["brier"].images_error == 0


def test_test_split_intervals_cover_the_truth_of_all_images():
    """Another test split of this size would have other images: 95 % of the intervals hold the truth behind it."""
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(1000):
        hits = rng.binomial(390, 0.9) / 390, rng.binomial(234, 0.7) / 234
        found = estimates(results(TEST, rng=rng, of_images=hits), TEST, (234, 390))["balanced_accuracy"]
        covered.append(found.low <= 0.8 <= found.high)
    assert 0.93 < np.mean(covered) < 0.975


def test_the_other_split_and_failed_seeds_do_not_count():
    mixed = [*results(VALIDATION, 5), *results(TEST, 7)]
    mixed.append(SeedResult(seed=99, split=VALIDATION, seconds=1.0, timestamp_ms=0, error="diverged"))
    assert estimates(mixed, VALIDATION, (234, 390))["accuracy"].n == 5
    assert estimates(mixed, TEST, (234, 390))["accuracy"].n == 7
    assert estimates([], TEST, (234, 390)) == {}

import numpy as np
import pytest
from scipy import stats

from made_up import SPEC
from sweeps.analysis.image_error import ImagesError
from sweeps.analysis.intervals import estimate, estimates
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


@pytest.mark.parametrize("n", [2, 10, 50])
@pytest.mark.parametrize("value", [0.0, 0.5, 0.7, 1.0])
def test_where_all_seeds_are_alike_some_others_may_not_be(value, n):
    """Of a count that is its greatest, or nothing, scipy's exact interval has the same end."""
    found = estimate(np.full(n, value))
    share = stats.binomtest(n, n).proportion_ci(method="exact").low
    assert (found.low, found.high) == (pytest.approx(share * value), pytest.approx(share * value + 1 - share))
    assert found.sd == pytest.approx(0)


@pytest.mark.parametrize(("n", "perfect"), [(3, 0.9), (3, 0.99), (10, 0.9), (10, 0.95), (10, 0.99), (50, 0.99)])
def test_the_mean_of_scores_that_are_mostly_perfect_is_held(n, perfect):
    """An AUROC of 1 on most seeds, and of .5 to 1 on the others."""
    rng = np.random.default_rng(n)
    truth = 1 - 0.25 * (1 - perfect)
    found = [estimate(np.where(rng.uniform(size=n) < perfect, 1.0, rng.uniform(0.5, 1, n))) for _ in range(2000)]
    held = np.array([each.low <= truth <= each.high for each in found])
    are_alike = np.array([each.sd == 0 for each in found])
    assert are_alike.mean() > 0.3
    assert held[are_alike].all()
    assert held.mean() > 0.94


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_bound_holds_for_the_worst_of_scores_too(n):
    """Seeds that are perfect or of no worth at all: the chance to see only perfect ones is the greatest then."""
    rng = np.random.default_rng(n)
    for truth in (0.1, 0.3, 0.6, 0.68, 0.7, 0.9):
        found = [estimate((rng.uniform(size=n) < truth).astype(float)) for _ in range(1000)]
        assert np.mean([each.sd == 0 and not each.low <= truth <= each.high for each in found]) < 0.05


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
    values = sample(20)
    sem = stats.sem(values)
    found = estimate(values, ImagesError(error=sem, degrees=19))
    # Two parts that are alike, of 19 degrees of freedom each. Wilson's interval has those shares as ends from which the
    # mean is just so many of their own standard errors away.
    hits = found.mean * (1 - found.mean) / (2 * sem**2)
    for end in (found.low, found.high):
        assert abs(found.mean - end) / np.sqrt(end * (1 - end) / hits) == pytest.approx(stats.t.ppf(0.975, 38))
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 38) * np.sqrt(2) * sem, rel=0.1)
    assert (found.mean, found.sd, found.images_error) == (values.mean(), values.std(ddof=1), sem)


@pytest.mark.parametrize(("n", "degrees"), [(10, 58), (100, 58)])
def test_where_no_image_is_ever_missed_the_fewer_speak_of_images_and_seeds(n, degrees):
    found = estimate(np.ones(n), ImagesError(error=0.0, degrees=degrees))
    assert found.high == 1
    of_images = degrees / (degrees + stats.t.ppf(0.975, degrees) ** 2)
    assert found.low == pytest.approx(min(of_images, 0.025 ** (1 / n)))
    assert (found.low < of_images) == (n == 10)


@pytest.mark.parametrize("share", [0.7, 1 / 3, 0.9, 1.0])
def test_rounding_makes_no_interval_of_no_width(share):
    """Equal accuracies may have a standard error of 1e-17, by which one would divide."""
    values = np.full(6, share)
    found = estimate(values, ImagesError(error=0.0, degrees=12))
    assert found.low <= found.mean <= found.high
    assert found.high - found.low > 0.1
    nearly = values - np.array([0, 1e-16] * 3)
    assert estimate(nearly, ImagesError(error=0.0, degrees=12)).low < share - 0.1


def test_with_the_images_error_the_interval_covers_the_truth_of_another_pool():
    """Every sample's images move all its seeds together; without that part the interval would be far too narrow."""
    rng = np.random.default_rng(1)
    without, whole = [], []
    for _ in range(1000):
        values = rng.normal(0.6, 0.05, 50) + rng.normal(0, 0.01)
        without.append(estimate(values))
        whole.append(estimate(values, ImagesError(error=0.01, degrees=2000)))
    assert 0.935 < np.mean([each.low <= 0.6 <= each.high for each in whole]) < 0.965
    assert np.mean([each.low <= 0.6 <= each.high for each in without]) < 0.8


def results(split, n):
    """Seeds as versions before hits had them, and of a metric that only one class has."""
    rng = np.random.default_rng(0)
    return [
        SeedResult(seed=seed, split=split, seconds=1.0, timestamp_ms=0, accuracy=value, auroc=0.9)
        for seed, value in enumerate(rng.normal(0.8, 0.02, n).tolist())
    ]


def test_the_other_split_and_failed_seeds_do_not_count():
    mixed = [*results(VALIDATION, 5), *results(TEST, 7)]
    mixed.append(SeedResult(seed=99, split=VALIDATION, seconds=1.0, timestamp_ms=0, error="diverged"))
    assert estimates(mixed, VALIDATION, "confirm", SPEC)["accuracy"].n == 5
    assert estimates(mixed, TEST, "confirm", SPEC)["accuracy"].n == 7
    assert estimates([], TEST, "confirm", SPEC) == {}


def test_a_metric_that_no_seed_has_is_left_out():
    assert estimates(results(TEST, 3), TEST, "confirm", SPEC).keys() == {"accuracy", "auroc"}
    assert estimates(results(TEST, 3), TEST, "confirm", SPEC, ("accuracy",)).keys() == {"accuracy"}

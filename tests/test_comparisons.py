import numpy as np
import pytest
from scipy import stats

from sweeps.analysis.comparisons import compare, compare_all, holm
from sweeps.analysis.image_error import SEEDS_ALONE, ImagesError


def draws(seed, *means, sd=0.05, n=50):
    """An accuracy a seed for each mean: a common draw of ten images, and noise of its own."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, sd, n)
    return [mean + common + rng.normal(0, sd / 2, n) for mean in means]


@pytest.mark.parametrize("n", [2, 3, 20])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scipy(n, seed):
    ours, theirs = draws(seed, 0.82, 0.8, n=n)
    found = compare("ours", "theirs", ours, theirs)
    sign = 1 if found.better == "ours" else -1
    expected = stats.ttest_rel(ours, theirs)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.n, sign * found.mean) == (n, pytest.approx(ours.mean() - theirs.mean()))
    assert sorted([sign * found.low, sign * found.high]) == pytest.approx([interval.low, interval.high])
    one_sided = stats.ttest_rel(ours, theirs, alternative="less" if sign > 0 else "greater")
    assert found.probability == pytest.approx(one_sided.pvalue)


def test_the_better_one_is_the_one_with_the_greater_mean_whatever_the_order():
    ours, theirs = draws(0, 0.7, 0.8)
    one, other = compare("ours", "theirs", ours, theirs), compare("theirs", "ours", theirs, ours)
    assert one == other
    assert (one.better, one.worse) == ("theirs", "ours")
    assert 0 < one.low < one.mean < one.high


def test_wins_are_counted_and_ties_are_halves():
    found = compare("a", "b", np.array([0.5, 0.6, 0.9, 0.9]), np.array([0.5, 0.7, 0.1, 0.1]))
    assert found.wins == (0.5 + 0 + 1 + 1) / 4


@pytest.mark.parametrize("sign", [1, -1])
def test_no_interval_goes_beyond_what_is_possible(sign):
    """Student's t would give +-191 points."""
    found = compare("a", "b", np.array([0.5, 0.5]) + sign * np.array([0.2, 0.5]), np.array([0.5, 0.5]))
    assert (found.better, found.low, found.high) == ("a" if sign > 0 else "b", -1, 1)


def test_one_seed_says_nothing():
    assert compare("a", "b", np.array([0.7]), np.array([0.6])) is None


def test_twins_do_not_differ():
    values = draws(0, 0.8)[0]
    found = compare("a", "b", values, values.copy())
    assert (found.p, found.probability, found.wins) == (1, 0.5, 0.5)
    assert (found.low, found.high) == (pytest.approx(0.025 ** (1 / 50) - 1), pytest.approx(1 - 0.025 ** (1 / 50)))
    of_images = compare("a", "b", values, values.copy(), ImagesError(error=0.0, degrees=1000))
    assert (of_images.low, of_images.high) == (pytest.approx(-0.0037, abs=1e-4), pytest.approx(0.0037, abs=1e-4))


@pytest.mark.parametrize("changed", [0.01, 0.03, 0.06])
def test_the_loss_of_few_images_is_held_where_none_of_them_shows_it(changed):
    """Ten seeds that are wrong about a changed image, of which there are few or none among 50."""
    rng = np.random.default_rng(0)
    held, alike = [], 0
    for _ in range(2000):
        lost_N = rng.uniform(size=50) < changed
        images = ImagesError(error=float(lost_N.std(ddof=1)) / np.sqrt(50), degrees=49)
        found = compare("before", "after", np.ones(10), np.full(10, 1 - lost_N.mean()), images)
        held.append(found.low <= changed <= found.high)
        alike += found.mean == 0
    assert alike > 50
    assert np.mean(held) > 0.95


@pytest.mark.parametrize("n", [2, 3, 50])
def test_of_a_difference_without_spread_one_seed_might_have_shown_none(n):
    values = draws(0, 0.8, n=n)[0]
    found = compare("a", "b", values + 0.1, values)
    expected = stats.ttest_1samp([0.0] + [0.1] * (n - 1), 0)
    half = stats.t.ppf(0.975, n - 1) * 0.1 / n
    assert (found.sd, found.wins) == (pytest.approx(0), 1)
    assert (found.low, found.high) == (pytest.approx(0.1 - half), pytest.approx(0.1 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(n, n - 1))
    assert found.p < expected.pvalue
    # Few seeds do not show it, many do.
    assert found.is_shown == (n == 50)


def test_holm_by_hand():
    # The example of Holm's procedure: times 4, 3, 2, 1, and never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([0.2]) == pytest.approx([0.2])
    # As R's p.adjust(p, "holm") has them.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.04, 0.001, 0.5, 0.6]) == pytest.approx([0.12, 0.004, 1.0, 1.0])
    assert holm([]) == []


def test_holm_rejects_what_the_stepwise_rule_rejects():
    rng = np.random.default_rng(0)
    for _ in range(200):
        p = rng.uniform(0, 1, 6) ** 3
        rejected = set()
        for step, index in enumerate(np.argsort(p)):
            if p[index] > 0.05 / (6 - step):
                break
            rejected.add(int(index))
        assert {i for i, adjusted in enumerate(holm(p)) if adjusted <= 0.05} == rejected


def test_every_pair_on_the_seeds_that_both_have():
    a, b, c = draws(1, 0.9, 0.85, 0.7)
    values = {"c": dict(enumerate(c)), "a": dict(enumerate(a)), "b": dict(enumerate(b[:30], start=10))}
    found = compare_all(values)
    assert {(each.better, each.worse): each.n for each in found} == {("a", "c"): 50, ("a", "b"): 30, ("b", "c"): 30}
    alone = compare("a", "b", a[10:40], b[:30])
    assert next(each for each in found if each.worse == "b").p == alone.p
    assert [each.p_holm for each in found] == sorted(each.p_holm for each in found)
    assert holm([each.p for each in found]) == [each.p_holm for each in found]


def test_equal_approaches_are_seldom_distinguished():
    """Of 300 sweeps of six approaches that are all alike, at most 5 % may claim any difference (and not far fewer)."""
    claims = 0
    for seed in range(300):
        values = draws(seed, *[0.8] * 6, n=20)
        found = compare_all({str(name): dict(enumerate(each)) for name, each in enumerate(values)})
        claims += any(each.is_shown for each in found)
    assert 0.01 < claims / 300 < 0.075


def test_true_differences_are_found_and_their_intervals_hold_them():
    """True gaps of 3 and 6 points, 50 seeds, sd of a difference 3.5: both shown, and 95 % of intervals hold them."""
    covered, shown = [], []
    for seed in range(300):
        values = draws(seed, 0.86, 0.83, 0.8)
        values = {name: dict(enumerate(each)) for name, each in zip("abc", values, strict=True)}
        for each in compare_all(values):
            gap = 0.03 * (ord(each.worse) - ord(each.better))
            covered.append(each.low <= gap <= each.high)
            shown.append(each.is_shown)
    assert 0.93 < np.mean(covered) < 0.97
    assert np.mean(shown) > 0.99


def test_the_probability_of_being_better_is_calibrated():
    """When the truth is drawn from a wide prior, a claim of probability p is right in a share p of cases."""
    rng = np.random.default_rng(0)
    claims = []
    for seed in range(2000):
        gap = rng.normal(0, 0.02)
        a, b = draws(seed, 0.8 + gap, 0.8, n=10)
        found = compare("a", "b", a, b)
        claims.append((found.probability, (found.better == "a") == (gap > 0)))
    middling = [right for probability, right in claims if 0.6 < probability < 0.9]
    assert np.mean(middling) == pytest.approx(0.76, abs=0.05)


@pytest.mark.parametrize("n", [2, 3, 5, 9])
@pytest.mark.parametrize("of_images", [0.25, 0.5, 1])
def test_of_few_seeds_intervals_hold_the_truth_and_equals_are_not_told_apart(n, of_images):
    """By Welch's degrees of freedom 78 pairs of equals had four wrong claims with two seeds, and one with three."""
    rng = np.random.default_rng(0)
    images = ImagesError(error=of_images * 0.02 / np.sqrt(n), degrees=1000)
    found = [
        compare("a", "b", 0.5 + rng.normal(0, images.error) + rng.normal(0, 0.02, n), np.full(n, 0.5), images)
        for _ in range(2000)
    ]
    assert np.mean([each.low <= 0 <= each.high for each in found]) > 0.945
    assert 78 * np.mean([78 * each.p < 0.05 for each in found]) < 0.1


def test_another_pool_of_images_is_reckoned_with():
    """Each sweep's pool moves the difference of two equal approaches; by the seeds alone they would often differ."""
    rng = np.random.default_rng(0)
    images = ImagesError(error=0.004, degrees=500)
    shown, alone = 0, 0
    for seed in range(1000):
        a, b = draws(seed, 0.8, 0.8 + rng.normal(0, images.error), sd=0.02, n=200)
        shown += compare("a", "b", a, b, images).is_shown
        alone += compare("a", "b", a, b, SEEDS_ALONE).is_shown
    assert 0.03 < shown / 1000 < 0.07
    assert alone / 1000 > 0.2

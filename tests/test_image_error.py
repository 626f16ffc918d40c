"""What the images add to an error: against a known truth, and against other ways to the same number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from made_up import SPEC, changed, trial
from sweeps.analysis import hits as hits_module
from sweeps.analysis.comparisons import compare, compare_all
from sweeps.analysis.hits import Hits, hits_of, split_of
from sweeps.analysis.image_error import SEEDS_ALONE, ImagesError, with_images
from sweeps.analysis.intervals import estimate, estimates
from sweeps.core.errors import BadInput
from sweeps.tracking.trial_runs import aggregates
from trainables.parts.protocol import VALIDATION, Protocol
from trainables.parts.results import SeedResult, packed

TWO = ("normal", "sick")


def protocol(pool=(60, 60), shots=(5, 5), validation=500, **more):
    names = (*TWO, *map(str, range(2, len(pool))))
    return Protocol(classes=names, shots=shots, validation=validation, confirmation=validation, pool=pool, **more)


def simulated(rng, seeds, protocol, approaches=1, ease=1.5, image=1.5, shot=0.1, own_shot=0.0, seed=0.2, groups=None):
    """Hits of each approach, and its accuracies: images differ in how hard they are, and in what they teach.

    What is hard is mostly hard for all approaches; typical images are easy, and teach more. `own_shot` is how much an
    image teaches one approach and no other (standard deviation, in log-odds).
    """
    images = sum(protocol.pool)
    units = groups if groups is not None else np.arange(images)
    difficulty = rng.normal(0, image, images)[units]
    teaching = shot * (0.5 * difficulty / max(image, 1e-9) + rng.normal(0, 0.9, images)[units])
    shots, scored = np.zeros((len(seeds), images)), np.zeros((len(seeds), images), bool)
    for row, each in enumerate(seeds):
        learned_from, of_seed = split_of(protocol, each)
        shots[row, learned_from], scored[row, of_seed] = 1, True
    common = rng.normal(0, seed, (len(seeds), 1))
    found = []
    for _ in range(approaches):
        own = difficulty + rng.normal(0, image / 3, images)[units]
        taught = shots @ (teaching + rng.normal(0, own_shot, images)[units])
        log_odds = ease + own + taught[:, None] + common + rng.normal(0, seed, (len(seeds), 1))
        hits = (rng.uniform(size=scored.shape) < expit(log_odds)) & scored
        hits_of_approach = Hits(
            seeds=tuple(seeds),
            hits=hits.astype(np.float32),
            scored=scored,
            labels=protocol.labels,
            units=units,
            protocol=protocol,
            is_pool=True,
        )
        found.append((hits_of_approach, hits.sum(1) / scored.sum(1)))
    return found


def error_of(hits, values):
    return hits.table(hits.shares).error(values).error


@pytest.mark.parametrize(("images", "seeds"), [(30, 40), (300, 10)])
def test_intervals_and_differences_hold_the_truth_of_all_pools(images, seeds):
    """Of 300 pools; by the seeds alone far too few would."""
    rng = np.random.default_rng(0)
    made = protocol((images, images))
    found, alone, differences, differences_alone = [], [], [], []
    for pool in range(300):
        own = [1000 + seeds * (pool % 5) + at for at in range(seeds)]
        (a, values), (b, others) = simulated(rng, own, made, approaches=2)
        one, other = (each.table(each.shares) for each in (a, b))
        found.append(estimate(values, one.error(values)))
        alone.append(estimate(values))
        error = one.less(other).error(values - others)
        differences.append(compare("a", "b", values, others, error))
        differences_alone.append(compare("a", "b", values, others))
    truth = np.mean([each.mean for each in found])
    assert 0.91 < np.mean([each.low <= truth <= each.high for each in found]) < 0.98
    # The two are alike.
    assert 0.92 < np.mean([each.low <= 0 for each in differences]) <= 0.99
    if images == 30:
        assert np.mean([each.low <= truth <= each.high for each in alone]) < 0.6
        assert np.mean([each.low <= 0 for each in differences_alone]) < 0.92


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("images", [7, 12, 30])
def test_two_alike_are_seldom_told_apart_by_a_few_seeds_on_a_few_images(images, seeds):
    """Few images make differences that are the same on all seeds, which must not pass for certain ones."""
    rng = np.random.default_rng(0)
    made = protocol((images, images), shots=(min(5, images - 3),) * 2)
    found = []
    for pool in range(200):
        own = [1000 + seeds * (pool % 20) + at for at in range(seeds)]
        (a, values), (b, others) = simulated(rng, own, made, approaches=2)
        error = a.table(a.shares).less(b.table(b.shares)).error(values - others)
        found.append(compare("a", "b", values, others, error))
    assert min(each.p for each in found) > 1e-6
    # 5 % and two standard errors of 200 pools.
    assert np.mean([each.is_shown for each in found]) <= 0.08


def test_few_sweeps_tell_alike_approaches_apart_where_half_of_the_pool_is_learned_from():
    """A seed is scored on the other half, which says as much of its metric as its shots do: 20 % of sweeps would."""
    rng = np.random.default_rng(16)
    made = protocol((20, 20), shots=(10, 10))
    wrong = []
    for pool in range(60):
        own = range(1000 + 50 * (pool % 10), 1050 + 50 * (pool % 10))
        found = simulated(rng, own, made, approaches=8, own_shot=0.07)
        tables = {str(at): hits.table(hits.shares) for at, (hits, _) in enumerate(found)}
        values = {str(at): dict(zip(own, of_seeds, strict=True)) for at, (_, of_seeds) in enumerate(found)}
        wrong.append(any(each.is_shown for each in compare_all(values, tables)))
    # 5 % and two standard errors of 60 pools.
    assert np.mean(wrong) <= 0.107


def test_estimates_of_the_parts_cancel_no_more_than_there_is():
    """What the scored images show by themselves is the least, though shots seem to make up for it."""
    rng = np.random.default_rng(0)
    made = protocol((30, 30))
    for pool in range(30):
        (a, values), (b, others) = simulated(rng, range(1000 + 50 * pool, 1050 + 50 * pool), made, approaches=2)
        table = a.table(a.shares).less(b.table(b.shares))
        by_themselves = np.square(table.parts.sum(0)).sum() - np.square(table.parts).sum()
        assert table.variances(values - others).whole > 0.999 * by_themselves / (50 * 49)


def test_of_images_that_all_seeds_scored_it_is_the_analysis_of_variance():
    """Where nothing is learned of the images: on the test split, with shots that do not matter."""
    rng = np.random.default_rng(1)
    seeds, counts = 12, (40, 70)
    labels = np.repeat([0, 1], counts)
    chance = np.clip(rng.normal(0.8, 0.2, sum(counts)) + rng.normal(0, 0.05, (seeds, 1)), 0, 1)
    hits = (rng.uniform(size=chance.shape) < chance).astype(np.float32)
    on_test = Hits(
        seeds=tuple(range(1000, 1000 + seeds)),
        hits=hits,
        scored=np.ones(hits.shape, bool),
        labels=labels,
        units=np.arange(len(labels)),
        protocol=protocol((1000, 1000)),
        is_pool=False,
    )
    expected = []
    for label in (0, 1):
        own = hits[:, labels == label].astype(float)
        of_image, of_seed = own.mean(0), own.mean(1)
        left = own - of_image - of_seed[:, None] + own.mean()
        n = own.shape[1]
        noise = (left**2).sum() / (seeds - 1) / (n - 1)
        expected.append((of_image.var(ddof=1) - noise / seeds) / n)
    # Equal values leave nothing to be learned.
    same = np.full(seeds, 0.8)
    for weights, variance in (((1, 0), expected[0]), ((0, 1), expected[1])):
        assert on_test.table(np.array(weights)).error(same).error == pytest.approx(np.sqrt(variance), rel=1e-4)
    both = on_test.table(np.array([0.5, 0.5])).error(same).error
    assert both == pytest.approx(np.sqrt(sum(expected) / 4), rel=0.02)


@pytest.mark.parametrize("validation", [10, 60, 500])
def test_it_is_right_on_average_however_few_images_a_seed_was_scored_on(validation):
    """With ten of 200 a class, most images were scored by no seed or by one alone, which says nothing by itself."""
    rng = np.random.default_rng(2)
    made = protocol((200, 200), validation=validation)
    seeds = range(1000, 1008)
    variances, errors = [], []
    for _ in range(100):
        ((hits, values),) = simulated(rng, seeds, made, shot=0.0)
        # What each image's chance is, is simulated with the seeds' own effects averaged out.
        variances.append(_of_two_halves(hits))
        errors.append(hits.table(hits.shares).error(np.full(len(seeds), values.mean())).error ** 2)
    assert np.mean(errors) == pytest.approx(np.mean(variances), rel=0.3 if validation == 10 else 0.1)


def _of_two_halves(hits):
    """The variance of a mean, from the covariance of hit rates over two halves of the seeds, image by image."""
    found = 0.0
    for label in (0, 1):
        own = hits.labels == label
        rates = []
        for half in (slice(0, None, 2), slice(1, None, 2)):
            scored = hits.scored[half][:, own]
            with np.errstate(invalid="ignore"):
                rates.append(hits.hits[half][:, own].sum(0) / scored.sum(0))
        known = np.isfinite(rates[0]) & np.isfinite(rates[1])
        found += np.cov(rates[0][known], rates[1][known])[0, 1] / own.sum() / 4
    return found


@pytest.mark.parametrize(("patients", "images"), [(40, 3), (30, 6)])
def test_images_of_one_patient_stand_together(patients, images):
    """Images of patients that are alike add the error of so many patients, not of so many images.

    With few patients of many images a seed is not scored on much of what others are scored on.
    """
    rng = np.random.default_rng(3)
    groups = tuple(np.repeat(np.arange(patients), images).tolist())
    pool = (patients * images // 2,) * 2
    made = protocol(pool, groups=groups)
    means, together, apart = [], [], []
    for draw in range(150):
        seeds = range(1000 + 20 * (draw % 5), 1020 + 20 * (draw % 5))
        ((hits, values),) = simulated(rng, seeds, made, groups=np.array(groups))
        means.append(values.mean())
        together.append(error_of(hits, values) ** 2 + values.var(ddof=1) / len(values))
        single = replace(hits, units=np.arange(sum(pool)), protocol=replace(made, groups=()))
        apart.append(error_of(single, values) ** 2 + values.var(ddof=1) / len(values))
    assert np.mean(together) == pytest.approx(np.var(means), rel=0.25)
    assert np.mean(apart) < 0.7 * np.mean(together)


def test_groups_of_very_different_sizes():
    """60 single images and ten patients of twelve: 1.7 times the variance that there is, if taken for alike."""
    rng = np.random.default_rng(17)
    sizes = np.random.default_rng(0).permutation([1] * 60 + [12] * 10)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    made = protocol((90, 90), groups=tuple(groups.tolist()))
    means, variances = [], []
    for draw in range(300):
        seeds = range(1000 + 20 * (draw % 5), 1020 + 20 * (draw % 5))
        ((hits, values),) = simulated(rng, seeds, made, groups=groups)
        means.append(values.mean())
        variances.append(error_of(hits, values) ** 2 + values.var(ddof=1) / len(values))
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.3)


def test_an_approach_and_itself_do_not_differ():
    ((hits, values),) = simulated(np.random.default_rng(4), range(1000, 1010), protocol())
    table = hits.table(hits.shares)
    assert table.less(table).error(values - values) == ImagesError(error=0, degrees=table.degrees)


def test_some_of_the_seeds():
    ((hits, values),) = simulated(np.random.default_rng(5), range(1000, 1020), protocol())
    some = np.array([2, 3, 7, 19])
    fewer = replace(
        hits, seeds=tuple((1000 + some).tolist()), hits=hits.hits[some], scored=hits.scored[some]
    )  # fmt: skip
    own = fewer.table(fewer.shares).error(values[some])
    assert hits.table(hits.shares).of(fewer.seeds).error(values[some]).error == pytest.approx(own.error)
    assert hits.table(hits.shares).of(fewer.seeds[:1]).error(values[:1]) == SEEDS_ALONE


def test_degrees_of_freedom():
    assert with_images(0.01, 10, SEEDS_ALONE) == (0.01, 9)
    error, degrees = with_images(0.01, 10, ImagesError(error=0.01, degrees=9))
    assert (error, degrees) == (pytest.approx(0.01 * np.sqrt(2)), pytest.approx(18))
    ((hits, _),) = simulated(np.random.default_rng(6), range(1000, 1004), protocol((20, 500), shots=(2, 2)))
    # The small class has nearly all of the error.
    assert hits.table(np.array([0.5, 0.5])).degrees == pytest.approx(20, abs=1)
    assert hits.table(np.array([0, 1])).degrees == pytest.approx(499)


def results(hits, split=VALIDATION):
    """As a sweep has them."""
    found = []
    for row, seed in enumerate(hits.seeds):
        images = split_of(hits.protocol, seed)[1] if split == VALIDATION else slice(None)
        own = hits.hits[row, images]
        values = dict.fromkeys(("accuracy", "balanced_accuracy"), float(own.mean()))
        found.append(
            SeedResult(
                seed=seed, split=split, seconds=1.0, timestamp_ms=0, hits=packed(own.astype(bool)), auroc=0.9, **values
            )
        )
    return found


def test_hits_are_read_as_the_protocol_says_which_images_they_are_of():
    made = protocol(validation=20)
    wider = replace(made, confirmation=40)
    for stage, own in (("search", made), ("confirm", replace(wider, validation=40))):
        ((hits, values),) = simulated(np.random.default_rng(7), range(1000, 1010), own)
        spec = changed(SPEC, {"protocol": wider, "test_counts": (3, 4)})
        read = hits_of(results(hits), VALIDATION, stage, spec)
        assert read.seeds == hits.seeds
        assert (read.hits == hits.hits).all()
        assert (read.scored == hits.scored).all()
        found = estimates(results(hits), VALIDATION, stage, spec)
        assert found["accuracy"].images_error == pytest.approx(error_of(hits, values))
        assert found["accuracy"].images_error > 0
        # Without scores nothing can be said of it but what the seeds do.
        assert found["auroc"].images_error == 0


def test_where_hits_are_unknown_the_seeds_stand_alone():
    ((hits, values),) = simulated(np.random.default_rng(8), range(1000, 1010), protocol())
    spec = changed(SPEC, {"protocol": hits.protocol})
    old = [replace(result, hits=None) for result in results(hits)]
    assert hits_of(old, VALIDATION, "search", spec) is None
    found = estimates(old, VALIDATION, "search", spec)["accuracy"]
    alone = estimate(values)
    assert (found.low, found.high, found.images_error) == (pytest.approx(alone.low), pytest.approx(alone.high), 0)
    # One seed's hits compare with no other's.
    assert hits_of([*results(hits)[:1], *old[1:]], VALIDATION, "search", spec) is None
    some = estimates([*results(hits)[:5], *old[5:]], VALIDATION, "search", spec)["accuracy"]
    assert (some.n, some.images_error > 0) == (10, True)


def test_hits_of_other_images_are_refused():
    ((hits, _),) = simulated(np.random.default_rng(9), range(1000, 1004), protocol())
    with pytest.raises(BadInput, match=r"hits in the journal.*seed 1000 on the validation images"):
        hits_of(results(hits), VALIDATION, "search", SPEC)


def test_three_classes_and_their_recalls():
    made = protocol((30, 40, 50), shots=(3, 3, 3))
    ((hits, values),) = simulated(np.random.default_rng(10), range(1000, 1010), made)
    spec = changed(SPEC, {"protocol": made, "test_counts": (1, 1, 1)})
    scored = hits.scored @ (made.labels[:, None] == range(3))
    recalls = (hits.hits @ (made.labels[:, None] == range(3))) / scored
    own = [
        replace(result, recalls=tuple(of_seed)) for result, of_seed in zip(results(hits), recalls.tolist(), strict=True)
    ]
    found = estimates(own, VALIDATION, "search", spec)
    of_classes = [found[f"recall_{name}"] for name in made.classes]
    assert [each.mean for each in of_classes] == pytest.approx(recalls.mean(0).tolist())
    assert found["accuracy"].mean == pytest.approx(values.mean())
    assert all(each.images_error > 0 for each in of_classes)
    # Two classes alone have these.
    assert not {"sensitivity", "specificity"} & found.keys()
    assert found["accuracy"].images_error < max(each.images_error for each in of_classes)


def test_one_scored_image_of_each_class_has_an_error_too():
    ((hits, values),) = simulated(np.random.default_rng(13), range(1000, 1010), protocol((6, 6), validation=1))
    found = estimates(results(hits), VALIDATION, "search", changed(SPEC, {"protocol": hits.protocol}))["accuracy"]
    assert found.images_error > 0.05
    assert found.low < values.mean() < found.high


def test_what_no_metric_changes_is_reckoned_once(monkeypatch):
    made = protocol((30, 40, 50), shots=(3, 3, 3))
    ((hits, _),) = simulated(np.random.default_rng(15), range(1000, 1010), made)
    own = [replace(result, recalls=(0.8, 0.8, 0.8)) for result in results(hits)]
    calls, tables = [], []
    shots, table = hits_module._shots, Hits.table
    monkeypatch.setattr(hits_module, "_shots", lambda *args: calls.append(args) or shots(*args))
    monkeypatch.setattr(Hits, "table", lambda *args: tables.append(args) or table(*args))
    spec = changed(SPEC, {"protocol": made})
    whole = estimates(own, VALIDATION, "search", spec)
    assert (len(calls), len(tables)) == (1, 5)
    # MLflow has no interval of a class.
    record = replace(trial(), results=tuple(own))
    assert aggregates(record, spec)["accuracy_ci_low"] == whole["accuracy"].low
    assert (len(calls), len(tables)) == (2, 7)

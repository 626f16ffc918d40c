"""The study's numbers beside ours: real Optuna, a real journal, a pretended worker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from made_up import START, changed, source
from pretended import accuracy, finish, search
from refusals import refused
from search_spaces.published.settings import Setting
from studied import ONE, OTHER_NUMBER, STUDIED, STUDY_SPEC, TWO, UNPUBLISHED, WITHOUT_NUMBER, row_of, stage, summarised
from sweeps.analysis import study
from sweeps.analysis.comparisons import holm
from sweeps.analysis.intervals import estimate
from sweeps.analysis.study import (
    FEWEST_SEEDS,
    StudySummary,
    confirmed_elsewhere,
    in_both_directions,
    summarise_study,
)
from sweeps.analysis.unpaired import MOST_CORRELATION
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.store.journal import Journal


@pytest.mark.parametrize("seeds", [25, None])
def test_noise_is_judged_as_from_the_single_seeds(seeds):
    rng = np.random.default_rng(1)
    for shift in (0.0, 0.03):
        theirs, ours = rng.normal(0.8, 0.05, seeds or FEWEST_SEEDS), rng.normal(0.8 + shift, 0.02, 50)
        setting = Setting(params={}, mean_percent=100 * theirs.mean(), sd_percent=100 * theirs.std(ddof=1), seeds=seeds)
        expected = stats.ttest_ind(theirs, ours, equal_var=False).pvalue
        (small, large), (_, p) = study.tested(setting, estimate(ours))
        assert p == pytest.approx(expected)
        assert small < large == pytest.approx(100 * np.hypot(stats.sem(theirs), stats.sem(ours)))


def test_common_seeds_whose_correlation_is_as_great_as_is_plausible_are_judged_as_in_pairs():
    """The paired t test has the same error, if their correlation is what is assumed."""
    rng = np.random.default_rng(0)
    theirs = rng.normal(0.8, 0.05, 50)
    other = rng.normal(size=50)
    other -= np.polyval(np.polyfit(theirs, other, 1), theirs)
    ours = 0.81 + MOST_CORRELATION * (theirs - theirs.mean()) / theirs.std() * 0.05
    ours += np.sqrt(1 - MOST_CORRELATION**2) * other / other.std() * 0.05
    setting = Setting(params={}, mean_percent=100 * theirs.mean(), sd_percent=100 * theirs.std(ddof=1), seeds=50)
    (small, _), (p, _) = study.tested(setting, estimate(ours))
    assert p == pytest.approx(stats.ttest_rel(theirs, ours).pvalue)
    assert small == pytest.approx(100 * stats.sem(theirs - ours))


def test_noise_explains_a_difference_or_does_not_or_that_depends_on_the_correlation():
    found = [in_both_directions(*p) for p in ((0.2, 0.3), (0.01, 0.02), (0.01, 0.2))]
    assert found == ["yes", "no", "depends"]


@pytest.mark.parametrize(("mean", "p"), [(50.0, 1.0), (64.0, 0.0)])
def test_two_numbers_without_spread_are_equal_or_not(mean, p):
    setting = Setting(params={}, mean_percent=mean, sd_percent=0.0, seeds=None)
    assert study.tested(setting, estimate(np.full(50, 0.5))) == ((0.0, 0.0), (p, p))


def test_one_seed_of_ours_is_compared_with_nothing():
    setting = Setting(params={}, mean_percent=50.0, sd_percent=1.0, seeds=None)
    assert study.tested(setting, estimate(np.array([0.5]))) is None


def test_the_tables_have_each_approach_once_and_say_what_the_seeds_say(journal):
    everything = [STUDIED, WITHOUT_NUMBER, OTHER_NUMBER]
    finish(stage(journal, everything))
    found = summarised(journal, everything)
    assert StudySummary.model_validate_json(found.model_dump_json()) == found
    assert [[(row.approach, row.variant) for row in table.rows] for table in found.tables] == [
        [("a", None), ("a", "better"), ("b", None)],
        [("c", None)],
    ]
    main, better = row_of(found, "a"), row_of(found, "a", "better")
    p_values = []
    for row, x, seeds, (mean, sd, n) in ((main, 0.5, 12, (76, 4, 12)), (better, 0.8, 50, (60, 4, FEWEST_SEEDS))):
        ours = 100 * np.array([accuracy({"x": x}, seed) for seed in range(seeds)])
        assert row.ours.n == seeds
        assert row.ours.mean == pytest.approx(ours.mean() / 100)
        assert row.difference_points == pytest.approx(ours.mean() - mean)
        moments = (mean, sd, n, ours.mean(), ours.std(ddof=1), seeds)
        p_values.append(stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue)
    assert [main.p_holm[1], better.p_holm[1]] == pytest.approx(holm(p_values))
    assert (main.noise_explains_it, better.noise_explains_it) == ("yes", "no")
    for name in ("b", "c"):
        row = row_of(found, name)
        assert (row.difference_points, row.p, row.noise_explains_it) == (None, None, None)


def starting(confirm_seeds):
    return changed(START, {"options": {"confirm_seeds": confirm_seeds}})


def a_sweep(folder, **spec):
    """A finished sweep of the first challenge."""
    journal = Journal(folder, write=True)
    journal.begin(changed(STUDY_SPEC, spec), starting(6))
    finish(search(journal, [STUDIED]))
    finish(ConfirmationStage(journal, [STUDIED], lambda *who: None, seeds=6))
    journal.close()
    return str(folder)


def test_a_sweep_s_confirmed_mean_stands_beside(tmp_path):
    folder = a_sweep(tmp_path / "sweep")
    found = confirmed_elsewhere([folder], (ONE, TWO), STUDY_SPEC)
    assert list(found) == ["a"]
    assert found["a"].n == 6
    best = next(trial for trial in Journal(Path(folder), write=False).trials() if trial.stage == "confirm")
    assert found["a"].mean == pytest.approx(best.values("accuracy").mean())


def test_of_several_sweeps_the_first_counts(tmp_path):
    first, second = a_sweep(tmp_path / "first"), tmp_path / "second"
    journal = Journal(second, write=True)
    journal.begin(STUDY_SPEC, starting(2))
    finish(search(journal, [STUDIED]))
    finish(ConfirmationStage(journal, [STUDIED], lambda *who: None, seeds=2))
    journal.close()
    assert confirmed_elsewhere([first, str(second)], (ONE, TWO), STUDY_SPEC)["a"].n == 6
    assert confirmed_elsewhere([str(second), first], (ONE, TWO), STUDY_SPEC)["a"].n == 2


@pytest.mark.parametrize(
    ("of_sweep", "here", "says"),
    [
        ({"challenge": "published"}, {}, "a sweep of one or two; got"),
        ({"dataset": source("made.npz", "g")}, {}, "the same images as this run (f);"),
        ({"smoke": True}, {}, "the same --smoke as this run (False);"),
        ({"numbers_version": 1}, {}, "the same version of the training code as this run (2);"),
        ({"precision": "bfloat16"}, {}, "the same --precision as this run (float32);"),
        (
            {"weights": {"vgg11": source("imagenet", "u")}},
            {"weights": {"vgg11": source("imagenet", "v")}},
            "the same weights of vgg11 as this run (v);",
        ),
        (
            {"other_datasets": {"other": source("o.npz", "u")}},
            {"other_datasets": {"other": source("o.npz", "v")}},
            "the same images of other as this run (v);",
        ),
    ],
)
def test_a_sweep_of_something_else_is_refused(tmp_path, of_sweep, here, says):
    journal = Journal(tmp_path / "sweep", write=True)
    journal.begin(changed(STUDY_SPEC, of_sweep), starting(6))
    journal.close()
    message = refused(confirmed_elsewhere, [str(tmp_path / "sweep")], (ONE, TWO), changed(STUDY_SPEC, here))
    assert says in message
    assert str(tmp_path / "sweep") in message


@pytest.mark.parametrize(
    "more",
    [
        {"seeds": 10, "search_seed": 3, "test_counts": (1, 1)},
        # What only one of them has cannot differ.
        {"weights": {"vgg16": source("imagenet", "w")}},
        {"other_datasets": {"third": source("t.npz", "w")}},
    ],
)
def test_a_sweep_that_is_not_the_same_in_what_does_not_count_is_taken(tmp_path, more):
    folder = a_sweep(tmp_path / "sweep", **more)
    here = changed(STUDY_SPEC, {"other_datasets": {"other": source("o.npz", "v")}})
    assert list(confirmed_elsewhere([folder], (ONE, TWO), here)) == ["a"]


def test_a_sweep_of_an_older_version_is_refused(tmp_path):
    journal = Journal(tmp_path / "sweep", write=True)
    journal.begin(STUDY_SPEC, starting(6))
    journal._sweep.set_user_attr("spec", {"challenge": "one", "dataset": "made.npz", "dataset_fingerprint": "f"})
    journal.close()
    message = refused(confirmed_elsewhere, [str(tmp_path / "sweep")], (ONE, TWO), STUDY_SPEC)
    assert "it is damaged or of another version" in message


def test_an_approach_without_published_settings_has_no_row_and_harms_nothing(journal):
    finish(stage(journal, [STUDIED, UNPUBLISHED]))
    found = summarised(journal, [STUDIED, UNPUBLISHED])
    assert [row.label for row in found.rows] == ["a", "a, better"]
    alone = summarise_study(journal, (ONE, TWO), [UNPUBLISHED], {})
    assert alone.tables == ()


def test_the_tables_have_no_password(journal):
    start = changed(START, {"options": {"tracking_uri": "https://me:p@ss@host:5000"}})
    journal.begin(STUDY_SPEC, start)
    (start,) = summarise_study(journal, (ONE,), [STUDIED], {}).starts
    assert start.options["tracking_uri"] == "https://host:5000"

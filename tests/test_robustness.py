"""What changed images cost: losses that are known, their intervals by simulation, and what people and MLflow get."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

import pretended
from made_up import changed, finished, found, trial
from sweeps.analysis.robustness import _Measured, spec_of_images
from sweeps.analysis.summary import Summary, summarise
from sweeps.inputs import changed_images
from sweeps.stages.robustness import RobustnessStage
from sweeps.tracking import sweep_run, trial_runs
from sweeps.views import files, model_card, report, robustness_tables
from sweeps.views.console import sweep_text
from trainables.parts.corruptions import KINDS, UNCHANGED
from trainables.parts.results import SeedResult, packed

CHANGES = changed_images.changes(smoke=False)
SPLITS = changed_images.splits(smoke=False)


def result(seed, split, hits):
    """Of 25 images of either class."""
    return SeedResult(
        seed=seed, split=split, seconds=0.1, timestamp_ms=seed, accuracy=float(hits.mean()),
        balanced_accuracy=float(hits.mean()), hits=packed(hits),
    )  # fmt: skip


def scored(name, lost, seeds=10, unchanged=None, **more):
    """An approach's winner; `lost` says of a change and a seed how many of the 25 images of each class are lost.

    `unchanged` are its hits on the images as they are, by default on all.
    """
    results = []
    for seed in range(2000, 2000 + seeds):
        results.append(result(seed, UNCHANGED, np.ones(50, bool) if unchanged is None else unchanged))
        results += [result(seed, each.split, np.tile(np.arange(25) >= lost(each, seed), 2)) for each in CHANGES]
    common = {"state": "COMPLETE", "of_trial": 0, "results": tuple(results)}
    return [
        trial(0, 0.8, approach=name),
        trial(0, 0.8, approach=name, stage="confirm", seeds=8, of_trial=0),
        replace(trial(0, 0.8, approach=name, stage="robustness"), **{**common, **more}),
    ]


def by_severity(change, seed):
    return change.severity if change.kind == "contrast" else 0


START = {"options": {"num_samples": 12, "confirm_seeds": 50}}


def summary(*trials):
    return found([each for own in trials for each in own])


def test_without_it_there_is_nothing():
    made = found([trial(0, 0.8), trial(0, 0.8, stage="confirm", seeds=8, of_trial=0)], names=("a",))
    assert made.robustness is None
    assert robustness_tables.printed(made, 100) == robustness_tables.sentences(made) == []
    assert robustness_tables.table(made) is None


def test_a_known_loss_is_found_for_each_change_kind_and_all():
    made = summary(scored("a", by_severity), scored("b", lambda change, seed: 0)).robustness
    assert (made.images, made.severities) == (25, (1, 3, 5))
    first, second = made.approaches
    assert first.as_they_are == 1.0
    lost = {(each.kind, each.severity): each.loss.mean for each in first.changes}
    expected = {(each.kind, each.severity): by_severity(each, 0) / 25 for each in CHANGES}
    assert lost == pytest.approx(expected)
    assert {each.kind: each.loss.mean for each in first.kinds} == pytest.approx(
        {kind: 3 / 25 if kind == "contrast" else 0 for kind in KINDS}
    )
    assert first.mean.mean == pytest.approx(3 / 25 / len(KINDS))
    assert (first.worst.kind, first.worst.severity) == ("contrast", None)
    assert second.mean.mean == 0
    assert first.mean.low < first.mean.mean < first.mean.high


def test_a_gain_is_a_loss_below_0():
    results = [
        result(seed, split, np.tile(np.arange(25) >= (4 if split == UNCHANGED else 2 + seed % 2), 2))
        for seed in range(2000, 2010)
        for split in SPLITS
    ]
    made = summary(scored("a", by_severity, results=tuple(results))).robustness
    loss = made.approaches[0].mean
    assert loss.mean == pytest.approx(-1.5 / 25)
    assert loss.low < loss.mean < loss.high
    assert loss.images_error > 0


def test_only_seeds_with_every_change_count_and_a_failure_is_said():
    whole = scored("a", by_severity)
    torn = replace(whole[2], results=whole[2].results[: 3 * len(SPLITS) + 5], state="RUNNING")
    approach = summary([*whole[:2], torn]).robustness.approaches[0]
    assert (approach.mean.n, approach.is_complete, approach.failure) == (3, False, None)
    bad = SeedResult(seed=2003, split=UNCHANGED, seconds=0.1, timestamp_ms=0, error="diverged")
    failed = replace(torn, results=(*whole[2].results[: 3 * len(SPLITS)], bad), state="FAIL")
    made = summary([*whole[:2], failed])
    approach = made.robustness.approaches[0]
    assert (approach.mean, approach.failure) == (None, "seed 2003: diverged")
    assert "failed" in "\n".join(robustness_tables.printed(made, 118))


def test_one_seed_has_a_loss_without_an_interval():
    approach = summary(scored("a", by_severity, seeds=1)).robustness.approaches[0]
    assert (approach.mean.n, approach.mean.low) == (1, None)


def test_an_older_winner_s_results_do_not_count():
    made = scored("a", by_severity)
    assert summary([*made[:2], replace(made[2], of_trial=3)]).robustness is None


def test_what_is_not_confirmed_has_no_losses():
    """It may have been scored on changed images beside its confirmation."""
    searched, confirmed, changed = scored("a", by_severity)
    assert summary([searched, confirmed, changed]).robustness is not None
    torn = replace(confirmed, state="RUNNING", results=confirmed.results[:4])
    failed = SeedResult(seed=2003, split="validation", seconds=0.1, timestamp_ms=0, error="diverged")
    for other in (torn, replace(torn, state="FAIL", results=(*torn.results, failed))):
        assert summary([searched, other, changed]).robustness is None
        beside = summary([searched, other, changed], scored("b", by_severity)).robustness
        assert [each.approach for each in beside.approaches] == ["b"]


def test_groups_of_the_images_are_those_of_the_test_split():
    spec = found([], names=("a",)).spec
    grouped = spec.model_copy(update={"test_groups": tuple(at // 3 for at in range(sum(spec.test_counts)))})
    own = spec_of_images(grouped)
    assert own.test_counts == (25, 25)
    labels = np.repeat([0, 1], spec.test_counts)
    assert list(own.test_groups) == [row // 3 for row in changed_images.rows(labels, smoke=False)]


def test_the_interval_covers_the_true_loss_over_seeds_and_images():
    """Images that lose differently, and seeds that do: 400 sweeps, each with its own of both."""
    rng, seeds, spec = np.random.default_rng(0), range(2000, 2010), spec_of_images(found([], names=("a",)).spec)

    def drawn(of_image, of_seed):
        ease = rng.normal(1.5, 1.5, of_image) + rng.normal(0, 0.5, of_seed)
        return ease, ease - rng.normal(1, 1, of_image) - rng.normal(0, 0.3, of_seed)

    before, after = drawn(1_000_000, 1_000_000)
    truth = float((expit(before) - expit(after)).mean())
    split = CHANGES[0].split
    covered, means = [], []
    for _ in range(400):
        # A classifier's answer on an image as it is and changed has one draw: the two are paired.
        luck = rng.random((len(seeds), 50))
        results = [
            result(seed, name, luck[at] < expit(ease[at]))
            for name, ease in zip((UNCHANGED, split), drawn(50, (len(seeds), 1)), strict=True)
            for at, seed in enumerate(seeds)
        ]
        loss = _Measured(results, (UNCHANGED, split), spec).loss([split])
        covered.append(loss.low <= truth <= loss.high)
        means.append(loss.mean)
    assert np.mean(means) == pytest.approx(truth, abs=0.004)
    assert 0.92 <= np.mean(covered) <= 0.98


# What people and MLflow get.


@pytest.fixture
def whole(journal):
    made = finished(journal)
    stage = RobustnessStage(journal, made, lambda *who: None, confirm_seeds=10, smoke=False)
    pretended.finish(stage)
    return journal, made


def test_few_seeds_do_not_say_what_changed_images_cost(whole, monkeypatch):
    sweep = summarise(*whole)
    assert "loses" in robustness_tables.sentences(sweep)[0]
    monkeypatch.setattr(robustness_tables, "FEW_SEEDS", 11)
    assert robustness_tables.sentences(sweep) == [
        "10 fresh seeds are too few to say what changed images cost: take --confirm-seeds 50."
    ]
    # Some of more have not run yet.
    monkeypatch.setattr(robustness_tables, "FEW_SEEDS", 10)
    best = sweep.robustness.best_known
    some = changed(best, {"mean": changed(best.mean, {"n": 4})})
    found_so_far = changed(sweep.robustness, {"approaches": (some, *sweep.robustness.approaches[1:]), "seeds": 10})
    assert robustness_tables.sentences(changed(sweep, {"robustness": found_so_far})) == []


def test_console_report_summary_files_and_mlflow_have_it(whole):
    journal, made = whole
    sweep = summarise(journal, made)
    assert all(each.is_complete and each.mean.n == 10 for each in sweep.robustness.approaches)
    text = sweep_text(sweep, journal.folder)
    assert "most lost by" in text
    assert "On changed test images" in text
    # The test split was opened for no other configuration.
    assert all(row.test_openings == 1 for row in sweep.approaches)
    trials = journal.trials()
    report.write(journal, made, sweep)
    page = (journal.folder / "report.html").read_text()
    assert 'id="changed"' in page
    assert all(kind in page for kind in KINDS)
    assert "## Changed images" in (journal.folder / "report.md").read_text()
    assert (journal.folder / "plots" / "changed.png").is_file()
    files.write_files(journal, made, sweep)
    again = Summary.model_validate(json.loads((journal.folder / "summary.json").read_text()))
    assert again.robustness == sweep.robustness
    frame = files.seeds_frame(trials, sweep.spec.protocol.classes)
    rows = frame[frame["stage"] == "robustness"]
    assert set(rows["split"]) == set(SPLITS)
    assert len(rows) == 2 * 10 * len(SPLITS)
    metrics = sweep_run.metrics(sweep)
    for each in sweep.robustness.approaches:
        assert metrics[f"{each.approach}.lost_mean"] == each.mean.mean
        assert metrics[f"{each.approach}.lost_grey_levels_ci_high"] == each.kinds[-1].loss.high
    own = next(each for each in trials if each.stage == "robustness")
    assert trial_runs.tags(own)["role"] == "robustness"
    keys = {key for key, *_ in trial_runs.metrics(own, sweep.spec)}
    assert {"seed/test_grey_levels_5_balanced_accuracy", "test_unchanged_balanced_accuracy_mean", "n_seeds"} <= keys
    assert not any("accuracy" in key and "test_" not in key for key in keys)
    assert "changed" in trial_runs.note(own, journal.folder)


def test_a_gain_is_called_one():
    # As they are it errs on 2 of 25 images of each class, changed on none.
    bad = np.tile(np.arange(25) >= 2, 2)
    alone = summary(scored("a", lambda change, seed: 0, unchanged=bad))
    assert "balanced accuracy gains 8.0 points (" in next(model_card._lost(alone, "a"))
    assert re.match(
        r"On changed test images a gains 8\.0 points \(-?[\d.]+ to [\d.]+\) on average; no kind",
        robustness_tables.sentences(alone)[0],
    )


def test_one_image_and_one_seed_are_one():
    made = summary(scored("a", lambda change, seed: 0))
    one = changed(made.robustness, {"images": 1, "seeds": 1})
    text = robustness_tables.heading(made, one)
    assert "on 1 test image of each class" in text
    assert text.endswith("; 1 fresh seed")


def test_a_change_that_costs_nothing_is_not_named_the_worst():
    made = summary(scored("a", lambda change, seed: 0))
    assert made.robustness.approaches[0].worst is None
    (sentence,) = robustness_tables.sentences(made)
    assert sentence.startswith("On changed test images a loses 0.0 points (-")
    assert sentence.endswith(" on average; no kind of change costs it anything.")
    (row,) = robustness_tables.rows(made.robustness)
    assert (row["most lost by"], row["loss"]) == ("", "")

"""The control of lucky seeds: what it runs on, what a killed driver leaves, and that adjusted means are honest."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from made_up import finished
from pretended import confirm, finish, outcome, search
from sweeps.analysis.intervals import estimate
from sweeps.analysis.lucky_seeds import adjusted
from sweeps.analysis.summary import summarise
from sweeps.analysis.verdict import verdict
from sweeps.core.seeds import CONTROL_SEEDS
from sweeps.stages.control import ZSCORE_RIDGE, ControlStage, scores, seeds_of_stage
from sweeps.stages.shot_curve import ShotCurveStage
from sweeps.tracking import sweep_run
from sweeps.views import model_card, shot_tables, text_table

OTHERS = range(7000, 7400)


def blocks(rng, seeds, slope, ease=0.0, mean=0.8, noise=0.03):
    """A configuration and the control on a block of seeds, and the control on others; the truth is `mean`."""
    luck = rng.normal(ease, 0.05, seeds)
    scores = dict(enumerate(mean + slope * luck + rng.normal(0, noise, seeds)))
    control = dict(enumerate(0.75 + luck)) | dict(zip(OTHERS, 0.75 + rng.normal(0, 0.05, len(OTHERS)), strict=True))
    return scores, control


def of(scores, control, others=OTHERS):
    return adjusted(estimate(np.array(list(scores.values()))), scores, control, others)


def test_it_is_the_regression_s_prediction_where_the_control_is_as_on_the_others():
    own, control = blocks(np.random.default_rng(1), 40, slope=0.8, ease=0.03)
    found = of(own, control)
    of_block, usual = [control[seed] for seed in own], np.mean([control[seed] for seed in OTHERS])
    line = LinearRegression().fit(np.array(of_block)[:, None], list(own.values()))
    assert found.mean == pytest.approx(line.predict([[usual]])[0])
    assert found.correlation == pytest.approx(np.corrcoef(of_block, list(own.values()))[0, 1])
    assert found.ease == pytest.approx(np.mean(of_block) - usual)
    assert found.others == 400
    assert found.low < found.mean < found.high


@pytest.mark.parametrize(("slope", "narrower"), [(0.0, 1.0), (0.6, 0.75), (1.2, 0.55)])
def test_its_interval_holds_the_truth_and_is_narrower_the_more_they_have_in_common(slope, narrower):
    rng = np.random.default_rng(7)
    held, plain_held, widths, errors = [], [], [], []
    for _ in range(500):
        own, control = blocks(rng, 50, slope)
        plain, found = estimate(np.array(list(own.values()))), of(own, control)
        held.append(found.low <= 0.8 <= found.high)
        plain_held.append(plain.low <= 0.8 <= plain.high)
        widths.append((found.high - found.low) / (plain.high - plain.low))
        errors.append(found.mean - 0.8)
    assert 0.92 < np.mean(held) < 0.98
    assert 0.92 < np.mean(plain_held) < 0.98
    assert np.mean(widths) == pytest.approx(narrower, abs=0.06)
    assert abs(np.mean(errors)) < 0.002


def test_the_images_error_stays():
    own, control = blocks(np.random.default_rng(2), 50, slope=1.2)
    plain = estimate(np.array(list(own.values())))
    found = adjusted(replace(plain, images_error=1.0), own, control, OTHERS)
    assert found.high - found.low == pytest.approx(plain.high - plain.low, rel=1e-3)


def test_too_few_seeds_or_a_control_that_is_always_the_same_tell_nothing():
    own, control = blocks(np.random.default_rng(3), 20, slope=1.0)
    assert of(own, control) is not None
    few = dict(list(own.items())[:9])
    assert of(few, control) is None
    assert of(own, {seed: value for seed, value in control.items() if seed != 3}) is None
    assert of(own, control, others=range(7000, 7009)) is None
    assert of(own, dict.fromkeys(control, 0.7)) is None
    assert of(dict.fromkeys(own, 0.7), control) is None
    assert adjusted(None, {}, control, OTHERS) is None


def test_the_control_meets_the_fresh_seeds_and_400_others_and_a_second_block_only_if_there_is_one(journal):
    assert seeds_of_stage(3, is_decided=False) == [2000, 2001, 2002, *CONTROL_SEEDS]
    assert seeds_of_stage(2, is_decided=True) == [2000, 2001, 6000, 6001, *CONTROL_SEEDS]
    finish(search(journal))
    before = journal.trials()
    finish(ControlStage(journal, seeds=[2000, 2001, 7000]))
    of_control = journal.trials([ZSCORE_RIDGE.name])
    assert [result.seed for trial in of_control for result in trial.results] == [2000, 2001, 7000]
    # It is no approach of the sweep.
    assert journal.trials() == before
    assert ZSCORE_RIDGE.name not in journal.approaches()
    finish(ControlStage(journal, seeds=[2000, 2001, 2002, 7000]))
    assert set(scores(journal.trials([ZSCORE_RIDGE.name]), "accuracy")) == {2000, 2001, 2002, 7000}
    assert ControlStage(journal, seeds=[2000, 2001, 2002, 7000]).is_finished()


def test_it_goes_on_where_the_driver_died_and_one_that_failed_is_not_tried_again(journal):
    finish(search(journal))
    stage = ControlStage(journal, seeds=[2000, 2001, 7000])
    task = stage.next_task()
    stage.take(task, outcome(task, 2000, "validation"))
    again = ControlStage(journal, seeds=[2000, 2001, 7000])
    assert [seed for task in again.waiting for block in task.blocks for seed in block] == [2001, 7000]
    finish(again, fails=lambda task, seed: "no luck" if seed == 7000 else None)
    assert [trial.state for trial in journal.trials([ZSCORE_RIDGE.name])] == ["FAIL"]
    assert ControlStage(journal, seeds=[2000, 2001, 7000, 7001]).is_finished()


def test_both_means_are_named(journal):
    made = finished(journal, num_samples=3)
    assert all(row.adjusted is None for row in summarise(journal, made).approaches)
    finish(confirm(journal, made, seeds=20))
    finish(ControlStage(journal, seeds=seeds_of_stage(20, is_decided=False)))
    summary = summarise(journal, made)
    (row, *_) = summary.approaches
    assert row.adjusted is not None
    (cell, *_) = text_table.printed_rows(summary)
    assert cell["adjusted"] == f"{100 * row.adjusted.mean:.1f}"
    assert text_table.ADJUSTED in text_table.legend(summary)
    assert f"without that luck its mean would be about {cell['adjusted']} %" in " ".join(verdict(summary))
    model = SimpleNamespace(members=[None], temperature=1.0)
    card = " ".join(model_card._sweep_s_numbers(summary, row, model, is_on_all=False))
    assert f"- The same without the luck of these seeds: {cell['adjusted']} % (95 % interval " in card


def test_so_are_those_of_the_shot_curve(journal):
    made = finished(journal, num_samples=3)
    finish(confirm(journal, made, seeds=20))
    finish(ShotCurveStage(journal, made, lambda *who: None, seeds=20, shots=(10,)))
    plain, _ = shot_tables.rows(summarise(journal, made).shot_curve)
    finish(ControlStage(journal, seeds=seeds_of_stage(20, is_decided=False)))
    summary = summarise(journal, made)
    at_5, at_10 = summary.shot_curve.curves[0].points
    assert at_5.adjusted == summary.approaches[0].adjusted
    row, below, _, _ = shot_tables.rows(summary.shot_curve)
    means = {str(point.shots): f"{100 * point.adjusted.mean:.1f}" for point in (at_5, at_10)}
    assert row == plain
    assert below == {**dict.fromkeys(plain, ""), "approach": "  adjusted", **means}
    assert text_table.ADJUSTED in shot_tables.legend(summary)
    assert shot_tables.table(summary).rows[1][0] == "adjusted"
    name = f"{row['approach']}.by_shots_accuracy_adjusted_mean"
    (logged,) = [value for *which, value, step in sweep_run.curve_metrics(summary) if (*which, step) == (name, 10)]
    assert logged == at_10.adjusted.mean != at_10.score.mean

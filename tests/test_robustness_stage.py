"""What is scored changed: real Optuna, a real journal, a pretended worker, no Ray."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace

import numpy as np
import pytest

from pretended import approach, confirm, finish, outcome, search, work
from sweeps.inputs import changed_images, features
from sweeps.inputs.inputs import Inputs
from sweeps.run import robustness
from sweeps.run.options import SweepOptions
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.intensification import IntensificationStage
from sweeps.stages.outcomes import NOT_CONFIRMED, SUPERSEDED
from sweeps.stages.ranking import best_complete, confirmed_results
from sweeps.stages.robustness import SEEDS, ChangedImages, RobustnessStage
from sweeps.stages.search import SearchStage
from sweeps.stages.shot_curve import ShotCurveStage
from sweeps.store.journal import Journal
from sweeps.store.trials import CONFIRM, ROBUSTNESS
from trainables.parts.backbones import FeatureSpec
from trainables.parts.corruptions import KINDS, UNCHANGED, Change, changed
from trainables.parts.image_sets import PIXELS, POOL
from trainables.parts.learner import Learner, Needs
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.run_seed import run_seed

SPLITS = changed_images.splits(smoke=False)


def shift(journal, approaches=None, seeds=12, smoke=False):
    return RobustnessStage(journal, approaches or [approach()], lambda *who: None, confirm_seeds=seeds, smoke=smoke)


@pytest.fixture
def confirmed(journal):
    finish(search(journal, num_samples=2, seeds=3))
    finish(confirm(journal, seeds=12))
    return journal


def trials_of(journal):
    return [trial for trial in journal.trials() if trial.stage == ROBUSTNESS]


def queued(stage):
    return [seed for task in stage.waiting for block in task.blocks for seed in block]


def test_the_winner_is_scored_on_every_changed_set_on_the_confirmation_s_first_seeds(confirmed):
    finish(shift(confirmed))
    best = best_complete(confirmed.trials(), "a")
    (trial,) = trials_of(confirmed)
    assert (trial.state, trial.of_trial, trial.params) == ("COMPLETE", best.number, best.params)
    results = confirmed_results(confirmed.trials(), "a", best.number, ROBUSTNESS)
    assert {(r.seed, r.split) for r in results} == {(s, p) for s in range(2000, 2000 + SEEDS) for p in SPLITS}
    assert len(SPLITS) == 1 + 3 * len(KINDS)
    # Running it again does nothing.
    assert shift(confirmed).is_finished()


def test_no_more_seeds_than_are_confirmed_and_few_changes_in_a_smoke_run(confirmed):
    stage = shift(confirmed, seeds=3, smoke=True)
    assert queued(stage) == [2000, 2001, 2002]
    assert stage.splits == (UNCHANGED, *(Change(kind=kind, severity=5).split for kind in KINDS))
    finish(stage)
    # More of them add up.
    assert queued(shift(confirmed, seeds=5, smoke=True)) == [2003, 2004]


def test_it_goes_on_where_the_driver_died_also_within_a_seed(confirmed):
    stage = shift(confirmed)
    task = stage.next_task()
    for split in SPLITS:
        stage.take(task, outcome(task, 2000, split))
    for split in SPLITS[:7]:
        stage.take(task, outcome(task, 2001, split))
    folder = confirmed.folder
    confirmed.close()
    journal = Journal(folder, write=True)
    again = shift(journal)
    assert queued(again) == list(range(2001, 2000 + SEEDS))
    finish(again)
    (trial,) = trials_of(journal)
    assert (trial.state, len(trial.results)) == ("COMPLETE", SEEDS * len(SPLITS))
    journal.close()


def test_what_was_not_confirmed_or_failed_there_is_not_scored(journal):
    finish(search(journal, num_samples=2, seeds=3))
    assert shift(journal).is_finished()
    finish(confirm(journal, seeds=12), fails=lambda task, seed: "diverged" if seed == 2003 else None)
    assert shift(journal).is_finished()
    assert trials_of(journal) == []


def test_a_failure_is_said_and_left_at_that(confirmed):
    stage = shift(confirmed)
    finish(stage, fails=lambda task, seed: "diverged" if seed == 2001 else None)
    (trial,) = trials_of(confirmed)
    assert (trial.state, trial.reason) == ("FAIL", "seed 2001: diverged")
    assert stage.seeds_left == 0
    assert shift(confirmed).is_finished()


def test_a_lost_worker_costs_nothing_but_its_seed(confirmed):
    stage = shift(confirmed)
    work(stage, stage.next_task(), stop_after=2)
    finish(stage)
    (trial,) = trials_of(confirmed)
    assert (trial.state, len(trial.results)) == ("COMPLETE", SEEDS * len(SPLITS))


def test_a_new_best_configuration_is_scored_anew(journal):
    poor = [approach(published=0.1)]
    finish(search(journal, poor, num_samples=1))
    finish(confirm(journal, poor, seeds=12))
    shift(journal, poor).next_task()
    finish(search(journal, poor, num_samples=12))
    finish(confirm(journal, poor, seeds=12))
    best = best_complete(journal.trials(), "a")
    assert best.number != 0
    finish(shift(journal, poor))
    assert [(trial.of_trial, trial.state, trial.reason) for trial in trials_of(journal)] == [
        (0, "FAIL", SUPERSEDED.reason),
        (best.number, "COMPLETE", None),
    ]


# Beside the confirmation, so that nothing is trained twice.


def changed_of(journal, seeds=12):
    return ChangedImages(journal, confirm_seeds=seeds, smoke=False)


@pytest.fixture
def searched(journal):
    finish(search(journal, num_samples=2, seeds=3))
    return journal


def seeds_with(stage, what):
    return [seed for task in stage.waiting if task.besides == what for block in task.blocks for seed in block]


def test_what_confirms_the_first_seeds_scores_them_changed_and_the_stage_has_no_more_to_do(searched):
    stage = confirm(searched, seeds=12, changed=changed_of(searched))
    assert seeds_with(stage, SPLITS) == list(range(2000, 2000 + SEEDS))
    assert seeds_with(stage, ()) == [2010, 2011]
    finish(stage)
    assert stage.seeds_left == 0
    closed = []
    after = RobustnessStage(searched, [approach()], closed.append, confirm_seeds=12, smoke=False)
    assert after.is_finished()
    (trial,) = trials_of(searched)
    best = best_complete(searched.trials(), "a")
    assert (trial.state, trial.of_trial, trial.params) == ("COMPLETE", best.number, best.params)
    assert {(r.seed, r.split) for r in trial.results} == {(s, p) for s in range(2000, 2000 + SEEDS) for p in SPLITS}
    assert [record.results for record in closed] == [trial.results]
    # The confirmation has nothing of it.
    assert {r.split for r in confirmed_results(searched.trials(), "a", best.number)} == {VALIDATION, TEST}


@pytest.mark.parametrize("reported", [1, 2, 3, 9])
def test_a_driver_that_dies_beside_the_confirmation_loses_what_was_not_in_the_journal(searched, reported):
    """The confirmation's own two splits come first."""
    stage = confirm(searched, seeds=12, changed=changed_of(searched))
    task = stage.next_task()
    for split in (*task.splits, *task.besides):
        stage.take(task, outcome(task, 2000, split))
    for split in (*task.splits, *task.besides)[:reported]:
        stage.take(task, outcome(task, 2001, split))
    folder = searched.folder
    searched.close()
    journal = Journal(folder, write=True)
    finish(confirm(journal, seeds=12, changed=changed_of(journal)))
    again = shift(journal)
    # Of a seed that is confirmed, what it lacks is trained again.
    assert queued(again) == ([] if reported == 1 else [2001])
    finish(again)
    (trial,) = trials_of(journal)
    assert (trial.state, len(trial.results)) == ("COMPLETE", SEEDS * len(SPLITS))
    journal.close()


def test_what_fails_on_changed_images_alone_is_confirmed_all_the_same(searched):
    stage = confirm(searched, seeds=12, changed=changed_of(searched))
    while task := stage.next_task():
        for seed in [seed for block in task.blocks for seed in block]:
            for split in task.splits:
                stage.take(task, outcome(task, seed, split))
            if task.besides:
                stage.take(task, outcome(task, seed, task.besides[0], error="diverged"))
        stage.close(task)
    assert shift(searched).is_finished()
    (trial,) = trials_of(searched)
    assert (trial.state, trial.reason) == ("FAIL", "seed 2000: diverged")
    (trial,) = [trial for trial in searched.trials() if trial.stage == CONFIRM]
    assert (trial.state, len(trial.results)) == ("COMPLETE", 24)


def test_what_fails_in_the_confirmation_ends_what_was_scored_beside_it(searched):
    stage = confirm(searched, seeds=12, changed=changed_of(searched))
    finish(stage, fails=lambda task, seed: "diverged" if seed == 2003 else None)
    assert [trial.state for trial in trials_of(searched)] == ["RUNNING"]
    assert shift(searched).is_finished()
    assert [(trial.state, trial.reason) for trial in trials_of(searched)] == [("FAIL", NOT_CONFIRMED.reason)]


def test_what_the_stage_has_already_is_not_scored_beside_the_confirmation(searched):
    """Also seeds that the confirmation had lost, and the stage has trained."""
    stage = confirm(searched, seeds=12, changed=changed_of(searched))
    work(stage, stage.next_task(), stop_after=2)
    while task := stage.next_task():
        stage.expired(task, "a seed took too long")
    assert [trial.state for trial in searched.trials() if trial.stage == CONFIRM] == ["FAIL"]
    finish(shift(searched))
    stage = confirm(searched, seeds=12, changed=changed_of(searched))
    assert {task.besides for task in stage.waiting} == {()}
    finish(stage)
    assert shift(searched).is_finished()
    (trial,) = trials_of(searched)
    assert len(trial.results) == SEEDS * len(SPLITS)


def test_more_seeds_of_what_has_failed_on_changed_images_are_not_scored_there(searched):
    stage = confirm(searched, seeds=3, changed=changed_of(searched, seeds=3))
    task = stage.next_task()
    for split in task.splits:
        stage.take(task, outcome(task, 2000, split))
    stage.take(task, outcome(task, 2000, task.besides[0], error="diverged"))
    stage.close(task)
    finish(stage)
    assert shift(searched, seeds=3).is_finished()
    stage = confirm(searched, seeds=12, changed=changed_of(searched))
    assert {task.besides for task in stage.waiting} == {()}
    finish(stage)
    assert shift(searched).is_finished()
    assert [trial.state for trial in trials_of(searched)] == ["FAIL"]


# The lock, and what workers see.


def test_no_other_stage_asks_for_what_is_made_from_the_test_split():
    for stage in (SearchStage, ConfirmationStage, ShotCurveStage):
        assert not any(changed_images.is_changed(split) for split in stage.splits)
    assert "besides_of" in vars(ConfirmationStage)
    assert not any("besides_of" in vars(stage) for stage in (SearchStage, IntensificationStage, ShotCurveStage))
    assert TEST not in (SearchStage.splits + ShotCurveStage.splits + SPLITS)


@dataclass(frozen=True, kw_only=True)
class NoConfig:
    """Nothing to choose."""


class Threshold(Learner):
    """Calls an image 1 if its mean is above that of the images that it learns from: its losses are known exactly."""

    Config = NoConfig

    @classmethod
    def fit(cls, config, support, streams):
        threshold = support.images.float().mean()
        return lambda images: images.flatten(1).float().mean(1) - threshold


class Frozen(Learner):
    """Looks at features."""

    may_need = Needs(views=(FeatureSpec(backbone="alexnet", output="mean", size_px=64),))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    made = [replace(approach(), learner=Threshold)]
    folder = tmp_path_factory.mktemp("inputs")
    return Inputs.find(made, folder, dataset="phantom", weights="random", precision="float32", smoke=False)


def test_each_seed_is_trained_once_and_scored_on_what_it_says(inputs):
    sets = inputs.image_sets([], [POOL, *SPLITS], slots=lambda: 1)
    results = run_seed(Threshold, {}, 2000, sets, SPLITS)
    assert [result.split for result in results] == list(SPLITS)
    dataset = inputs.dataset
    rows = changed_images.rows(dataset.test_labels, smoke=False)
    chosen, labels = dataset.test_images[rows], dataset.test_labels[rows]
    assert np.bincount(labels).tolist() == [25, 25]
    threshold = dataset.pool_images[dataset.protocol.split(2000)[0]].astype(float).mean()
    for result, split in zip(results, SPLITS, strict=True):
        change = changed_images.change_of(split)
        seen = chosen if change is None else changed(chosen, change)
        # The phantom has the size that networks from scratch see.
        assert sets[split].view(PIXELS).shape == seen.shape
        right = (seen.reshape(len(seen), -1).mean(1) >= threshold) == labels
        expected = (right[labels == 0].mean() + right[labels == 1].mean()) / 2
        assert result.balanced_accuracy == pytest.approx(expected)


def test_features_of_all_changed_images_are_one_table_and_each_set_has_its_rows(inputs, monkeypatch):
    asked = []

    def computed(specs, images, weights, folder, what, slots, interrupt):
        asked.append((what, len(images)))
        return {spec: images.reshape(len(images), -1)[:, :50].astype(np.float32) for spec in specs}

    monkeypatch.setattr(features, "load_or_compute", computed)
    frozen = replace(approach(), learner=Frozen)
    sets = inputs.image_sets([frozen], [*SPLITS, POOL], slots=lambda: 1)
    assert asked == [("pool images", 2000), ("changed test images", 50 * len(SPLITS))]
    (view,) = Frozen.may_need.view_names
    for split in SPLITS:
        found = sets[split].view(view)
        np.testing.assert_array_equal(found, inputs.images(split).reshape(50, -1)[:, :50])
        np.testing.assert_array_equal(sets[split].labels, inputs.labels(split))


def test_the_plan_says_what_it_costs_and_how_to_omit_it(inputs):
    spec = inputs.spec("challenge1")
    line = robustness.plan_line(SweepOptions(), spec, 240.0)
    assert line == (
        "Changed   the best also meet 50 test images changed in 24 ways (8 kinds), on 10 fresh seeds: about 4 min on "
        "one CPU (--robustness off: none)"
    )
    frozen = [replace(approach(), learner=Frozen)]
    assert robustness.seconds(SweepOptions(robustness="off"), frozen, inputs) == 0
    own = robustness.seconds(SweepOptions(), [approach()], inputs)
    assert own < robustness.seconds(SweepOptions(), frozen, inputs)


def test_without_features_large_changed_images_are_never_there_all_at_once(inputs, monkeypatch):
    of_set = 50 * 224 * 224

    def large(dataset, split, *, smoke):
        return np.full((50, 224, 224), SPLITS.index(split), np.uint8)

    monkeypatch.setattr(changed_images, "images", large)
    tracemalloc.start()
    try:
        sets = inputs.image_sets([], SPLITS, slots=lambda: 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * of_set
    for number, split in enumerate(SPLITS):
        assert (sets[split].view(PIXELS) == number).all()

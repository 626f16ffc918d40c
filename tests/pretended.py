"""A worker that trains nothing, and a search for it to do: what the tests of the stages share."""

from __future__ import annotations

import types

import numpy as np

from search_spaces.published.settings import Published
from sweeps.core.challenge import Approach
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.intensification import IntensificationStage
from sweeps.stages.search import SearchStage
from trainables.parts.learner import Learner
from trainables.parts.metrics import METRICS
from trainables.parts.results import SeedResult


class Nothing(Learner):
    """Trained by nobody."""


def suggest(trial):
    trial.suggest_float("x", 0.0, 1.0)
    if trial.suggest_categorical("kind", ["plain", "odd"]) == "odd":
        trial.suggest_int("only_odd", 1, 3)


def approach(name="a", published=0.5, **more):
    number = {"mean_percent": None, "sd_percent": None, "seeds": None, **more}
    setting = Published(params={"x": published, "kind": "plain"}, note="made up", **number)
    space = types.SimpleNamespace(suggest=suggest)
    return Approach(name=name, learner=Nothing, space=space, published=setting, seconds_per_seed=1.0)


def accuracy(params, seed):
    """Best at x = .8; noise that all configurations share, as the draw of ten images is."""
    noise = np.random.default_rng(seed).normal(0, 0.04) + np.random.default_rng([seed, 1]).normal(0, 0.005)
    return float(np.clip(0.85 - (params.get("x", 0.5) - 0.8) ** 2 + noise, 0, 1))


def search(journal, approaches=None, num_samples=6, seeds=10, closed=None, **more):
    told = [] if closed is None else closed
    return SearchStage(
        journal,
        approaches or [approach()],
        lambda *who: told.append(who),
        num_samples=num_samples,
        seeds=seeds,
        search_seed=0,
        **more,
    )


def intensify(journal, approaches=None, number=3, seeds=10, search_seed=0):
    """Further search seeds for the best of what that search found."""
    made = approaches or [approach()]
    return IntensificationStage(journal, made, lambda *who: None, number=number, seeds=seeds, search_seed=search_seed)


def confirm(journal, approaches=None, seeds=8, changed=None):
    """The confirmation of what that search found."""
    return ConfirmationStage(journal, approaches or [approach()], lambda *who: None, seeds=seeds, changed=changed)


def outcome(task, seed, split, error=None):
    value = None if error else accuracy(task.params, seed)
    return SeedResult(
        seed=seed, split=split, seconds=1.0, timestamp_ms=seed, error=error, **dict.fromkeys(METRICS, value)
    )


def work(stage, task, fails=lambda task, seed: None, stop_after=None):
    """Run a task as the engine does; `stop_after` seeds the worker is lost."""
    ran = 0
    for block in task.blocks:
        for seed in block:
            if ran == stop_after:
                stage.lost(task)
                return
            error = fails(task, seed)
            with stage.journal.together():
                for split in (*task.splits, *task.besides) if not error else task.splits[:1]:
                    stage.take(task, outcome(task, seed, split, error))
            ran += 1
            if error:
                stage.close(task)
                return
        if stage.is_losing(task):
            break
    stage.close(task)


def finish(stage, **how):
    while not stage.is_finished():
        # None where a search got repeats alone.
        if task := stage.next_task():
            work(stage, task, **how)

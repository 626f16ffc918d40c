"""Records that are written, not trained: what the tests of the report and of its parts share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution

import pretended
from sweeps.confirm import ConfirmAgenda
from sweeps.record import TrialRecord
from sweeps.tables import summary
from trainables.protocol import TEST, VALIDATION, SeedResult

SPEC = {
    "challenge": "challenge1",
    "dataset": "/images/pneumoniamnist.npz",
    "dataset_fingerprint": "0123456789abcdef",
    "weights": {},
    "weights_fingerprint": {},
    "others": {},
    "smoke": False,
    "seeds": 10,
    "search_seed": 0,
    "numbers_version": 2,
    "test_counts": [234, 390],
}
START = {
    "time_ms": 1_700_000_000_000,
    "command": "python sweeps/challenge1.py --num-samples 12",
    "git_revision": "abc",
    "versions": {"python": "3.11"},
    "processor": "Intel Xeon avx2",
    "options": {"num_samples": 12, "confirm_seeds": 8, "tracking_uri": None},
    "notices": [],
    "resume": "python sweeps/challenge1.py --resume made-up",
    "tracking_uri": "sqlite:///mlflow.db",
}
RANGES = {
    "rate": FloatDistribution(1e-4, 1e-2, log=True),
    "width": FloatDistribution(0.0, 1.0),
    "kind": CategoricalDistribution(["plain", "odd"]),
}


def trial(number=0, mean=0.8, state="COMPLETE", *, approach="a", stage="search", seeds=10, seconds=1.0, **more):
    """A trial whose seeds lie around the mean; `spread` is how far."""
    spread, first = more.pop("spread", 0.01), 1000 if stage == "search" else 2000
    deviations = np.linspace(-1, 1, seeds) if seeds > 1 else np.zeros(seeds)
    results = tuple(
        SeedResult(
            seed=first + at, split=split, seconds=seconds, timestamp_ms=at,
            **dict.fromkeys(("accuracy", "balanced_accuracy", "sensitivity", "specificity"), mean + spread * deviation),
            auroc=0.9, brier=0.1,
        )
        for at, deviation in enumerate(deviations)
        for split in ((VALIDATION,) if stage == "search" else (VALIDATION, TEST))
    )  # fmt: skip
    common = {
        "params": {"rate": 1e-3, "width": 0.5, "kind": "plain"},
        "distributions": RANGES,
        "reason": None,
        "of_trial": None,
        "started_ms": number,
        "ended_ms": None if state == "RUNNING" else number + 1,
        "results": results,
    }
    return TrialRecord(**{**common, **more}, approach=approach, stage=stage, number=number, state=state)


class MadeUp:
    """What `summary` asks of a record, from trials that a test makes."""

    def __init__(self, trials, spec=None, starts=(START,), stopped=None):
        self._stopped = stopped or {}
        self._trials, self.spec, self.starts = list(trials), {**SPEC, **(spec or {})}, list(starts)

    @property
    def folder(self):
        return Path("results/made-up")

    def trials(self, approaches=None):
        return self._trials

    def stopped(self, approach):
        return self._stopped.get(approach)


def approaches(*names):
    """Pretended approaches, the first of which is the plain baseline."""
    return [replace(pretended.approach(name), is_baseline=name == names[0]) for name in names]


def found(trials, names=("a", "b"), **more):
    """The summary of these trials."""
    return summary(MadeUp(trials, **more), approaches(*names))


def finished(record, names=("a", "b"), num_samples=12, spec=None, start=None):
    """A real record of a whole pretended sweep; its approaches."""
    made = approaches(*names)
    record.begin({**SPEC, **(spec or {})}, {**START, **(start or {})})
    pretended.finish(pretended.search(record, made, num_samples=num_samples))
    pretended.finish(ConfirmAgenda(record, made, lambda *who: None, seeds=8))
    return made

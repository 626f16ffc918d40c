"""Journals that are written, not trained: what the tests of the analysis and of the views share."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution

import pretended
from sweeps.analysis.summary import summarise
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.store.spec import Source, Spec, Start
from sweeps.store.trials import TrialRecord
from trainables.parts.protocol import TEST, VALIDATION, study_protocol
from trainables.parts.results import SeedResult, packed


def source(name, fingerprint="0123456789abcdef"):
    """Where images or weights come from."""
    return Source(source=name, fingerprint=fingerprint)


SPEC = Spec(
    challenge="challenge1",
    numbers_version=2,
    dataset=source("/images/pneumoniamnist.npz"),
    protocol=study_protocol(),
    test_counts=(234, 390),
    precision="float32",
    smoke=False,
    seeds=10,
    search_seed=0,
)
START = Start(
    time_ms=1_700_000_000_000,
    command="python sweeps/challenge1.py --num-samples 12",
    git_revision="abc",
    versions={"python": "3.11"},
    processor="Intel Xeon avx2",
    resume="python sweeps/challenge1.py --resume made-up",
    tracking_uri="sqlite:///mlflow.db",
    options={"num_samples": 12, "confirm_seeds": 8, "tracking_uri": None},
)
RANGES = {
    "rate": FloatDistribution(1e-4, 1e-2, log=True),
    "width": FloatDistribution(0.0, 1.0),
    "kind": CategoricalDistribution(["plain", "odd"]),
}


@lru_cache(maxsize=1000)
def hits(seed, split, accuracy):
    """Hits with about this accuracy in each class, as `SeedResult` has them: the same images are hard for all seeds."""
    count = 1000 if split == VALIDATION else sum(SPEC.test_counts)
    images = SPEC.protocol.split(seed)[1] if split == VALIDATION else np.arange(count)
    noise = np.random.default_rng(seed).normal(0, 0.1, count)
    return packed(images * 0.618 % 1 * 0.8 + 0.1 + noise < accuracy)


def trial(number=0, mean=0.8, state="COMPLETE", *, approach="a", stage="search", seeds=10, seconds=1.0, **more):
    """A trial whose seeds lie around the mean; `spread` is how far."""
    spread, first = more.pop("spread", 0.01), {"search": 1000, "intensify": 1010, "decide": 6000}.get(stage, 2000)
    deviations = np.linspace(-1, 1, seeds) if seeds > 1 else np.zeros(seeds)
    results = tuple(
        SeedResult(
            seed=first + at, split=split, seconds=seconds, timestamp_ms=at,
            **dict.fromkeys(("accuracy", "balanced_accuracy", "sensitivity", "specificity"), mean + spread * deviation),
            auroc=0.9, brier=0.1, hits=hits(first + at, split, round(mean + spread * deviation, 6)),
        )
        for at, deviation in enumerate(deviations)
        for split in ((VALIDATION, TEST) if stage in ("confirm", "decide") else (VALIDATION,))
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


def changed(stored, more):
    """A spec or a start with other values; None changes nothing. Options are changed one by one."""
    more = dict(more or {})
    if "options" in more:
        more["options"] = {**stored.options, **more["options"]}
    return stored.model_copy(update=more)


class MadeUp:
    """What `summarise` asks of a journal, from trials that a test makes."""

    id = "made-up"

    def __init__(self, trials, spec=None, starts=(START,), stopped=None, processors=()):
        self._stopped, self._processors = stopped or {}, tuple(processors)
        self._trials, self.spec, self.starts = list(trials), changed(SPEC, spec), tuple(starts)

    @property
    def folder(self):
        return Path("results/made-up")

    def processors(self):
        return self._processors

    def trials(self, approaches=None):
        return self._trials

    def stopped(self, approach):
        return self._stopped.get(approach)

    def behind(self, approach):
        return None


def approaches(*names):
    """Pretended approaches, the first of which is the plain baseline."""
    return [replace(pretended.approach(name), is_baseline=name == names[0]) for name in names]


def found(trials, names=("a", "b"), **more):
    """The summary of these trials."""
    return summarise(MadeUp(trials, **more), approaches(*names))


def finished(journal, names=("a", "b"), num_samples=12, spec=None, start=None):
    """A real journal of a whole pretended sweep; its approaches."""
    made = approaches(*names)
    journal.begin(changed(SPEC, spec), changed(START, start))
    pretended.finish(pretended.search(journal, made, num_samples=num_samples))
    pretended.finish(ConfirmationStage(journal, made, lambda *who: None, seeds=8))
    return made

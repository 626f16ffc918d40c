"""Configurations and their seeds, as the journal has them."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from trainables.parts.protocol import VALIDATION
from trainables.parts.results import SeedResult

SEARCH, INTENSIFY, CONFIRM, DECIDE, CONTROL, CURVE, ROBUSTNESS = (
    "search",
    "intensify",
    "confirm",
    "decide",
    "control",
    "curve",
    "robustness",
)
STAGES = (SEARCH, INTENSIFY, CONFIRM, DECIDE, CONTROL, CURVE, ROBUSTNESS)
# Stages whose seeds are fresh ones.
FRESH = (CONFIRM, DECIDE, CONTROL, CURVE, ROBUSTNESS)
# What a trial's attributes hold besides its seeds: why it ended; which search trial's configuration it is; how many
# seeds it is to have, where that is no option; from how many images of each class it learns, where not from as many as
# the protocol says; which earlier search trial has the same parameters, where it was not trained for that.
REASON, OF_TRIAL, SEEDS_WANTED, SHOTS, REPEAT_OF = "reason", "of_trial", "seeds", "shots", "repeat_of"
# The state of such a trial in its record; Optuna's own is FAIL.
REPEAT = "REPEAT"
# How the reason begins of what was stopped early; and of those that had the results of another one, for which Optuna's
# state is FAIL, too.
RACED = "raced out"
SAME_RESULTS = f"{RACED}: the same results"
_SEED = "seed:"


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One configuration as the journal has it.

    `state` is Optuna's: RUNNING, COMPLETE, PRUNED (raced out) or FAIL; or REPEAT, of one that was suggested again and
    not trained again.

    In the stages after the search `of_trial` is the number of the search trial whose configuration this is, and in the
    shot curve `shots` are the images of each class that it learned from. `distributions` are the ranges that the
    parameters were drawn from. `ranked_by` is the metric of a result that ranks.
    """

    approach: str
    stage: str
    number: int
    state: str
    params: dict[str, Any]
    results: tuple[SeedResult, ...]
    reason: str | None
    of_trial: int | None
    started_ms: int
    ended_ms: int | None
    shots: int | None = None
    ranked_by: str = "accuracy"
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)

    def values(self, metric: str, split: str = VALIDATION) -> np.ndarray:
        """One value of the metric per finished seed, in the order of the seeds."""
        found = [r for r in self.results if r.split == split and r.error is None]
        return np.array([getattr(r, metric) for r in sorted(found, key=lambda r: r.seed)], dtype=float)

    @property
    def scores(self) -> np.ndarray:
        """What ranks, on validation images: a value for each finished seed, in the order of the seeds."""
        return self.values(self.ranked_by)

    @property
    def scores_by_seed(self) -> dict[int, float]:
        """The same by seed."""
        return {
            result.seed: getattr(result, self.ranked_by)
            for result in self.results
            if result.split == VALIDATION and result.error is None
        }

    @property
    def seconds(self) -> float:
        """What its seeds took, each on one CPU."""
        return math.fsum(result.seconds for result in self.results)


def write_seed(trial: Trial, result: SeedResult, ranked_by: str = "accuracy") -> bool:
    """Put one finished seed into the journal, unless it is there; whether it was new."""
    key = f"{_SEED}{result.seed}:{result.split}"
    if key in trial.user_attrs:
        return False
    trial.set_user_attr(key, result)
    score = getattr(result, ranked_by)
    if result.split == VALIDATION and score is not None:
        # Racing pairs by step, so a seed's own value is reported under the seed.
        trial.report(score, step=result.seed)
    return True


def note_reason(trial: Trial, reason: str) -> None:
    """Put into the journal why a trial ends, before it does."""
    if trial.user_attrs.get(REASON) != reason:
        trial.set_user_attr(REASON, reason)


def as_stored(trial: Trial) -> FrozenTrial:
    """A trial as the journal has it now."""
    return trial.storage.get_trial(trial._trial_id)


def seeds_of(user_attrs: Mapping[str, Any]) -> tuple[SeedResult, ...]:
    """The finished seeds in a trial's attributes."""
    return tuple(_result(value) for key, value in user_attrs.items() if key.startswith(_SEED))


def attributes_of_seeds(user_attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a trial's attributes that are its finished seeds, as another trial can have them."""
    return {key: value for key, value in user_attrs.items() if key.startswith(_SEED)}


def share_ranges(trial: FrozenTrial) -> None:
    """Have a trial hold the very ranges and names that others hold, a third of its memory; it must have ended."""
    trial.params = {sys.intern(name): value for name, value in trial.params.items()}
    shared = {}
    for name, own in trial.distributions.items():
        known = _RANGES.setdefault(name, [])
        shared[sys.intern(name)] = next((each for each in known if each is own or each == own), own)
        if shared[name] is own and not any(each is own for each in known):
            known.append(own)
    trial.distributions = shared


# By parameter, every range that was met.
_RANGES: dict[str, list[BaseDistribution]] = {}


def with_results(log: dict[str, Any]) -> dict[str, Any]:
    """A line of the journal with its seeds as results, which take a third of the memory that dictionaries take.

    What the seeds of many configurations have in common is held once.
    """
    for attributes in ("user_attr", "user_attrs"):
        found = log.get(attributes, {})
        if any(key.startswith(_SEED) for key in found):
            log[attributes] = {
                sys.intern(key): _result(value) if key.startswith(_SEED) else value for key, value in found.items()
            }
    if "intermediate_value" in log:
        log |= {name: _shared(log[name]) for name in ("step", "intermediate_value")}
    return log


def _result(value: SeedResult | Mapping[str, Any]) -> SeedResult:
    if isinstance(value, SeedResult):
        return value
    common = {name: _shared(value[name]) for name in _COMMON if name in value}
    # JSON has lists for tuples.
    return SeedResult(**{**value, **common, "recalls": tuple(value.get("recalls", ()))})


# Of a result, what many have in common: names of splits, seeds, and parts of a number of images.
_COMMON = ("seed", "split", "accuracy", "balanced_accuracy", "sensitivity", "specificity")


@functools.lru_cache(maxsize=10_000, typed=True)
def _shared(value: Any) -> Any:
    """The same value, as the object that was met first."""
    return value


def trial_record(approach: str, stage: str, trial: FrozenTrial, ranked_by: str = "accuracy") -> TrialRecord:
    """One trial of a study as a record."""
    start, end = trial.datetime_start, trial.datetime_complete
    return TrialRecord(
        approach=approach,
        stage=stage,
        number=trial.number,
        state=_state(trial),
        params=dict(trial.params),
        results=seeds_of(trial.user_attrs),
        reason=trial.user_attrs.get(REASON),
        of_trial=trial.user_attrs.get(OF_TRIAL),
        started_ms=int(start.timestamp() * 1000) if start else 0,
        ended_ms=int(end.timestamp() * 1000) if end else None,
        shots=trial.user_attrs.get(SHOTS),
        ranked_by=ranked_by,
        distributions=trial.distributions,
    )


def has_same_results(reason: str | None) -> bool:
    """Whether this is why a trial ends that was stopped since another one has its results."""
    return bool(reason and reason.startswith(SAME_RESULTS))


def _state(trial: FrozenTrial) -> str:
    if REPEAT_OF in trial.user_attrs:
        return REPEAT
    is_alike = trial.state == TrialState.FAIL and has_same_results(trial.user_attrs.get(REASON))
    return TrialState.PRUNED.name if is_alike else trial.state.name


def searched(trials: Iterable[TrialRecord], approach: str) -> list[TrialRecord]:
    """The search trials of this approach, in the order in which they come."""
    return [trial for trial in trials if trial.approach == approach and trial.stage == SEARCH]

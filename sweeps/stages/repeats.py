"""Configurations that a search has had already: the same parameters again, or others that change nothing.

Nothing is trained twice. A repeat is ended in the journal as Optuna's FAIL, which no sampler looks at: told as complete
or as pruned it would count again for, or against, the place where it lies.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeps.core.challenge import Approach
from sweeps.stages.outcomes import is_given_up
from sweeps.stages.sampling import replayed
from sweeps.store.trials import REASON, REPEAT, REPEAT_OF, TrialRecord, note_reason, searched, seeds_of
from trainables.parts.protocol import VALIDATION
from trainables.parts.results import count_of

# After so many repeats in a row the sampler's model is left aside, as its favourite has nothing new to offer.
REPEATS_UNTIL_RANDOM = 5
# After so many in a row an approach's space is taken to have no more.
MOST_REPEATS_IN_A_ROW = 20
# Seeds on which two configurations must have got the same images right to be taken for one, and how many images that
# must be in all (counted in eights): of a few easy ones many configurations get all right.
LEAST_ALIKE = 5
LEAST_IMAGES = 1000


def is_repeat(trial: FrozenTrial | TrialRecord) -> bool:
    """Whether this trial was ended as a repeat."""
    return trial.state == REPEAT if isinstance(trial, TrialRecord) else REPEAT_OF in trial.user_attrs


def distinct(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that were begun and are no repeats."""
    return [trial for trial in trials if trial.state != TrialState.WAITING and not is_repeat(trial)]


def in_a_row(trials: Sequence[FrozenTrial] | Sequence[TrialRecord], before: float, approach: Approach) -> int:
    """How many repeats stand right before this number, drawn from the space as it is now."""
    earlier = sorted((trial for trial in trials if trial.number < before), key=lambda trial: -trial.number)
    return sum(1 for _ in takewhile(lambda trial: is_repeat(trial) and _is_of_this_space(trial, approach), earlier))


def _is_of_this_space(trial: FrozenTrial | TrialRecord, approach: Approach) -> bool:
    again, _ = replayed(approach, trial.params)
    return again.distributions == trial.distributions


class Tried:
    """The configurations that a search has had, however they ended, each with the number of its first trial.

    One whose workers were lost is not to blame, so it may be tried again.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in the trials that were begun, which come by number."""
        self._first: dict[frozenset[tuple[str, Any]], int] = {}
        for trial in distinct(trials):
            if not is_given_up(trial.user_attrs.get(REASON)):
                self.add(trial.number, trial.params)

    def add(self, number: int, params: Mapping[str, Any]) -> None:
        """This trial has these parameters."""
        self._first.setdefault(frozenset(params.items()), number)

    def forget(self, number: int, params: Mapping[str, Any]) -> None:
        """This trial may be tried again."""
        if self._first.get(frozenset(params.items())) == number:
            del self._first[frozenset(params.items())]

    def repeated_by(self, trial: Trial) -> int | None:
        """The number of the earlier trial with the same parameters; None if there is none.

        A trial that has seeds is no repeat.
        """
        noted: int | None = trial.user_attrs.get(REPEAT_OF)
        if noted is not None or seeds_of(trial.user_attrs):
            return noted
        first = self._first.get(frozenset(trial.params.items()), trial.number)
        return first if first < trial.number else None


def end_as_repeat(study: Study, trial: Trial, of: int) -> None:
    """End a trial in the journal since another one has its parameters."""
    trial.set_user_attr(REPEAT_OF, of)
    note_reason(trial, f"a repeat of configuration {of}, so not trained")
    study.tell(trial, state=TrialState.FAIL)


class Completed:
    """The complete trials of a search: which are the best, and which have the same results as another one."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        """Take in those of these trials that are complete."""
        # Best first; of equally good ones the first is the best.
        self.ranked: list[FrozenTrial] = []
        # By a seed and the images that it got right; each list by number.
        self._by_hits: dict[tuple[int, str | None], list[FrozenTrial]] = {}
        self._seed: int | None = None
        for trial in trials:
            if trial.state == TrialState.COMPLETE:
                self.add(trial)

    def add(self, trial: FrozenTrial) -> None:
        """Take in a complete trial."""
        insort(self.ranked, trial, key=_rank)
        found = _by_seed(trial)
        # All complete trials have the same seeds; one tells nearly all others apart.
        self._seed = min(found, default=None) if self._seed is None else self._seed
        if self._seed is not None:
            same = self._by_hits.setdefault((self._seed, found.get(self._seed)), [])
            insort(same, trial, key=lambda trial: trial.number)

    def same_results(self, trial: Trial, scores: Mapping[int, float]) -> int | None:
        """The number of a complete trial that scored the same, and got the same images right, on all seeds so far.

        No test finds a difference there. None with fewer than `LEAST_ALIKE` seeds or `LEAST_IMAGES` images.
        """
        own = _by_seed(trial)
        if len(own) < LEAST_ALIKE or sum(count_of(hits or "") for hits in own.values()) < LEAST_IMAGES:
            return None
        seed = self._seed
        same = [] if seed is None else self._by_hits.get((seed, own.get(seed)), [])
        alike = (other for other in same if scores.items() <= other.intermediate_values.items())
        return next((other.number for other in alike if own.items() <= _by_seed(other).items()), None)


def _rank(trial: FrozenTrial) -> tuple[float, int]:
    assert trial.value is not None
    return -trial.value, trial.number


def _by_seed(trial: Trial | FrozenTrial) -> dict[int, str | None]:
    """Which validation images each seed got right."""
    found = seeds_of(trial.user_attrs)
    return {result.seed: result.hits for result in found if result.split == VALIDATION and not result.error}


def has_no_more(trials: Sequence[TrialRecord], approach: Approach) -> bool:
    """Whether the approach's search ended since its space, as it is now, gave nothing but repeats."""
    return in_a_row(searched(trials, approach.name), math.inf, approach) >= MOST_REPEATS_IN_A_ROW

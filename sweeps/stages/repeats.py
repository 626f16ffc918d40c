"""Configurations that a search has had already: the same parameters again, or others that change nothing.

Nothing is trained twice. A repeat is ended in the journal as Optuna's FAIL, which no sampler looks at: told as complete
or as pruned it would count again for, or against, the place where it lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeps.core.challenge import Approach
from sweeps.stages.outcomes import is_given_up
from sweeps.stages.sampling import replayed
from sweeps.store.trials import REASON, REPEAT, REPEAT_OF, TrialRecord, note_reason, searched, seeds_of
from trainables.parts.protocol import VALIDATION

# After so many repeats in a row the sampler's model is left aside, as its favourite has nothing new to offer.
REPEATS_UNTIL_RANDOM = 5
# After so many in a row an approach's space is taken to have no more.
MOST_REPEATS_IN_A_ROW = 20
# Seeds on which two configurations must have got the same images right to be taken for one, and how many images that
# must be in all: of a few easy ones many configurations get all right.
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


def repeated_by(trials: Sequence[FrozenTrial], trial: Trial) -> int | None:
    """The number of the earlier trial with the same parameters, however it ended; None if there is none.

    One whose workers were lost is not to blame, so it may be tried again. A trial that has seeds is no repeat.
    """
    noted: int | None = trial.user_attrs.get(REPEAT_OF)
    if noted is not None or seeds_of(trial.user_attrs):
        return noted
    return next(
        (
            other.number
            for other in distinct(trials)
            if other.number < trial.number
            and other.params == trial.params
            and not is_given_up(other.user_attrs.get(REASON))
        ),
        None,
    )


def end_as_repeat(study: Study, trial: Trial, of: int) -> None:
    """End a trial in the journal since another one has its parameters."""
    trial.set_user_attr(REPEAT_OF, of)
    note_reason(trial, f"a repeat of configuration {of}, so not trained")
    study.tell(trial, state=TrialState.FAIL)


def same_results(trials: Sequence[FrozenTrial], trial: Trial) -> int | None:
    """The number of a complete trial that scored the same, and got the same images right, on all seeds so far.

    Wilcoxon's test finds no difference there. None with fewer than `LEAST_ALIKE` seeds or `LEAST_IMAGES` images.
    """
    own = _by_seed(trial)
    # Hits are in base 64, six images a character.
    if len(own) < LEAST_ALIKE or 6 * sum(len(hits or "") for hits in own.values()) < LEAST_IMAGES:
        return None
    complete = [other for other in trials if other.state == TrialState.COMPLETE]
    scores = trials[trial.number].intermediate_values
    alike = [other for other in complete if scores.items() <= other.intermediate_values.items()]
    return next((other.number for other in alike if own.items() <= _by_seed(other).items()), None)


def _by_seed(trial: Trial | FrozenTrial) -> dict[int, str | None]:
    """Which validation images each seed got right."""
    found = seeds_of(trial.user_attrs)
    return {result.seed: result.hits for result in found if result.split == VALIDATION and not result.error}


def has_no_more(trials: Sequence[TrialRecord], approach: Approach) -> bool:
    """Whether the approach's search ended since its space, as it is now, gave nothing but repeats."""
    return in_a_row(searched(trials, approach.name), math.inf, approach) >= MOST_REPEATS_IN_A_ROW

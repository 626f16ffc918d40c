"""Which configuration is an approach's best, and what its fresh seeds say.

Complete configurations are ranked by the mean of `--metric` on the search's seeds; the best few, the finalists, meet
further ones, and the one with the greatest mean over all of these is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sweeps.stages.outcomes import NOT_UNDECIDED
from sweeps.store.trials import CONFIRM, CURVE, INTENSIFY, TrialRecord, searched
from trainables.parts.results import SeedResult


def best_complete(trials: Iterable[TrialRecord], approach: str) -> TrialRecord | None:
    """The search trial of this approach that is handed on: what is confirmed, quoted and said to be its best.

    Of the configurations that have all further search seeds it is the one with the greatest mean score over all its
    search seeds, the earliest of equals. Where none has them, it is the best complete one of the search. Means over
    other seeds are not compared, so that a finalist whose further seeds are not complete is not handed on while another
    one has its own; one that failed on them is like one that fails in the search, unless all are.
    """
    trials = list(trials)
    complete, further = _complete(trials, approach), further_results(trials, approach)
    failed = {
        number
        for number, own in _intensified(trials, approach).items()
        if any(result.error for each in own for result in each.results)
    }
    among = (
        [trial for trial in complete if trial.number in further]
        or [trial for trial in complete if trial.number not in failed]
        or complete
    )
    return max(among, key=lambda trial: (_mean(trial, further.get(trial.number, ())), -trial.number), default=None)


def finalists(trials: Iterable[TrialRecord], approach: str, number: int) -> list[TrialRecord]:
    """The search trials of this approach that meet further search seeds, best first; none if there is one alone.

    They are the `number` best complete ones by the search's seeds, and all that have had further seeds before: so that
    what a search finds when it is extended is compared with them.
    """
    trials = list(trials)
    complete, further = _complete(trials, approach), further_results(trials, approach)
    found = [*complete[:number], *(trial for trial in complete[number:] if trial.number in further)]
    return found if len(found) > 1 else []


def further_results(trials: Iterable[TrialRecord], approach: str) -> dict[int, tuple[SeedResult, ...]]:
    """The results on further search seeds, by the number of the search trial, of those that have them all."""
    return {
        number: tuple(result for trial in own for result in trial.results)
        for number, own in _intensified(trials, approach).items()
        # Of two, the later one has run what was missing when the first had lost its workers.
        if any(trial.state == "COMPLETE" for trial in own)
    }


def _complete(trials: Sequence[TrialRecord], approach: str) -> list[TrialRecord]:
    """The complete search trials, by their mean score on the search's seeds, best first, the earlier of equals."""
    complete = [trial for trial in searched(trials, approach) if trial.state == "COMPLETE"]
    return sorted(complete, key=lambda trial: (-trial.scores.mean(), trial.number))


def _intensified(trials: Iterable[TrialRecord], approach: str) -> dict[int, list[TrialRecord]]:
    """What was run on further search seeds, by the number of the search trial."""
    found: dict[int, list[TrialRecord]] = {}
    for trial in trials:
        if trial.approach == approach and trial.stage == INTENSIFY and trial.of_trial is not None:
            found.setdefault(trial.of_trial, []).append(trial)
    return found


def _mean(trial: TrialRecord, further: Sequence[SeedResult]) -> float:
    more = np.array([getattr(result, trial.ranked_by) for result in further], dtype=float)
    return float(np.concatenate([trial.scores, more]).mean())


def confirmed_results(
    trials: Iterable[TrialRecord], approach: str, number: int, stage: str = CONFIRM
) -> tuple[SeedResult, ...]:
    """Every seed of that search trial in the confirmation, or in another stage; two of the same trial add up."""
    return tuple(result for trial in confirmed_trials(trials, approach, number, stage) for result in trial.results)


def confirmed_trials(
    trials: Iterable[TrialRecord], approach: str, number: int, stage: str = CONFIRM
) -> list[TrialRecord]:
    """The confirmations of that search trial, or what another stage ran of it, in the order in which they began."""
    return [
        trial for trial in trials if trial.approach == approach and trial.stage == stage and trial.of_trial == number
    ]


def failure(trials: Iterable[TrialRecord], approach: str, number: int, stage: str = CONFIRM) -> str | None:
    """Why that search trial failed in the confirmation, or in another stage; None if it did not.

    The last that was begun there counts: after a failed seed none is, and what had lost its workers or its time is
    completed by another one. One that was ended because it was told apart did not fail.
    """
    own = confirmed_trials(trials, approach, number, stage)
    last = [trial for trial in own if trial.reason != NOT_UNDECIDED.reason][-1:]
    return next((trial.reason or "it failed" for trial in last if trial.state == "FAIL"), None)


def results_at(trials: Iterable[TrialRecord], approach: str, number: int, shots: int) -> tuple[SeedResult, ...]:
    """Every fresh seed of that search trial that learned from so many images of each class, in its shot curve."""
    return tuple(result for trial in curve_trials(trials, approach, number, shots) for result in trial.results)


def curve_trials(trials: Iterable[TrialRecord], approach: str, number: int, shots: int) -> list[TrialRecord]:
    """What was run of that search trial at this number of shots, in the order in which it was begun."""
    return [
        trial
        for trial in trials
        if trial.approach == approach and trial.stage == CURVE and trial.of_trial == number and trial.shots == shots
    ]


def fresh_scores(trials: Iterable[TrialRecord], approach: str, number: int, stage: str = CONFIRM) -> dict[int, float]:
    """What ranks, on validation images, of that search trial on each seed of its confirmation or decision, by seed."""
    return {
        seed: score
        for trial in confirmed_trials(trials, approach, number, stage)
        for seed, score in trial.scores_by_seed.items()
    }

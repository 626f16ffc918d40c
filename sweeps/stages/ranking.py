"""Which configuration is an approach's best, and what its fresh seeds say.

Complete configurations are ranked by the mean of `--metric` on the search's seeds; the best one is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable

from sweeps.store.trials import CONFIRM, CURVE, SHIFT, TrialRecord, searched
from trainables.parts.results import SeedResult


def best_complete(trials: Iterable[TrialRecord], approach: str) -> TrialRecord | None:
    """The complete search trial of this approach with the greatest mean score, the earliest of equals."""
    complete = [trial for trial in searched(trials, approach) if trial.state == "COMPLETE"]
    return max(complete, key=lambda t: (t.scores.mean(), -t.number), default=None)


def confirmed_results(
    trials: Iterable[TrialRecord], approach: str, number: int, stage: str = CONFIRM
) -> tuple[SeedResult, ...]:
    """Every seed of that search trial in the confirmation, or in the decision; two of the same trial add up."""
    return tuple(result for trial in confirmed_trials(trials, approach, number, stage) for result in trial.results)


def confirmed_trials(
    trials: Iterable[TrialRecord], approach: str, number: int, stage: str = CONFIRM
) -> list[TrialRecord]:
    """The confirmations of that search trial, or its decisions, in the order in which they were begun."""
    return [
        trial for trial in trials if trial.approach == approach and trial.stage == stage and trial.of_trial == number
    ]


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


def changed_results(trials: Iterable[TrialRecord], approach: str, number: int) -> tuple[SeedResult, ...]:
    """Every result of that search trial on changed test images, and on the same as they are."""
    return tuple(
        result
        for trial in trials
        if trial.approach == approach and trial.stage == SHIFT and trial.of_trial == number
        for result in trial.results
    )


def fresh_scores(trials: Iterable[TrialRecord], approach: str, number: int, stage: str = CONFIRM) -> dict[int, float]:
    """What ranks, on validation images, of that search trial on each seed of its confirmation or decision, by seed."""
    return {
        seed: score
        for trial in confirmed_trials(trials, approach, number, stage)
        for seed, score in trial.scores_by_seed.items()
    }

"""Which configuration is an approach's best, and what its fresh seeds say.

Complete configurations are ranked by the mean of `--metric` on the search's seeds; the best one is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable

from sweeps.store.trials import CONFIRM, TrialRecord, searched
from trainables.parts.results import SeedResult


def best_complete(trials: Iterable[TrialRecord], approach: str) -> TrialRecord | None:
    """The complete search trial of this approach with the greatest mean score, the earliest of equals."""
    complete = [trial for trial in searched(trials, approach) if trial.state == "COMPLETE"]
    return max(complete, key=lambda t: (t.scores.mean(), -t.number), default=None)


def confirmed_results(trials: Iterable[TrialRecord], approach: str, number: int) -> tuple[SeedResult, ...]:
    """Every confirmation seed of that search trial; two confirmations of the same one add up."""
    return tuple(
        result
        for trial in trials
        if trial.approach == approach and trial.stage == CONFIRM and trial.of_trial == number
        for result in trial.results
    )


def fresh_scores(trials: Iterable[TrialRecord], approach: str, number: int) -> dict[int, float]:
    """What ranks, on validation images, of that search trial on each of its confirmation seeds, by seed."""
    return {
        seed: score
        for trial in trials
        if trial.approach == approach and trial.stage == CONFIRM and trial.of_trial == number
        for seed, score in trial.scores_by_seed.items()
    }

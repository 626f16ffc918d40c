"""Which configuration is an approach's best, and what its fresh seeds say.

Complete configurations are ranked by their mean validation accuracy on the search's seeds; the best one is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable

from sweeps.store.trials import CONFIRM, TrialRecord, searched
from trainables.parts.protocol import VALIDATION
from trainables.parts.results import SeedResult


def best_complete(trials: Iterable[TrialRecord], approach: str) -> TrialRecord | None:
    """The complete search trial of this approach with the greatest mean validation accuracy, the earliest of equals."""
    complete = [trial for trial in searched(trials, approach) if trial.state == "COMPLETE"]
    return max(complete, key=lambda t: (t.values("accuracy").mean(), -t.number), default=None)


def confirmed_results(trials: Iterable[TrialRecord], approach: str, number: int) -> tuple[SeedResult, ...]:
    """Every confirmation seed of that search trial; two confirmations of the same one add up."""
    return tuple(
        result
        for trial in trials
        if trial.approach == approach and trial.stage == CONFIRM and trial.of_trial == number
        for result in trial.results
    )


def fresh_accuracies(trials: Iterable[TrialRecord], approach: str, number: int) -> dict[int, float]:
    """Validation accuracy of that search trial on each of its confirmation seeds, by seed."""
    return {
        result.seed: result.accuracy
        for result in confirmed_results(trials, approach, number)
        if result.split == VALIDATION and result.accuracy is not None
    }

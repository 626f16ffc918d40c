"""Fixed configurations on fixed seeds: what the confirmation and the reproduction of the study have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import Trial

from sweeps.stages.outcomes import Back, outcome_of
from sweeps.stages.stage import Stage
from sweeps.stages.tasks import Task, in_blocks


class FixedStage(Stage):
    """Tasks that are all known from the start. A trial's blocks of seeds run on several workers at the same time."""

    def queue(self, approach: str, trial: Trial, params: Mapping[str, Any], seeds: Sequence[int]) -> None:
        """Queue these seeds of a trial; one that has failed already, or has no seeds left, is ended instead."""
        # A driver may have died between the last thing a trial needed and its end.
        outcome = outcome_of(trial, Back.TAKEN_UP, seeds_left=len(seeds))
        if not outcome.goes_on:
            self.end(approach, trial, outcome)
            return
        for block in in_blocks(seeds):
            self.waiting.append(
                Task(approach=approach, trial=trial, params=dict(params), blocks=[block], splits=self.splits)
            )
        self.tallies[approach].seeds_left += len(seeds)

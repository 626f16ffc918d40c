"""Fixed configurations on fixed seeds: what confirmation, shot curve and reproduction of the study have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import Trial, TrialState

from sweeps.core.challenge import Approach
from sweeps.stages.outcomes import SUPERSEDED, Back, outcome_of
from sweeps.stages.stage import Stage
from sweeps.stages.tasks import Task, in_blocks
from sweeps.store.trials import OF_TRIAL, SHOTS, TrialRecord


class FixedStage(Stage):
    """Tasks that are all known from the start. A trial's blocks of seeds run on several workers at the same time."""

    def queue(self, approach: str, trial: Trial, params: Mapping[str, Any], seeds: Sequence[int]) -> None:
        """Queue these seeds of a trial; one that has failed already, or has no seeds left, is ended instead."""
        # A driver may have died between the last thing a trial needed and its end.
        outcome = outcome_of(trial, Back.TAKEN_UP, seeds_left=len(seeds))
        if not outcome.goes_on:
            self.end(approach, trial, outcome)
            return
        shots = trial.user_attrs.get(SHOTS)
        for block in in_blocks(seeds):
            self.waiting.append(
                Task(
                    approach=approach,
                    trial=trial,
                    params=dict(params),
                    blocks=[block],
                    splits=self.splits,
                    shots=shots,
                )
            )
        self.tallies[approach].seeds_left += len(seeds)

    def interrupted(self, approach: Approach) -> list[Trial]:
        """The trials of this approach that a dead driver left; they may lack parameters."""
        study = self.studies[approach.name]
        # The driver may have died between queueing a trial and beginning it.
        for _ in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.ask()
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [Trial(study, frozen._trial_id) for frozen in running]

    def interrupted_of(self, approach: Approach, winner: TrialRecord) -> list[Trial]:
        """Those of this winner, with every parameter; those of earlier winners are ended."""
        found = []
        for trial in self.interrupted(approach):
            if trial.user_attrs.get(OF_TRIAL) == winner.number:
                # The driver may have died while it got its parameters.
                approach.suggest(trial)
                found.append(trial)
            else:
                self.end(approach.name, trial, SUPERSEDED)
        return found

    def new_trial(self, approach: Approach, params: Mapping[str, Any], attributes: Mapping[str, Any]) -> Trial:
        """Begin a trial of this configuration with these attributes."""
        study = self.studies[approach.name]
        study.enqueue_trial(dict(params), user_attrs=dict(attributes))
        trial = study.ask()
        approach.suggest(trial)
        return trial

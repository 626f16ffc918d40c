"""Fixed configurations on fixed seeds: what all stages but the search have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from optuna.study import Study
from optuna.trial import Trial, TrialState

from sweeps.core.challenge import Approach
from sweeps.stages.outcomes import SUPERSEDED, Back, outcome_of
from sweeps.stages.stage import Stage
from sweeps.stages.tasks import Task, in_blocks
from sweeps.store.trials import OF_TRIAL, SHOTS, TrialRecord
from trainables.parts.results import SeedResult


class FixedStage(Stage):
    """Tasks that are all known from the start. A trial's blocks of seeds run on several workers at the same time."""

    # The seeds that each winner is to have, where there are winners.
    wanted: range

    def queue(self, approach: str, trial: Trial, params: Mapping[str, Any], seeds: Sequence[int]) -> None:
        """Queue these seeds of a trial; one that has failed already, or has no seeds left, is ended instead."""
        # A driver may have died between the last thing a trial needed and its end.
        outcome = outcome_of(trial, Back.TAKEN_UP, seeds_left=len(seeds))
        if not outcome.goes_on:
            self.end(approach, trial, outcome)
            return
        shots = trial.user_attrs.get(SHOTS)
        besides_of = partial(self.besides_of, approach)
        blocks = [(besides, block) for besides, own in groupby(seeds, besides_of) for block in in_blocks(list(own))]
        for besides, block in blocks:
            self.waiting.append(
                Task(
                    approach=approach,
                    trial=trial,
                    params=dict(params),
                    blocks=[block],
                    splits=self.splits,
                    besides=besides,
                    shots=shots,
                )
            )
        self.tallies[approach].seeds_left += len(seeds)

    def besides_of(self, approach: str, seed: int) -> tuple[str, ...]:
        """What this seed is scored on besides, for another stage."""
        return ()

    def queue_missing(
        self,
        approach: Approach,
        winner: TrialRecord,
        results: Sequence[SeedResult],
        trial: Trial | None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Queue the wanted seeds of the winner that these results lack; one that has failed once is left at that.

        Args:
            approach: Whose winner it is.
            winner: Of the search.
            results: What the journal has of it in this stage.
            trial: What a dead driver left of it; None begins a trial, with these attributes besides.
            attributes: See `trial`.
        """
        self.tallies[approach.name].seconds_per_seed = winner.seconds / max(len(winner.results), 1)
        done = {result.seed for result in results if result.split == self.splits[-1] or result.error}
        missing = [seed for seed in self.wanted if seed not in done]
        if trial is None and missing and not any(result.error for result in results):
            given = {OF_TRIAL: winner.number, **(attributes or {})}
            trial = begin_trial(self.studies[approach.name], approach, winner.params, given)
        if trial is not None:
            self.queue(approach.name, trial, winner.params, missing)

    def interrupted_of(self, approach: Approach, *winners: TrialRecord) -> list[Trial]:
        """Those of these winners, with every parameter; those of earlier winners are ended."""
        found, numbers = [], {winner.number for winner in winners}
        for trial in left_by_a_driver(self.studies[approach.name]):
            if trial.user_attrs.get(OF_TRIAL) in numbers:
                # The driver may have died while it got its parameters.
                approach.suggest(trial)
                found.append(trial)
            else:
                self.end(approach.name, trial, SUPERSEDED)
        return found


def left_by_a_driver(study: Study) -> list[Trial]:
    """The trials that a dead driver left; they may lack parameters."""
    # The driver may have died between queueing a trial and beginning it.
    for _ in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.ask()
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [Trial(study, frozen._trial_id) for frozen in running]


def begin_trial(study: Study, approach: Approach, params: Mapping[str, Any], attributes: Mapping[str, Any]) -> Trial:
    """Begin a trial of this configuration with these attributes."""
    study.enqueue_trial(dict(params), user_attrs=dict(attributes))
    trial = study.ask()
    approach.suggest(trial)
    return trial

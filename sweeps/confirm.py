"""The confirmation: the winners of the search on fresh seeds, and on the test split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.study import Study
from optuna.trial import Trial, TrialState

from sweeps.agenda import CONFIRM_SEEDS_FROM, Tally
from sweeps.challenge import Approach
from sweeps.given import GivenAgenda
from sweeps.record import CONFIRM, Record, TrialRecord, best_complete, confirmed_results
from trainables.protocol import TEST, VALIDATION


class ConfirmAgenda(GivenAgenda):
    """Fresh seeds, validation and test, for the best configuration of each approach."""

    stage = CONFIRM
    splits = (VALIDATION, TEST)

    def __init__(
        self,
        record: Record,
        approaches: Sequence[Approach],
        on_closed: Callable[[TrialRecord], None],
        *,
        seeds: int,
    ) -> None:
        """Queue what the record lacks of `seeds` fresh seeds for each approach's present winner."""
        super().__init__(record, approaches, on_closed)
        trials = record.trials([approach.name for approach in approaches])
        for approach in approaches:
            self.tallies[approach.name] = Tally(seconds_a_seed=approach.seconds_a_seed, seeds_left=0)
            best = best_complete(trials, approach.name)
            study = self.studies[approach.name]
            if best is None:
                continue
            self.tallies[approach.name].seconds_a_seed = best.seconds / max(len(best.results), 1)
            running = None
            # A driver may have died between queueing a trial and beginning it, or while it got its parameters.
            for _ in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                study.ask()
            for frozen in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                if frozen.user_attrs.get("of_trial") == best.number:
                    running = Trial(study, frozen._trial_id)
                    approach.suggest(running)
                else:
                    reason = "an extended search found a better configuration"
                    self.tell(approach.name, Trial(study, frozen._trial_id), state=TrialState.FAIL, reason=reason)
            results = confirmed_results(trials, approach.name, best.number)
            done = {result.seed for result in results if result.split == TEST or result.error}
            wanted = range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + seeds)
            missing = [seed for seed in wanted if seed not in done]
            if running is None and missing and not any(result.error for result in results):
                running = self._new_trial(study, best.number, best.params, approach)
            if running is not None:
                self.queue(approach.name, running, best.params, missing)

    def _new_trial(self, study: Study, number: int, params: dict[str, Any], approach: Approach) -> Trial:
        study.enqueue_trial(params, user_attrs={"of_trial": number})
        trial = study.ask()
        approach.suggest(trial)
        return trial

"""What a search finds in its journal when it goes on after an earlier start, which may have died anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

import optuna
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from sweeps.core.challenge import Approach
from sweeps.stages.history import OnHistory, RecentHistory
from sweeps.stages.sampling import replayed
from sweeps.stages.tasks import Tally
from sweeps.store.trials import REASON, has_same_results, seeds_of


def count_done(tally: Tally, begun: Sequence[FrozenTrial], seeds: int) -> None:
    """Count the finished seeds of these trials, and those of the `seeds` of each that racing saved."""
    for trial in begun:
        done = [result for result in seeds_of(trial.user_attrs) if result.error is None]
        tally.seeds_done += len(done)
        tally.seconds_done += sum(result.seconds for result in done)
        if trial.state.is_finished() and not _failed(trial):
            tally.seeds_saved += seeds - len(done)


def failures_at_the_end(begun: Sequence[FrozenTrial]) -> int:
    """How many trials in a row failed last."""
    ended = sorted(
        (trial.datetime_complete, trial.number, _failed(trial)) for trial in begun if trial.datetime_complete
    )
    return sum(1 for _ in takewhile(lambda each: each[-1], reversed(ended)))


def _failed(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and not has_same_results(trial.user_attrs.get(REASON))


def whole_trial(
    approach: Approach, study: Study, frozen: FrozenTrial, sampler: Callable[[], BaseSampler], ranked_by: str
) -> Trial:
    """An interrupted trial with every parameter, and every finished seed's score where races are decided.

    Args:
        approach: Whose trial it is.
        study: The approach's study; its sampler may be exchanged.
        frozen: The trial as the journal has it. The driver may have died before all its parameters were there.
        sampler: What suggested its parameters, as it was before it did.
        ranked_by: The metric of a result that races are decided by.
    """
    _, lacking = replayed(approach, frozen.params)
    if lacking:
        study.sampler = _with_the_same_draws(approach, study, frozen, sampler)
    trial = Trial(study, frozen._trial_id)
    approach.suggest(trial)
    for result in seeds_of(frozen.user_attrs):
        # The driver may also have died between writing a seed and reporting its score.
        score = getattr(result, ranked_by)
        if score is not None and result.seed not in frozen.intermediate_values:
            trial.report(score, step=result.seed)
    return trial


def _with_the_same_draws(
    approach: Approach, study: Study, frozen: FrozenTrial, sampler: Callable[[], BaseSampler]
) -> BaseSampler:
    """What gives the missing parameters as they would have been drawn, which takes the draws before them too."""
    rehearsal = optuna.create_study(direction="maximize")
    rehearsal.add_trials([trial for trial in study.get_trials() if trial.number < frozen.number])
    rehearsal.sampler = OnHistory(sampler(), RecentHistory(rehearsal))
    rehearsed = rehearsal.ask()
    approach.suggest(rehearsed)
    return PartialFixedSampler(rehearsed.params, OnHistory(sampler(), RecentHistory(study)))

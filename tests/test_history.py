"""What a sampler sees of a long search, against Optuna's own sampler on the whole study."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from pretended import suggest
from sweeps.stages import history
from sweeps.stages.history import BoundedTPE, OnHistory, RecentHistory

ENDS = (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)


def searched(bounded, count=60, asks_history=False):
    """The parameters of a search whose trials end in any way, or not at all, and not in order."""
    study = optuna.create_study(direction="maximize")
    seen = RecentHistory(study)
    rng = np.random.default_rng(0)
    late = []
    found = []
    for number in range(count):
        sampler = (BoundedTPE if bounded else TPESampler)(seed=number, multivariate=True, constant_liar=True)
        study.sampler = OnHistory(sampler, seen) if bounded else sampler
        trial = seen.ask_owner(study) if asks_history else study.ask()
        suggest(trial)
        found.append(trial.params)
        for step in range(rng.integers(1, 6)):
            trial.report(rng.normal(), step)
        late.append((trial, ENDS[rng.integers(len(ENDS))]))
        if len(late) > 3:
            ended, state = late.pop(rng.integers(len(late)))
            if state == TrialState.COMPLETE:
                study.tell(ended, float(-((ended.params["x"] - 0.8) ** 2)))
            elif state != TrialState.RUNNING:
                study.tell(ended, state=state)
    return found, study, seen


@pytest.mark.parametrize("asks_history", [False, True])
def test_suggestions_are_those_of_the_whole_history_while_it_is_short(asks_history):
    assert searched(bounded=True, asks_history=asks_history)[0] == searched(bounded=False)[0]


def test_what_is_old_and_not_good_is_not_seen(monkeypatch):
    monkeypatch.setattr(history, "MOST_RECENT", 10)
    monkeypatch.setattr(history, "MOST_BEST", 4)
    monkeypatch.setattr(history, "MOST_RUNNING", 5)
    _, study, seen = searched(bounded=True)
    ended = [each for each in study.trials if each.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    best = sorted((each for each in ended if each.value and each.state == TrialState.COMPLETE), key=lambda t: -t.value)
    running = [each.number for each in study.trials if each.state == TrialState.RUNNING]
    assert len(running) > 5
    wanted = {*running[-5:], *(each.number for each in ended[-10:]), *(each.number for each in best[:4])}
    assert [each.number for each in seen.get_trials()] == sorted(wanted)
    # One that begins anew, as after a restart, sees the same.
    assert [each.number for each in RecentHistory(study).get_trials()] == sorted(wanted)


@pytest.mark.parametrize("most", [1000, 10])
def test_the_ranges_that_all_share_are_optuna_s(monkeypatch, most):
    monkeypatch.setattr(history, "MOST_RECENT", most)
    _, _, seen = searched(bounded=True)
    trials = seen.get_trials()
    expected = optuna.search_space.intersection_search_space(trials, include_pruned=True)
    assert seen.common_space() == expected
    assert list(seen.common_space()) == list(expected) == ["kind", "x"]

"""Which configuration is best, and what its fresh seeds say."""

from __future__ import annotations

from sweeps.stages.ranking import best_complete, confirmed_results, fresh_scores
from sweeps.store.trials import CONFIRM, TrialRecord, searched
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult


def result(seed, accuracy=0.8, split=VALIDATION, **more):
    return SeedResult(seed=seed, split=split, seconds=0.5, timestamp_ms=1, accuracy=accuracy, **more)


def trial(number, accuracies, state="COMPLETE", **more):
    results = tuple(result(1000 + i, accuracy) for i, accuracy in enumerate(accuracies))
    common = {"results": results, "approach": "a", "stage": "search", "params": {}, "reason": None, "of_trial": None}
    return TrialRecord(**{**common, **more}, number=number, state=state, started_ms=0, ended_ms=None)


def test_only_complete_trials_are_ranked():
    trials = [
        trial(0, [0.7, 0.7]),
        trial(1, [0.9], state="PRUNED"),
        trial(2, [0.99, 0.99], state="FAIL"),
        trial(3, [0.95, 0.95], state="RUNNING"),
        trial(4, [0.8, 0.8]),
        trial(5, [0.8, 0.8]),
        trial(6, [0.99, 0.99], stage=CONFIRM),
    ]
    assert best_complete(trials, "a").number == 4
    assert best_complete(trials[1:4], "a") is None


def test_confirmations_of_the_same_trial_add_up():
    trials = [
        trial(0, [0.7], stage=CONFIRM, of_trial=3),
        trial(1, [0.9], stage=CONFIRM, of_trial=4),
        trial(2, [0.8], stage=CONFIRM, of_trial=3),
    ]
    assert [found.accuracy for found in confirmed_results(trials, "a", 3)] == [0.7, 0.8]


def test_fresh_scores_are_of_validation_images_by_seed():
    failed = result(2003, None, error="no luck")
    trials = [
        trial(0, [0.7], stage=CONFIRM, of_trial=3, results=(result(2000, 0.7), result(2000, 0.6, split=TEST), failed)),
        trial(1, [0.8], stage=CONFIRM, of_trial=3, results=(result(2001, 0.8),)),
        trial(2, [0.9], stage=CONFIRM, of_trial=4, results=(result(2002, 0.9),)),
    ]
    assert fresh_scores(trials, "a", 3) == {2000: 0.7, 2001: 0.8}


def test_searched_trials_are_those_of_the_approach_in_the_search():
    trials = [trial(0, [0.7]), trial(1, [0.8], stage=CONFIRM, of_trial=0), trial(2, [0.9], approach="b")]
    assert searched(trials, "a") == trials[:1]

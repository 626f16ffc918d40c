"""Importance: the number is Optuna's, the parameter that matters wins, and the instability is said."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator

import pretended
from made_up import trial
from sweeps.analysis.importance import LEAST_COMPLETE, LEAST_TRIED, importances

RANGES = {
    "matters": FloatDistribution(1e-3, 1.0, log=True),
    "useless": FloatDistribution(0.0, 1.0),
    "count": IntDistribution(1, 5),
    "large_count": IntDistribution(8, 128, log=True),
    "stepped": FloatDistribution(0.0, 1.0, step=0.25),
    "kind": CategoricalDistribution(["plain", "odd", "none"]),
    "only_odd": FloatDistribution(0.0, 1.0),
    "fixed": CategoricalDistribution(["one"]),
}


def drawn(rng, distribution):
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[rng.integers(len(distribution.choices))]
    if isinstance(distribution, IntDistribution):
        return int(rng.integers(distribution.low, distribution.high + 1))
    if distribution.step:
        return float(rng.integers(5) * distribution.step)
    if distribution.log:
        return float(np.exp(rng.uniform(np.log(distribution.low), np.log(distribution.high))))
    return float(rng.uniform(distribution.low, distribution.high))


def random_search(seed, size=50):
    rng = np.random.default_rng(seed)
    made = []
    for number in range(size):
        params = {name: drawn(rng, distribution) for name, distribution in RANGES.items()}
        if params["kind"] != "odd":
            del params["only_odd"]
        mean = 0.8 - 0.1 * abs(np.log10(params["matters"]) + 1) + rng.normal(0, 0.005)
        state = "COMPLETE" if mean > 0.72 else "PRUNED"
        ranges = {name: RANGES[name] for name in params}
        made.append(trial(number, mean, state, params=params, distributions=ranges, spread=0))
    return made


@pytest.fixture(scope="module")
def trials():
    return random_search(0)


def by_name(found):
    return {each.param: each for each in found}


@pytest.mark.parametrize("seed", range(3))
def test_the_number_is_that_of_optuna(seed):
    trials = random_search(seed)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for each in trials:
        value = float(each.values("accuracy").mean()) - (each.state == "PRUNED")
        study.add_trial(
            optuna.trial.create_trial(params=each.params, distributions=dict(each.distributions), value=value)
        )
    expected = PedAnovaImportanceEvaluator(target_quantile=0.2).evaluate(study)
    total = sum(expected.values())
    # What has a single value is no question.
    assert expected.pop("fixed") == 0
    found = by_name(importances(trials, "a"))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].share == pytest.approx(value / total, abs=1e-9)


def test_what_matters_wins_and_what_does_not_stays_with_chance(trials):
    found = importances(trials, "a")
    assert found[0].param == "matters"
    assert found[0].share > found[0].chance
    assert found[0].low > max(each.share for each in found[1:])
    useless = by_name(found)["useless"]
    assert useless.share < useless.chance


def test_shares_add_up_and_lie_in_their_intervals(trials):
    found = importances(trials, "a")
    assert sum(each.share for each in found) == pytest.approx(1)
    for each in found:
        assert 0 <= each.low <= each.share <= each.high <= 1
        assert each.chance >= 0
    assert any(each.low < each.share < each.high for each in found)


def test_the_same_journal_gives_the_same_numbers(trials):
    assert importances(trials, "a") == importances(list(trials), "a")


def test_few_configurations_say_nothing(trials):
    complete = [each for each in trials if each.state == "COMPLETE"]
    raced = [each for each in trials if each.state == "PRUNED"]
    enough = [*complete[:LEAST_COMPLETE], *raced]
    assert importances(enough[1:], "a") == []
    assert importances(enough[: LEAST_TRIED - 1], "a") == []
    assert importances(enough, "a")


def test_other_approaches_stages_and_failures_do_not_count(trials):
    more = [
        trial(99, 0.99, approach="other"),
        trial(99, 0.99, stage="confirm"),
        trial(99, 0.99, "FAIL"),
        trial(99, 0.99, "RUNNING"),
    ]
    assert importances([*trials, *more], "a") == importances(trials, "a")


def test_a_search_by_optuna_finds_what_matters_too(journal):
    pretended.finish(pretended.search(journal, num_samples=20, racing=None))
    assert importances(journal.trials(), "a")[0].param == "x"

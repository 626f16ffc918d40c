"""Racing decides as Optuna's `WilcoxonPruner` does, which asks its study for the best trial each time.

Scores are of powers of two images, whose differences are exact; with others the pruner ranks errors of subtraction.
"""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.pruners import WilcoxonPruner
from scipy.stats import wilcoxon

from sweeps.stages.racing import Racing, p_of_less


@pytest.mark.parametrize("images", [8, 32, 1024, None])
def test_as_optuna_s_pruner_with_ties_zeros_and_seeds_that_only_one_has(images):
    """Scores of few images are often equal, and so are their differences."""
    rng = np.random.default_rng(images)
    decided = []
    for _ in range(40):
        count, own_count = rng.integers(1, 10, 2)
        scores = 0.8 + 0.03 * rng.normal(size=(2, 13)) + [[0.0], [rng.normal(-0.03, 0.02)]]
        scores = scores if images is None else np.round(scores * images) / images
        best, own = dict(enumerate(scores[0, :count].tolist())), dict(enumerate(scores[1, :own_count].tolist()))
        study = optuna.create_study(
            direction="maximize", pruner=WilcoxonPruner(p_threshold=Racing().p, n_startup_steps=1)
        )
        for values, value in ((best, 0.5), ({0: 1.0}, 0.4)):
            first = study.ask()
            for step, score in values.items():
                first.report(score, step)
            study.tell(first, value)
        trial = study.ask()
        for step, score in own.items():
            trial.report(score, step)
        decided.append(trial.should_prune())
        assert Racing().is_worse(own, best) == decided[-1], (own, best)
    assert 0 < sum(decided) < 40


@pytest.mark.parametrize("images", [20, 30, 1000])
def test_equal_differences_are_ties_whatever_their_last_digits(images):
    rng = np.random.default_rng(images)
    differ = 0
    for _ in range(300):
        hits = np.round(images * (0.8 + 0.03 * rng.normal(size=(2, 9)))).astype(int)
        hits[0] += 1
        counted = p_of_less((hits[1] - hits[0]).astype(float)) < Racing().p and hits[1].sum() < hits[0].sum()
        own, best = dict(enumerate((hits[1] / images).tolist())), dict(enumerate((hits[0] / images).tolist()))
        assert Racing().is_worse(own, best) == counted
        differ += p_of_less(hits[1] / images - hits[0] / images) != p_of_less((hits[1] - hits[0]) / 1.0)
    assert differ > 3


@pytest.mark.parametrize("images", [20, 30, 1000])
def test_equal_means_are_equal_whatever_their_last_digits(images):
    """One of nine seeds makes good what the others lose, so that signs alone would stop it."""
    for first in range(1, images - 9):
        best = np.arange(9) % 3 + first
        own = best - np.array([1] * 8 + [-8])
        assert not Racing().is_worse(
            dict(enumerate((own / images).tolist())), dict(enumerate((best / images).tolist()))
        )


@pytest.mark.parametrize("count", [2, 3, 5, 9, 14, 40, 60])
def test_p_is_scipy_s_to_the_bit(count):
    rng = np.random.default_rng(count)
    for spread in (1, 3, 1000):
        differences = rng.integers(-spread, spread + 1, count) / 100
        expected = wilcoxon(differences, alternative="less", zero_method="zsplit").pvalue if differences.any() else None
        if expected is not None:
            assert p_of_less(differences) == expected


def test_what_is_not_finite_and_what_has_one_seed_is_never_stopped():
    best = dict.fromkeys(range(9), 0.9)
    worse = dict.fromkeys(range(9), 0.5)
    assert Racing().is_worse(worse, best)
    assert not Racing().is_worse(worse | {3: float("nan")}, best)
    assert not Racing().is_worse({0: 0.5}, best)
    assert not Racing().is_worse(worse, {})

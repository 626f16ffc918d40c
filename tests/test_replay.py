"""Replayed searches come to what real ones do, with real Optuna, a real journal and made-up results."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.samplers import RandomSampler
from scipy import stats

import pretended
from sweeps.core.seeds import further_search_seeds, search_seeds
from sweeps.stages.racing import Racing
from sweeps.stages.ranking import best_complete
from sweeps.stages.sampling import tpe
from sweeps.store.journal import Journal
from sweeps.store.trials import SEARCH
from trainables.parts.results import packed

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import replay
import surrogate
import surrogate_benchmark as benchmark
from tables import Table, read_tables, scored_on_fewer


def as_table(accuracies, params=None):
    """Of an approach whose seeds take a second."""
    configurations, seeds = accuracies.shape
    return Table(
        approach="a",
        params=params or ({},) * configurations,
        seeds=tuple(range(seeds)),
        accuracies=accuracies,
        seconds=np.ones(accuracies.shape),
        images=1000,
    )


@pytest.mark.parametrize(("number", "tied"), [(3, 20), (5, 20), (9, 5), (12, 1), (15, 20), (19, 20)])
def test_wilcoxon_s_p_values_are_those_of_scipy_with_ties_and_zeros(number, tied):
    rng = np.random.default_rng(number)
    some = rng.integers(-3, 3, (tied, number)), rng.normal(size=(5, number)), np.zeros((int(number < 10), number))
    differences = np.concatenate(some)
    scipys = [stats.wilcoxon(each, alternative="less", zero_method="zsplit").pvalue for each in differences]
    assert replay.wilcoxon(differences) == pytest.approx(np.array(scipys), abs=1e-12)


@pytest.mark.parametrize(
    ("racing", "seeds"), [(Racing(), 10), (Racing(p=0.3, prior=1.0, first=2, growth=1.5, rivals=1), 8)]
)
def test_a_replayed_search_stops_and_hands_on_what_the_real_one_does(tmp_path, monkeypatch, racing, seeds):
    def accuracy(params, seed):
        """In hundredths, so that ties and zeros are frequent."""
        own = np.random.default_rng([seed, zlib.crc32(str(params).encode())]).normal(0, 0.03)
        return round(0.85 - (params["x"] - 0.8) ** 2 / 5 + own, 2)

    monkeypatch.setattr(pretended, "accuracy", accuracy)

    def trials(name, racing):
        journal = Journal(tmp_path / name, write=True)
        how = {"num_samples": 20, "seeds": seeds, "racing": racing}
        # It does not look at what came before, so that both searches have the same configurations.
        pretended.finish(
            pretended.search(journal, sampler=lambda seed, name, number: RandomSampler(seed=number), **how)
        )
        found = journal.trials()
        journal.close()
        return found

    plain, raced = trials("plain", None), trials("raced", racing)
    scores = np.array([trial.scores for trial in plain])
    for found, rule in ((plain, None), (raced, replay.Rule(racing=racing))):
        again = replay.replayed(scores[None], rule)
        assert again.ran[0].tolist() == [len(trial.results) for trial in found]
        assert again.best[0] == best_complete(found, "a").number
    assert len({len(trial.results) for trial in raced}) > 2


def test_the_best_three_are_told_apart_by_all_their_seeds():
    """Against the plainest way to say it; some searches have fewer complete ones."""
    rng = np.random.default_rng(0)
    scores, further = rng.normal(size=(30, 12, 5)), rng.normal(size=(30, 12, 4))
    ran = np.where(rng.random((30, 12)) < 0.3, 5, 2)
    ran[:, 0] = 5
    chosen, met = replay.with_more_seeds(scores, further, ran, 3)
    for search in range(30):
        complete = [number for number in range(12) if ran[search, number] == 5]
        best = sorted(complete, key=lambda number: -scores[search, number].mean())[:3]
        both = [np.concatenate([scores[search, number], further[search, number]]).mean() for number in best]
        assert (chosen[search], met[search]) == (best[int(np.argmax(both))], len(best))
    assert len(set(met.tolist())) > 1


def test_drawn_searches_begin_at_the_start_and_their_truth_is_of_other_seeds():
    # The seed's number itself is its accuracy, and a configuration adds a thousand.
    accuracies = 1000.0 * np.arange(30)[:, None] + np.arange(40)
    table = as_table(accuracies)
    found = replay.drawn(table, 20, configurations=20, seeds=10, fresh=5, rng=np.random.default_rng(0))
    assert (found.scores[:, 0] < 1000).all()
    assert all(len(np.unique(each // 1000)) == 20 for each in found.scores[:, :, 0])
    assert (np.ptp(found.scores % 1000, axis=1) == 0).all()
    together = found.scores.sum(axis=2) + found.fresh.sum(axis=2) + 25 * found.truth
    of_configuration = 1000 * (found.scores[:, :, 0] // 1000)
    assert together == pytest.approx(40 * of_configuration + sum(range(40)))


def test_searches_that_are_scored_on_few_images_are_judged_by_all(tmp_path):
    """Images of the first class are always right; of the second one half is."""
    hits = np.r_[np.ones(20, bool), np.arange(20) % 2 == 0]
    rows = [
        {
            **{"approach": "a", "configuration": number, "params": f'{{"x": {number}}}', "seed": seed},
            **{"accuracy": hits.sum(), "images": 40, "seconds": 1.0, "hits": packed(hits)},
        }
        for number in range(5)
        for seed in range(30)
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "table.parquet")
    table = read_tables(tmp_path / "table.parquet")["a"]
    every, few = scored_on_fewer(tmp_path / "table.parquet", table, [20, 4])
    assert (table.images, every.images, few.images) == (40, 40, 8)
    assert (table.accuracies == 75).all()
    assert (every.accuracies == 75).all()
    # Four of the first class are right, and none to four of the second; on each seed the same ones are scored.
    assert set(np.unique(few.accuracies).tolist()) <= {50, 62.5, 75, 87.5, 100}
    assert len(np.unique(few.accuracies)) > 2
    assert (few.accuracies == few.accuracies[0]).all()
    with pytest.raises(SystemExit, match=r"Expected at most 20 images of each class, which .* has; got 21"):
        next(scored_on_fewer(tmp_path / "table.parquet", table, [4, 21]))
    pd.DataFrame(rows).drop(columns="hits").to_parquet(tmp_path / "without.parquet")
    with pytest.raises(SystemExit, match="Expected a table with hits"):
        next(scored_on_fewer(tmp_path / "without.parquet", table, [4]))
    how = {"configurations": 4, "seeds": 10, "judged": table, "rng": np.random.default_rng(0)}
    found = replay.drawn(few, 6, **how)
    assert (found.truth == 75).all()
    assert (found.scores != 75).any()


def test_a_concentrated_search_draws_better_ones_after_its_startup():
    accuracies = np.tile(80 + np.arange(100)[:, None] / 10, 20) + np.zeros((100, 20))
    table = as_table(accuracies)
    truth = replay.drawn(table, 200, configurations=30, concentrated=True, rng=np.random.default_rng(0)).truth
    assert truth[:, 1:10].mean() == pytest.approx(85, abs=0.3)
    assert truth[:, 10:].mean() > 88


def test_a_search_on_a_surrogate_tries_what_the_real_one_does(tmp_path, monkeypatch):
    def accuracy(params, seed):
        own = np.random.default_rng([seed, zlib.crc32(str(params).encode())]).normal(0, 0.03)
        return round(0.85 - (params["x"] - 0.8) ** 2 / 5 + own, 2)

    def suggest(trial):
        """So coarse that there are repeats."""
        trial.suggest_float("x", 0.0, 1.0, step=0.1)
        trial.suggest_categorical("kind", ["plain", "odd"])

    monkeypatch.setattr(pretended, "accuracy", accuracy)
    monkeypatch.setattr(pretended, "suggest", suggest)
    journal = Journal(tmp_path / "sweep", write=True)
    pretended.finish(pretended.search(journal, num_samples=18, sampler=tpe))
    pretended.finish(pretended.intensify(journal))
    real = [trial for trial in journal.trials() if trial.stage == SEARCH]
    best = best_complete(journal.trials(), "a")
    journal.close()

    def answer(params, search_seed):
        seeds = [*search_seeds(search_seed, 10), *further_search_seeds(search_seed, 10)]
        return 0.0, np.array([accuracy(params, seed) for seed in seeds]), 1.0

    found = benchmark.searched(pretended.approach(), answer, benchmark.METHODS["TPE"], 0, 18)
    distinct = [trial for trial in real if trial.state != "REPEAT"]
    assert len(distinct) < len(real)
    assert found.params == [trial.params for trial in distinct]
    assert found.ran.tolist() == [len(trial.results) for trial in distinct]
    assert found.params[found.handed_on(18)] == best.params
    assert found.within(found.spent(12)) == 12


def made_up_table():
    """Configurations that differ in x alone, and errors that are half those of all."""
    rng = np.random.default_rng(0)
    x = [0.5, *rng.random(59)]
    accuracies = 80 - 30 * (np.array(x)[:, None] - 0.8) ** 2 + rng.normal(0, 2, 40) + rng.normal(0, 2, (60, 40))
    params = tuple({"x": float(each), "kind": "plain"} for each in x)
    return as_table(accuracies, params)


def test_a_surrogate_ranks_and_errs_as_its_table_does(monkeypatch):
    monkeypatch.setattr(surrogate, "TREES", 40)
    good = surrogate.quality(pretended.approach(), made_up_table())
    assert good.rank_correlation > 0.9
    assert good.sd[1] == pytest.approx(good.sd[0], rel=0.1)
    assert good.correlation[1] == pytest.approx(good.correlation[0], abs=0.1)


def test_the_portfolio_takes_what_adds_most_to_what_it_has():
    # Three kinds of images, a quarter of the seeds hard; the second is as good as the first and adds nothing.
    accuracies = np.repeat([[80.0, 50, 50], [80, 50, 50], [50, 90, 50], [50, 50, 60]], 10, axis=1)
    table = as_table(accuracies, tuple({"x": number} for number in range(4)))
    assert benchmark.chosen(table, 1) == [{"x": 2}]

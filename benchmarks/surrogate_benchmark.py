"""Samplers, and where a search starts: which of them pays, by searches replayed on a surrogate of real results.

python benchmarks/surrogate_benchmark.py [--tables FILE ...] [--approaches ...] [--searches 100] [--slow 10]
    [--configurations 50]

Searches of so many configurations x 10 seeds by the real samplers, each asked as a sweep asks it and raced as a sweep
races, and whose best three meet ten seeds more, with the answers of `surrogate.py` in place of training. Optuna 5 has
no AutoSampler (OptunaHub has it, which this project does not install). The methods:

- random, as sweeps have it; TPE (`--sampler tpe`). Neither repeats a configuration: what was tried is asked anew, as
  in a sweep.
- fair: the sampler is told of a configuration that was stopped early as of a complete one, with the mean of its seeds
  less what makes those seeds easy or hard (for complete ones). Otherwise TPE ranks all that were stopped below all that
  are complete, by how far they came and then by their last seed; a Gaussian process does not see them.
- GP: Optuna's GPSampler for an objective with noise. It is slow, so fewer searches.
- before: sweeps as they were once: TPE, raced by Wilcoxon's test, and the best by its ten seeds alone is handed on.
- portfolio: after the start come settings of the table, chosen greedily on half of its seeds: each next one adds most
  to the mean, over blocks of ten seeds, of the best of those chosen. Everything else is of the other half.

The truth is the surrogate's mean. Regret is that of the best configuration that any search or 5000 random draws met,
less that of what is handed on, in points; optimism is the mean by which it was ranked less its truth. Cost is in runs
of ten seeds, and in CPU seconds of seeds and sampler, with the ten seeds more. Each search is paired with the random
one of the same search seed, as far as that came in the same CPU seconds; intervals of 95 % are over searches, not over
tables.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import optuna
from make_table import APPROACHES
from optuna.samplers import BaseSampler, GPSampler
from optuna.trial import TrialState
from replay import Rule, is_losing, replayed, with_interval
from searching import quiet
from surrogate import fitted, key, quality
from tables import NETWORKS, TABLE, Table, read_all

from sweeps.core.challenge import Approach
from sweeps.stages.racing import Racing
from sweeps.stages.repeats import MOST_REPEATS_IN_A_ROW, REPEATS_UNTIL_RANDOM
from sweeps.stages.sampling import at_random, sampler_seed, tpe
from sweeps.views.text_table import aligned

SEEDS = 10
# As many of the best meet as many seeds more.
FINALISTS = 3
RULE = Rule(racing=Racing())
RULE_BEFORE = Rule(racing=Racing(p=0.2, first=3, rivals=1), test="wilcoxon")
PORTFOLIO = 6
# Searches at random have so many times as many configurations, to be compared with methods that cost more.
LONGER = 3
DRAWS = 5000
# A surrogate that ranks worse says nothing of searches.
LEAST_RANK_CORRELATION = 0.5


def gp(search_seed: int, approach: str, number: int) -> BaseSampler:
    """A Gaussian process, made anew for each configuration as in a sweep, so that resuming changes nothing."""
    return GPSampler(
        seed=sampler_seed(search_seed, approach, number),
        n_startup_trials=10,
        deterministic_objective=False,
        warn_independent_sampling=False,
    )


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to search.

    Attributes:
        sampler: As a sweep asks it.
        fair: Whether the sampler is told of stopped configurations as of complete ones.
        portfolio: Whether the portfolio comes after the start.
        is_slow: Whether there are fewer searches.
        rule: By which configurations are stopped.
        finalists: How many of the best meet ten seeds more; none for 0.
    """

    sampler: Callable[[int, str, int], BaseSampler]
    fair: bool = False
    portfolio: bool = False
    is_slow: bool = False
    rule: Rule = RULE
    finalists: int = FINALISTS


RANDOM = "random"
METHODS = {
    RANDOM: Method(sampler=at_random),
    "before": Method(sampler=tpe, rule=RULE_BEFORE, finalists=0),
    "TPE": Method(sampler=tpe),
    "TPE, fair": Method(sampler=tpe, fair=True),
    "portfolio, random": Method(sampler=at_random, portfolio=True),
    "portfolio, TPE": Method(sampler=tpe, portfolio=True),
    "portfolio, TPE, fair": Method(sampler=tpe, portfolio=True, fair=True),
    "GP": Method(sampler=gp, is_slow=True),
    "GP, fair": Method(sampler=gp, fair=True, is_slow=True),
    "portfolio, GP, fair": Method(sampler=gp, fair=True, portfolio=True, is_slow=True),
}


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """A search of C configurations, in the order in which they were tried.

    Attributes:
        params: Of each.
        truth: (C,), in points.
        said: (C,), the mean of its seeds, in points; minus infinity for one that was stopped.
        ranked_by: (C,), what finalists are ranked by, in points: the mean of these and of ten seeds more; without
            finalists, of these.
        ran: (C,), seeds of the search.
        seconds: (C,), CPU seconds of its seeds.
        sampler_seconds: (C,), CPU seconds of asking for it, repeats before it included.
        most_finalists: How many of the best meet ten seeds more.
    """

    params: list[dict[str, Any]]
    truth: np.ndarray
    said: np.ndarray
    ranked_by: np.ndarray
    ran: np.ndarray
    seconds: np.ndarray
    sampler_seconds: np.ndarray
    most_finalists: int

    def finalists(self, number: int) -> np.ndarray:
        """The numbers of the best few of the first so many."""
        best = np.argsort(-self.said[:number], kind="stable")[: self.most_finalists]
        return best[np.isfinite(self.said[best])]

    def handed_on(self, number: int) -> int:
        """The number of the best finalist of the first so many, by all its seeds; of the best one without finalists."""
        finalists = self.finalists(number)
        if not len(finalists):
            return int(self.said[:number].argmax())
        return int(finalists[self.ranked_by[finalists].argmax()])

    def spent(self, number: int) -> float:
        """CPU seconds of the first so many, and of their finalists' further seeds."""
        finalists = self.finalists(number)
        more = SEEDS * self.seconds[finalists] / self.ran[finalists]
        return float((self.seconds + self.sampler_seconds)[:number].sum() + more.sum())

    def within(self, seconds: float) -> int:
        """How many it can have tried in so many CPU seconds; one at least."""
        return max((number for number in range(1, 1 + len(self.said)) if self.spent(number) <= seconds), default=1)


def searched(
    approach: Approach,
    answer: Callable[[Mapping[str, Any], int], tuple[float, np.ndarray, float]],
    method: Method,
    search_seed: int,
    number: int,
    portfolio: Sequence[Mapping[str, Any]] = (),
) -> Trajectory:
    """A search of so many distinct configurations; fewer if the space has no more.

    Args:
        approach: Whose space is searched.
        answer: The truth of a configuration, its scores on the search's seeds and on ten more, and CPU seconds a seed.
        method: How.
        search_seed: Starts the sampler's draws, and goes to `answer`.
        number: How many configurations.
        portfolio: What comes after the approach's start, if the method has it.
    """
    study = optuna.create_study(direction="maximize")
    starts = [approach.start] if approach.start is not None else []
    for params in [*starts, *(portfolio if method.portfolio else ())]:
        study.enqueue_trial(dict(params))
    found: list[tuple[dict[str, Any], float, float, float, int, float, float]] = []
    tried: set[str] = set()
    # The scores of complete configurations.
    complete: list[np.ndarray] = []
    asked = repeats = 0
    sampler_seconds = 0.0
    while len(found) < number and repeats < MOST_REPEATS_IN_A_ROW:
        begin = time.process_time()
        sampler = at_random if repeats >= REPEATS_UNTIL_RANDOM else method.sampler
        study.sampler = sampler(search_seed, approach.name, asked)
        trial = study.ask()
        approach.suggest(trial)
        sampler_seconds += time.process_time() - begin
        asked += 1
        name = json.dumps(trial.params, sort_keys=True)
        if name in tried:
            study.tell(trial, state=TrialState.FAIL)
            repeats += 1
            continue
        tried.add(name)
        repeats = 0
        truth, all_scores, seconds = answer(trial.params, search_seed)
        scores = all_scores[:SEEDS]
        ran = _seeds_run(scores, complete, method.rule) if complete else len(scores)
        for at, score in enumerate(scores[:ran]):
            trial.report(score, step=at)
        said = -np.inf
        if ran == len(scores):
            said = float(scores.mean())
            study.tell(trial, said)
            complete.append(scores)
        elif method.fair:
            study.tell(trial, float(scores[:ran].mean() - _difficulty(complete, ran)))
        else:
            study.tell(trial, state=TrialState.PRUNED)
        ranked_by = float((all_scores if method.finalists else scores).mean())
        found.append((trial.params, truth, said, ranked_by, ran, seconds * ran, sampler_seconds))
        sampler_seconds = 0.0
    params, *columns = zip(*found, strict=True)
    names = ("truth", "said", "ranked_by", "ran", "seconds", "sampler_seconds")
    arrays = dict(zip(names, map(np.array, columns), strict=True))
    return Trajectory(params=list(params), most_finalists=method.finalists, **arrays)


def _seeds_run(scores_N: np.ndarray, complete: Sequence[np.ndarray], rule: Rule) -> int:
    looks = rule.racing.looks(len(scores_N))
    rivals = np.array(sorted(complete, key=lambda scores: -scores.mean())[: rule.racing.rivals])[None]
    return next((look for look in looks if is_losing(scores_N[None, :look], rivals, rule)[0]), len(scores_N))


def _difficulty(complete: Sequence[np.ndarray], seeds: int) -> float:
    """How much easier the first so many seeds are than all, for complete configurations."""
    scores = np.array(complete)
    return float(scores[:, :seeds].mean() - scores.mean())


def chosen(table: Table, size: int = PORTFOLIO, blocks: int = 500) -> list[dict[str, Any]]:
    """So many settings of a table that go best with its first one, by greedy choice."""
    rng = np.random.default_rng(0)
    seeds = np.array([rng.permutation(len(table.seeds))[:SEEDS] for _ in range(blocks)])
    means_CB = table.accuracies[:, seeds].mean(axis=2)
    best_B, numbers = means_CB[0], []
    for _ in range(size):
        numbers.append(int(np.maximum(means_CB, best_B).mean(axis=1).argmax()))
        best_B = np.maximum(best_B, means_CB[numbers[-1]])
    return [table.params[number] for number in numbers]


def _search(approach: str, tables: tuple[Path, ...], method: str, search_seed: int, number: int) -> Trajectory:
    quiet()
    surrogate, other_half = fitted(approach, tables)
    seeds = np.random.default_rng(search_seed).integers(surrogate.deviations.shape[1], size=2 * SEEDS)

    def answer(params: Mapping[str, Any], search_seed: int) -> tuple[float, np.ndarray, float]:
        found = surrogate(params)
        return found.mean, found.scores(seeds, key(params)), found.seconds

    number = round(LONGER * number) if method == RANDOM else number
    portfolio = chosen(other_half) if METHODS[method].portfolio else ()
    return searched(APPROACHES[approach], answer, METHODS[method], search_seed, number, portfolio)


def _best_known(approach: str, tables: tuple[Path, ...], searches: Mapping[str, Sequence[Trajectory]]) -> float:
    surrogate, _ = fitted(approach, tables)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    best = max(float(each.truth.max()) for of_method in searches.values() for each in of_method)
    for _ in range(DRAWS):
        trial = study.ask()
        APPROACHES[approach].suggest(trial)
        best = max(best, surrogate(trial.params).mean)
    return best


def _row(
    name: str, searches: Sequence[Trajectory], random_ones: Sequence[Trajectory], best: float, number: int
) -> dict[str, str]:
    ends = [(each, each.handed_on(number)) for each in searches]
    truth = np.array([each.truth[end] for each, end in ends])
    said = np.array([each.ranked_by[end] for each, end in ends])
    spent = np.array([each.spent(number) for each in searches])
    runs = [each.ran[:number].sum() / SEEDS + len(each.finalists(number)) for each in searches]
    rivals = [(each, each.handed_on(each.within(seconds))) for each, seconds in zip(random_ones, spent, strict=False)]
    rival_truth = np.array([each.truth[end] for each, end in rivals])
    optimism = said - truth
    rival_optimism = np.array([each.ranked_by[end] for each, end in rivals]) - rival_truth
    return {
        "method": name,
        "searches": str(len(searches)),
        "runs of ten": f"{np.mean(runs):.1f}",
        "CPU s": f"{spent.mean():.1f}",
        "of the sampler": f"{np.mean([each.sampler_seconds[:number].sum() for each in searches]):.1f}",
        "regret": with_interval(best - truth),
        "less random's": "" if name == RANDOM else with_interval(rival_truth - truth),
        "optimism": with_interval(optimism),
        "its difference": "" if name == RANDOM else with_interval(optimism - rival_optimism),
    }


def _check(table: Table, cross_validated: np.ndarray, number: int) -> list[dict[str, str]]:
    """Random search among the table's own configurations, with real scores and with the surrogate's."""
    rows = []
    for name, scores_CS in (("the table", table.accuracies), ("the surrogate", cross_validated)):
        rng = np.random.default_rng(0)
        numbers = np.array([[0, *(1 + rng.permutation(len(scores_CS) - 1))[: number - 1]] for _ in range(1000)])
        seeds = rng.integers(scores_CS.shape[1], size=(1000, 1, SEEDS))
        scores = scores_CS[numbers[:, :, None], seeds]
        raced = replayed(scores, RULE)
        at = np.arange(1000)
        truth = scores_CS.mean(axis=1)[numbers[at, raced.best]]
        rows.append(
            {
                "answers of": name,
                "handed on": with_interval(truth),
                "regret": with_interval(scores_CS.mean(axis=1).max() - truth),
                "optimism": with_interval(scores[at, raced.best].mean(axis=1) - truth),
                "runs of ten": f"{raced.ran.sum(axis=1).mean() / SEEDS:.1f}",
            }
        )
    return rows


def main() -> None:
    """Replay, and print the tables."""
    asked = _asked()
    length = asked.configurations
    quiet()
    paths = tuple(asked.tables)
    tables = read_all(paths)
    for name in asked.approaches or tables:
        table = tables[name]
        good = quality(APPROACHES[name], table.half(1))
        print(
            f"\n{name}: {len(table.params)} configurations x {len(table.seeds)} seeds; surrogate, cross-validated: "
            f"R2 {good.r2:.2f}, rank correlation {good.rank_correlation:.2f}; really and by the surrogate: "
            f"sd over seeds {good.sd[0]:.1f} and {good.sd[1]:.1f}, "
            f"correlation of two configurations {good.correlation[0]:.2f} and {good.correlation[1]:.2f}"
        )
        print(f"\n{aligned(_check(table.half(1), good.scores, length), left=('answers of',))}\n", flush=True)
        if good.rank_correlation < LEAST_RANK_CORRELATION:
            print("left out, since that says nothing of searches")
            continue
        counts = {each: asked.slow if METHODS[each].is_slow else asked.searches for each in asked.methods}
        jobs = [(each, search_seed) for each in asked.methods for search_seed in range(counts[each])]
        found = joblib.Parallel(n_jobs=asked.processes, batch_size=1)(
            joblib.delayed(_search)(name, paths, each, search_seed, length) for each, search_seed in jobs
        )
        searches = {each: [one for (of, _), one in zip(jobs, found, strict=True) if of == each] for each in counts}
        best = _best_known(name, paths, searches)
        print(f"best known {best:.2f}\n")
        rows = [_row(each, of_method, searches[RANDOM], best, length) for each, of_method in searches.items()]
        print(aligned(rows, left=("method",)))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--tables", nargs="+", type=Path, default=[TABLE, NETWORKS], help="made by make_table.py")
    parser.add_argument("--approaches", nargs="+", default=None, help="those of the tables; default all")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS), help="beside random")
    parser.add_argument("--searches", type=int, default=100, help="replayed of each method")
    parser.add_argument("--slow", type=int, default=10, help="replayed of each method with a Gaussian process")
    parser.add_argument("--configurations", type=int, default=50, help="of a search")
    parser.add_argument("--processes", type=int, default=joblib.cpu_count(), help="searches at the same time")
    asked = parser.parse_args()
    asked.methods = [RANDOM, *(each for each in asked.methods if each != RANDOM)]
    return asked


if __name__ == "__main__":
    main()

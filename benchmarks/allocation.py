"""What an adaptive allocation saves and what it loses: whole sweeps replayed, with all their approaches, by many rules.

python benchmarks/allocation.py [--searches 400]

Two kinds of sweeps are replayed, each on common seeds and raced as `replay.py` does it.

1. Of real sweeps (`make_searches.py`; 50 configurations x 10 seeds of each approach, raced). True means are drawn from
   what the seeds leave possible: for each approach, the distribution of true means that makes its noisy ones likeliest
   (Kiefer and Wolfowitz 1956), given each configuration's own mean and noise. New seeds are random combinations of the
   real ones' deviations, which keeps who errs together with whom. The start comes first; the other nine at random and
   those by TPE are shuffled apart, so that searches get better as they did.
2. Of the table of real results (`make_table.py`), where true means are known: eight "approaches", each 50 of one
   approach's 150 configurations, that differ by random offsets (sd 1 point), on random seeds.

Each approach's best complete configuration then meets 50 fresh seeds, whose mean names the winner.

- CPU: seconds of all searches, as a share of those of 50 configurations each.
- same: how often the same approach wins as with 50 each.
- regret: true mean of the winner with 50 each, less that of this one's, in points, with its 95 % interval.
- of each: the same, of every approach's own best configuration; the mean and the worst approach's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from make_searches import SEARCHES
from replay import Rule, replayed, with_interval
from tables import TABLE, read_tables

from sweeps.analysis.optimism import additive
from sweeps.stages.allocation import Allocation, Standing, standing
from sweeps.stages.racing import Racing
from sweeps.views.text_table import aligned

CONFIGURATIONS, SEEDS, FRESH = 50, 10, 50
# Configurations of a real search that the sampler drew at random, its start among them.
STARTUP = 10
BASELINE = "pixel_baseline"
# Those that lead challenge 1 from their start on: without them the winner is found late.
EARLY = ("cnn_hog", "cnn_ensemble")


@dataclass(frozen=True, kw_only=True)
class Searched:
    """One approach in R sweeps of C configurations on N seeds; in points.

    Attributes:
        truth: (R, C).
        fresh: (R, C), what fresh seeds would say of each.
        scores: (R, C, N), of the search's seeds.
        ran: (R, C), after how many of them racing stopped each.
        seconds: (R, C), CPU seconds of what ran.
    """

    truth: np.ndarray
    fresh: np.ndarray
    scores: np.ndarray
    ran: np.ndarray
    seconds: np.ndarray

    def best(self, given_R: np.ndarray) -> np.ndarray:
        """The best complete one (R,) of the first so many."""
        means = np.where(self.ran == self.scores.shape[2], self.scores.mean(axis=2), -np.inf)
        return np.where(np.arange(means.shape[1]) < given_R[:, None], means, -np.inf).argmax(axis=1)


# The sweeps of one kind by approach; and what a rule says of one of them: the configurations of each approach.
Sweeps = Mapping[str, Searched]
Rounds = Mapping[str, Mapping[int, np.ndarray]]
Give = Callable[[Rounds], Mapping[str, int]]


def _searched(truth: np.ndarray, fresh: np.ndarray, scores: np.ndarray, seconds_of_seed: np.ndarray) -> Searched:
    ran = replayed(scores, Rule(racing=Racing())).ran
    return Searched(truth=truth, fresh=fresh, scores=scores, ran=ran, seconds=ran * seconds_of_seed)


def of_real_sweep(
    table: pd.DataFrame, sweeps: int, configurations: int, rng: np.random.Generator
) -> dict[str, Searched]:
    """Sweeps like this one; more configurations than it had are drawn from its late ones, with other true means."""
    deviations_RNS = rng.normal(size=(sweeps, SEEDS, SEEDS)) / np.sqrt(SEEDS - 1)
    fresh_RS = rng.normal(size=(sweeps, SEEDS)) / np.sqrt((SEEDS - 1) * FRESH)
    found = {}
    for name in table.approach.unique():
        own = table[table.approach == name].assign(percent=lambda rows: 100 * rows.accuracy.astype(float) / rows.images)
        scores_CS = own.pivot(index="configuration", columns="seed", values="percent").to_numpy()
        seconds_C = own.groupby("configuration").seconds.mean().to_numpy()
        grid, likely_CG, difficulty_S, noise_CS = _possible(scores_CS)
        order = np.array([_order(len(scores_CS), configurations, rng) for _ in range(sweeps)])
        drawn = (likely_CG.cumsum(axis=1)[order] < rng.random(order.shape)[..., None]).sum(axis=2)
        truth = grid[np.minimum(drawn, len(grid) - 1)]
        errors = noise_CS[order]
        found[name] = _searched(
            truth,
            truth + (fresh_RS @ difficulty_S)[:, None] + np.einsum("rcs,rs->rc", errors, fresh_RS),
            truth[..., None] + (deviations_RNS @ difficulty_S)[:, None] + errors @ deviations_RNS.swapaxes(1, 2),
            seconds_C[order],
        )
    return found


def _order(had: int, wanted: int, rng: np.random.Generator) -> np.ndarray:
    late = STARTUP + rng.permutation(had - STARTUP)
    more = rng.integers(STARTUP, had, size=max(wanted - had, 0))
    return np.concatenate([[0], 1 + rng.permutation(STARTUP - 1), late, more])[:wanted]


def _possible(scores_CS: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """True means (G,), how likely each is for each configuration (C, G), and deviations by seed: of all, of each."""
    mean_C, difficulty_S = additive(scores_CS)
    ran_C = (~np.isnan(scores_CS)).sum(axis=1)
    noise_CS = np.nan_to_num(scores_CS - mean_C[:, None] - difficulty_S)
    noise_CS *= np.sqrt((scores_CS.shape[1] - 1) / np.maximum(ran_C - 1, 1))[:, None]
    # One seed shows no noise: it has that of one that ran longer.
    noisy = np.flatnonzero(ran_C > 1)
    noise_CS = noise_CS[np.where(ran_C > 1, np.arange(len(ran_C)), noisy[np.arange(len(ran_C)) % len(noisy)])]
    own_C = (noise_CS**2).sum(axis=1) / (scores_CS.shape[1] - 1)
    # Few seeds say little of their noise: the others' counts as three more.
    variance_C = ((ran_C - 1) * own_C + 3 * np.average(own_C, weights=ran_C - 1)) / (ran_C + 2)
    error_C = np.sqrt(variance_C / ran_C)[:, None]
    grid = np.linspace(mean_C.min() - 1, mean_C.max() + 1, 200)
    given_CG = np.exp(-0.5 * ((mean_C[:, None] - grid) / error_C) ** 2) / error_C
    share_G = np.full(len(grid), 1 / len(grid))
    for _ in range(300):
        likely_CG = given_CG * share_G
        likely_CG /= likely_CG.sum(axis=1, keepdims=True)
        share_G = likely_CG.mean(axis=0)
    return grid, likely_CG, difficulty_S, noise_CS


def of_table(
    accuracies_CS: np.ndarray, sweeps: int, rng: np.random.Generator, approaches: int = 8
) -> dict[str, Searched]:
    """Sweeps of made-up approaches, each 50 of the table's configurations with an offset of its own."""
    available = accuracies_CS.shape[1]
    seeds = np.array([rng.permutation(available) for _ in range(sweeps)])
    whole = accuracies_CS.mean(axis=1)
    found = {}
    for at in range(approaches):
        offset = rng.normal(size=sweeps)
        own = np.array([1 + rng.permutation(len(accuracies_CS) - 1)[:CONFIGURATIONS] for _ in range(sweeps)])
        scores = accuracies_CS[own[..., None], seeds[:, None, :SEEDS]] + offset[:, None, None]
        fresh = accuracies_CS[own[..., None], seeds[:, None, SEEDS : SEEDS + FRESH]].mean(axis=2) + offset[:, None]
        found[f"made up {at}"] = _searched(whole[own] + offset[:, None], fresh, scores, np.ones(own.shape))
    return found


def even(configurations: int) -> Give:
    """As many for each."""
    return lambda rounds: dict.fromkeys(rounds, configurations)


def adaptive(allocation: Allocation, most: int = CONFIGURATIONS) -> Give:
    """What a sweep does."""

    def give(rounds: Rounds) -> Mapping[str, int]:
        bests = {
            name: {after: dict(enumerate(scores)) for after, scores in best.items()} for name, best in rounds.items()
        }
        found: Standing = standing(allocation, most, bests, kept=[BASELINE])
        return {name: found.behind.get(name, most) for name in rounds}

    return give


def halving(share: float, first: int, most: int = CONFIGURATIONS) -> Give:
    """By rank: this share of the approaches goes on."""

    def give(rounds: Rounds) -> Mapping[str, int]:
        given, inside = dict.fromkeys(rounds, most), list(rounds)
        for after in Allocation(first=first).rounds(most):
            inside.sort(key=lambda name: -rounds[name][after].mean())
            going_on = int(np.ceil(share * len(inside)))
            given |= {name: after for name in inside[going_on:] if name != BASELINE}
            inside = inside[:going_on]
        return given

    return give


RULES: Mapping[str, Give] = {
    "50 each": even(50),
    "25 each": even(25),
    "20 each": even(20),
    "best half by rank after 12, 24": halving(0.5, 12),
    "best quarter by rank after 12, 24": halving(0.25, 12),
    "p < .2 after 12, 24, 48": adaptive(Allocation(first=12, p=0.2)),
    "p < .02 after 12, 24, 48": adaptive(Allocation(first=12)),
    "p < .02 after 8, 16, 32 (a sweep's)": adaptive(Allocation()),
    "p < .005 after 8, 16, 32": adaptive(Allocation(p=0.005)),
    "p < .002 after 5, 10, 20, 40": adaptive(Allocation(first=5, p=0.002)),
}
# With the most that an approach gets.
LONGER: Mapping[str, tuple[Give, int]] = {
    "100 each": (even(100), 100),
    "a sweep's rule, at most 75": (adaptive(Allocation(), 75), 75),
    "a sweep's rule, at most 100": (adaptive(Allocation(), 100), 100),
}


def given(sweeps: Sweeps, give: Give, rounds: Sequence[int]) -> dict[str, np.ndarray]:
    """How many configurations each approach gets in each sweep (R,)."""
    number = len(next(iter(sweeps.values())).truth)
    at = np.arange(number)
    best = {
        name: {after: own.scores[at, own.best(np.full(number, after))] for after in rounds}
        for name, own in sweeps.items()
    }
    every = [give({name: {n: best[name][n][sweep] for n in rounds} for name in sweeps}) for sweep in range(number)]
    return {name: np.array([each[name] for each in every]) for name in sweeps}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What sweeps hand on: of each approach A the true mean (A, R), of whom wins (R,), and CPU seconds (A, R)."""

    truth: np.ndarray
    winner: np.ndarray
    seconds: np.ndarray

    @property
    def of_winner(self) -> np.ndarray:
        """The winner's true mean (R,)."""
        return np.take_along_axis(self.truth, self.winner[None], axis=0)[0]


def ended(sweeps: Sweeps, configurations: Mapping[str, np.ndarray]) -> Ended:
    """With so many configurations of each approach."""
    best = {name: own.best(configurations[name]) for name, own in sweeps.items()}

    def of_best(name: str, values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, best[name][:, None], axis=1)[:, 0]

    fresh = np.array([of_best(name, own.fresh) for name, own in sweeps.items()])
    spent = [
        np.where(np.arange(own.seconds.shape[1]) < configurations[name][:, None], own.seconds, 0).sum(axis=1)
        for name, own in sweeps.items()
    ]
    return Ended(
        truth=np.array([of_best(name, own.truth) for name, own in sweeps.items()]),
        winner=fresh.argmax(axis=0),
        seconds=np.array(spent),
    )


def row(what: str, plain: Ended, found: Ended) -> dict[str, str]:
    """How one rule does, against 50 each."""
    lost = plain.truth - found.truth
    return {
        "rule": what,
        "CPU": f"{100 * found.seconds.sum() / plain.seconds.sum():.0f} %",
        "same": f"{100 * (plain.winner == found.winner).mean():.0f} %",
        "regret": with_interval(plain.of_winner - found.of_winner),
        "of each": f"{lost.mean():+.2f}",
        "worst": f"{lost.mean(axis=1).max():+.2f}",
    }


def _all(sweeps: Sweeps, configurations: int) -> dict[str, np.ndarray]:
    return {name: np.full(len(own.truth), configurations) for name, own in sweeps.items()}


def _rounds(most: int) -> list[int]:
    return sorted({after for first in (5, 8, 12) for after in Allocation(first=first).rounds(most)})


def print_rules(title: str, sweeps: Sweeps) -> None:
    """A row for each rule."""
    plain = ended(sweeps, _all(sweeps, CONFIGURATIONS))
    rounds = _rounds(CONFIGURATIONS)
    rows = [row(what, plain, ended(sweeps, given(sweeps, give, rounds))) for what, give in RULES.items()]
    print(f"\n{title}\n\n{aligned(rows, left=('rule',))}", flush=True)


def print_approaches(title: str, sweeps: Sweeps) -> None:
    """What a sweep's rule gives to whom, and what that costs."""
    plain = ended(sweeps, _all(sweeps, CONFIGURATIONS))
    mine = given(sweeps, RULES["p < .02 after 8, 16, 32 (a sweep's)"], _rounds(CONFIGURATIONS))
    found = ended(sweeps, mine)
    rows = [
        {
            "approach": name,
            "true mean": f"{plain.truth[at].mean():.1f}",
            "CPU seconds": f"{plain.seconds[at].mean():.0f}",
            "adaptive": f"{found.seconds[at].mean():.0f}",
            "configurations": f"{mine[name].mean():.0f}",
            "got all": f"{100 * (mine[name] == CONFIGURATIONS).mean():.0f} %",
            "lost": f"{(plain.truth - found.truth)[at].mean():+.1f}",
        }
        for at, name in enumerate(sweeps)
    ]
    print(f"\n{title}\n\n{aligned(rows)}", flush=True)


def main() -> None:
    """Replay, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--table", type=Path, default=TABLE, help="made by make_table.py")
    parser.add_argument("--real", type=Path, default=SEARCHES, help="made by make_searches.py")
    parser.add_argument("--searches", type=int, default=400, help="sweeps of each kind")
    asked = parser.parse_args()
    real = pd.read_parquet(asked.real)
    first = real[real.challenge == "challenge1"]
    late = first[~first.approach.isin(EARLY)]
    kinds = {
        "challenge 1": first,
        f"challenge 1 without {' and '.join(EARLY)}, whose starts are hard to beat": late,
        "challenge 2": real[real.challenge == "challenge2"],
    }
    for title, table in kinds.items():
        sweeps = of_real_sweep(table, asked.searches, CONFIGURATIONS, np.random.default_rng(0))
        print_rules(f"{title}, {asked.searches} sweeps", sweeps)
        print_approaches(f"{title}, by approach", sweeps)
    for name, own in read_tables(asked.table).items():
        sweeps = of_table(own.accuracies, asked.searches, np.random.default_rng(0))
        print_rules(f"eight made-up approaches from the table of {name}", sweeps)
    for title, table in (("challenge 1", first), (f"challenge 1 without {' and '.join(EARLY)}", late)):
        sweeps = of_real_sweep(table, asked.searches, 100, np.random.default_rng(0))
        plain = ended(sweeps, _all(sweeps, CONFIGURATIONS))
        rows = [
            row(what, plain, ended(sweeps, given(sweeps, give, _rounds(most)))) for what, (give, most) in LONGER.items()
        ]
        print(f"\nWhat is saved given to the others: {title}, against 50 each\n\n{aligned(rows, left=('rule',))}")


if __name__ == "__main__":
    main()

"""How many configurations to try, and whether the best few should run again before one is handed on: by replay.

python benchmarks/search_lengths.py [--tables FILE ...] [--searches 1000]

Searches are raced as a sweep races them (`replay.py` has how they are drawn), with 10 seeds a configuration.

- cost: in runs of a whole configuration's ten seeds, further seeds included.
- regret: true mean of the best configuration among the first 100 that are drawn less that of what is handed on, in
  points, with the 95 % interval over searches of this table. All lengths of a search have the same first
  configurations.
- optimism: the mean by which what is handed on was ranked, less its true mean, in points. Each search has seeds of its
  own, so that how difficult they are averages out.

A search of 50 that ends with 10 further seeds for its best 3 or 5 complete configurations hands on the best by the mean
of all 20 seeds, or by that of the further ones alone. Beside it stands the search that costs as much without them,
which has more configurations.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from replay import KINDS, Raced, Rule, Searches, complete_means, drawn, replayed, tables_asked, with_interval

from sweeps.stages.racing import Racing
from sweeps.views.text_table import aligned

LENGTHS = (10, 25, 50, 75, 100)
LENGTH = 50
FINALISTS = (3, 5)
FURTHER = 10


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What searches hand on (S,), what their seeds say of it (S,) in points, and what each costs (S,), in runs."""

    best: np.ndarray
    said: np.ndarray
    cost: np.ndarray


def plain(searches: Searches, raced: Raced, length: int) -> Ended:
    """Searches of so many configurations."""
    means_SC = complete_means(searches.scores, raced.ran)[:, :length]
    best = means_SC.argmax(axis=1)
    cost = raced.ran[:, :length].sum(axis=1) / searches.scores.shape[2]
    return Ended(best=best, said=_of(means_SC, best), cost=cost)


def with_finalists(searches: Searches, raced: Raced, finalists: int, *, by_all: bool) -> Ended:
    """A search of `LENGTH` whose best ones run `FURTHER` seeds more, and are ranked by all seeds or by those alone."""
    means_SC = complete_means(searches.scores, raced.ran)[:, :LENGTH]
    chosen = np.argsort(-means_SC, axis=1)[:, :finalists]
    old = np.take_along_axis(means_SC, chosen, axis=1)
    new = np.take_along_axis(searches.fresh.mean(axis=2), chosen, axis=1)
    seeds, further = searches.scores.shape[2], searches.fresh.shape[2]
    # Where fewer are complete, no others run.
    complete = old > -np.inf
    ranked = np.where(complete, (seeds * old + further * new) / (seeds + further) if by_all else new, -np.inf)
    first = ranked.argmax(axis=1)
    cost = plain(searches, raced, LENGTH).cost + complete.sum(axis=1) * further / seeds
    return Ended(best=_of(chosen, first), said=_of(ranked, first), cost=cost)


def as_dear(raced: Raced, cost: float) -> int:
    """How many configurations cost no more, on average over searches."""
    seeds = raced.ran.max()
    return int(np.searchsorted(raced.ran.cumsum(axis=1).mean(axis=0) / seeds, cost, side="right"))


def _of(values_SC: np.ndarray, chosen_S: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values_SC, chosen_S[:, None], axis=1)[:, 0]


def main() -> None:
    """Replay, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    asked, tables = tables_asked(parser)
    for name, table in tables.items():
        for kind, how in KINDS.items():
            searches = drawn(
                table,
                asked.searches,
                configurations=max(LENGTHS),
                fresh=FURTHER,
                rng=np.random.default_rng(0),
                **how,
            )
            raced = replayed(searches.scores, Rule(racing=Racing()))
            print(f"\n{name}, {kind}, {asked.searches} searches\n")
            print(aligned(_rows(searches, raced), left=("search",)))


def _rows(searches: Searches, raced: Raced) -> list[dict[str, str]]:
    def row(what: str, ended: Ended) -> dict[str, str]:
        truth = searches.of(ended.best)
        return {
            "search": what,
            "cost": f"{ended.cost.mean():.1f}",
            "regret": with_interval(searches.truth.max(axis=1) - truth),
            "optimism": with_interval(ended.said - truth),
        }

    rows = [row(f"{length} configurations", plain(searches, raced, length)) for length in LENGTHS]
    for finalists in FINALISTS:
        for by_all in (True, False):
            ended = with_finalists(searches, raced, finalists, by_all=by_all)
            ranked_by = "all 20 seeds" if by_all else "the further ones"
            rows.append(row(f"{LENGTH}, best {finalists} again, ranked by {ranked_by}", ended))
        length = as_dear(raced, ended.cost.mean())
        rows.append(row(f"{length} configurations, as dear", plain(searches, raced, length)))
    return rows


if __name__ == "__main__":
    main()

"""What racing saves and what it loses: searches replayed on a table of real results, by many rules.

python benchmarks/racing.py [--table FILE] [--searches 1000]

Each search has 50 configurations x 10 seeds, drawn from the table in the three kinds that `replay.py` has.

- saved: seeds not run, of all seeds of the same search without racing.
- regret: true mean of what the search without racing hands on, less that of what this one does, in points, on the
  table's seeds that the search does not have; the 95 % interval is over searches of this table.
- missed: how often another configuration is handed on.

Rules are compared on one half of the table's configurations and seeds, and told of again on the other half: a sweep's,
a stricter one, and those that save most while no approach and kind has a regret above a limit. The last table is about
repeated looks: how often all looks together stop a configuration that is truly so much better than the table's best,
which is no better on these seeds than usual.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from replay import KINDS, Rule, Searches, drawn, replayed, tables_asked, with_interval
from tables import Table

from sweeps.stages.racing import Racing
from sweeps.views.text_table import aligned

TODAYS = Rule(racing=Racing())
STRICTER = Rule(racing=Racing(p=0.2))
# In points.
LIMITS = (0.02, 0.05, 0.1)
GAPS = (-3, -2, -1, 0, 1, 2)
CLOSE = 5.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One rule in all searches of one kind: seeds saved as a share, regret in points (S,), and which missed (S,)."""

    saved: float
    regret: np.ndarray
    missed: np.ndarray


def rules() -> list[Rule]:
    """Today's first."""
    found = [
        Rule(racing=Racing(p=p, first=first, growth=growth))
        for p in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)
        for first in (2, 3, 5)
        for growth in (1.25, 1.5)
        # Two differences have no p-value below 1/4.
        if first > 2 or p > 0.25
    ]
    found += [Rule(racing=Racing(p=p, first=first), test="t") for p in (0.05, 0.1, 0.2, 0.3) for first in (2, 3)]
    found += [Rule(racing=Racing(p=p), margin=margin) for p in (0.2, 0.3, 0.4) for margin in (-0.5, 0.5, 1.0)]
    return [TODAYS, *(rule for rule in found if rule != TODAYS)]


def named(rule: Rule, seeds: int = 10) -> str:
    """What it does, in a few words."""
    looks = ", ".join(map(str, rule.racing.looks(seeds)))
    margin = f", margin {rule.margin:+g}" if rule.margin else ""
    test = " (t test)" if rule.test == "t" else ""
    return f"{looks}: p < {rule.racing.p:g}{test}{margin}" + (" (a sweep's)" if rule == TODAYS else "")


def outcome(searches: Searches, rule: Rule) -> Outcome:
    """What this rule saves and loses in these searches."""
    plain, raced = replayed(searches.scores, None), replayed(searches.scores, rule)
    return Outcome(
        saved=1 - raced.ran.sum() / plain.ran.sum(),
        regret=searches.of(plain.best) - searches.of(raced.best),
        missed=raced.best != plain.best,
    )


def half(table: Table, which: int) -> Table:
    """Every other seed, and every other configuration beside the first one, which both halves have."""
    own = [0, *range(1 + which, len(table.params), 2)]
    return replace(
        table,
        params=tuple(table.params[number] for number in own),
        seeds=table.seeds[which::2],
        accuracies=table.accuracies[own, which::2],
        seconds=table.seconds[own, which::2],
    )


def all_searches(tables: dict[str, Table], searches: int, seeds: int = 10) -> dict[tuple[str, str], Searches]:
    """By approach and kind."""
    rng = np.random.default_rng(0)
    return {
        (name, kind): drawn(table, searches, seeds=seeds, rng=rng, **how)
        for name, table in tables.items()
        for kind, how in KINDS.items()
    }


def stopped(rule: Rule, table: Table, gap: float, seeds: int = 10) -> np.ndarray:
    """Whether the rule stops, at any look, what is so much better than the table's best; on blocks of other seeds."""
    means = table.accuracies.mean(axis=1)
    best = means.argmax()
    close = np.flatnonzero((means > means[best] - CLOSE) & (np.arange(len(means)) != best))
    blocks = len(table.seeds) // seeds
    rival = table.accuracies[best, : blocks * seeds].reshape(blocks, seeds)
    own = table.accuracies[close, : blocks * seeds] + (means[best] + gap - means[close])[:, None]
    pairs = np.stack(np.broadcast_arrays(rival, own.reshape(-1, blocks, seeds)), axis=2).reshape(-1, 2, seeds)
    return replayed(pairs, rule).ran[:, 1] < seeds


def main() -> None:
    """Replay, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    asked, tables = tables_asked(parser)
    one = all_searches({name: half(table, 0) for name, table in tables.items()}, asked.searches)
    found = {rule: [outcome(searches, rule) for searches in one.values()] for rule in rules()}
    print(f"\nOne half of the table, {asked.searches} searches of each approach and kind: the worst of them\n")
    print(aligned([_worst(rule, outcomes) for rule, outcomes in found.items()], left=("rule",)))
    shown = [TODAYS, STRICTER]
    for limit in LIMITS:
        admitted = [rule for rule in found if _most_regret(found[rule]) < limit]
        best = max(admitted, key=lambda rule: min(each.saved for each in found[rule]), default=TODAYS)
        shown += [best] if best not in shown else []
    print("\nThe other half\n")
    other = {name: half(table, 1) for name, table in tables.items()}
    _print_rows(shown, all_searches(other, asked.searches))
    for seeds in (5, 20):
        print(f"\nThe other half, {seeds} seeds a configuration\n")
        _print_rows(shown, all_searches(other, asked.searches, seeds), seeds)
    print("\nStopped at any look, by how many points the configuration is truly better\n")
    rows = []
    for rule in shown:
        by_gap = {
            f"{gap:+d}": np.concatenate([stopped(rule, table, gap) for table in tables.values()]).mean() for gap in GAPS
        }
        rows.append({"rule": named(rule), **{gap: f"{100 * share:.0f} %" for gap, share in by_gap.items()}})
    print(aligned(rows, left=("rule",)))


def _most_regret(outcomes: Sequence[Outcome]) -> float:
    return max(float(each.regret.mean()) for each in outcomes)


def _worst(rule: Rule, outcomes: Sequence[Outcome]) -> dict[str, str]:
    worst = max(outcomes, key=lambda each: each.regret.mean())
    return {
        "rule": named(rule),
        "saved": f"{100 * min(each.saved for each in outcomes):.0f} %",
        "on average": f"{100 * np.mean([each.saved for each in outcomes]):.0f} %",
        "regret": with_interval(worst.regret),
        "missed": f"{100 * max(each.missed.mean() for each in outcomes):.0f} %",
    }


def _print_rows(shown: Sequence[Rule], by_kind: dict[tuple[str, str], Searches], seeds: int = 10) -> None:
    rows = []
    for rule in shown:
        for (approach, kind), searches in by_kind.items():
            each = outcome(searches, rule)
            rows.append(
                {
                    "rule": named(rule, seeds),
                    "approach": approach,
                    "kind": kind,
                    "saved": f"{100 * each.saved:.0f} %",
                    "regret": with_interval(each.regret),
                    "missed": f"{100 * each.missed.mean():.0f} %",
                }
            )
    print(aligned(rows, left=("rule", "approach", "kind")))


if __name__ == "__main__":
    main()

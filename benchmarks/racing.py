"""What racing saves and what it loses: searches replayed on a table of real results, by many rules.

python benchmarks/racing.py [--tables FILE ...] [--searches 1000] [--validation N ...]

Each search has 50 configurations x 10 seeds, drawn from the table in the three kinds that `replay.py` has.

- saved: seeds not run, of all seeds of the same search without racing.
- regret: true mean of what the search without racing hands on, less that of what this one does, in points, on the
  table's seeds that the search does not have; the 95 % interval is over searches of this table.
- missed: how often another configuration is handed on.
- complete: how many configurations are; the three finalists are the best of them.

What either search hands on is the best of its three finalists by ten further seeds, too. Rules are compared on one half
of the tables' configurations and seeds, and told of again on the other half: a sweep's, those that sweeps had before (a
single rival, and at first Wilcoxon's test), and those that save most while no approach and kind has a regret above a
limit. A sweep's and the one before are compared in shorter and longer searches, too. The last table is about repeated
looks: how often all looks together stop a configuration that is truly so much better than the table's best, where it
and the two that follow are the rivals, no better on these seeds than usual.

`--validation 4 10 25` is about searches whose scores are of so many images of each class; what is true is still told by
all images. It needs tables with hits, and omits the last table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np
from replay import KINDS, Rule, Searches, drawn, is_losing, replayed, tables_asked, with_interval, with_more_seeds
from tables import Table, read_tables, scored_on_fewer

from sweeps.stages.racing import Racing
from sweeps.views.text_table import aligned

TODAYS = Rule(racing=Racing())
# What sweeps had before, and before that.
BEFORE = Rule(racing=Racing(p=0.15, rivals=1))
FIRST = Rule(racing=Racing(p=0.3, first=3, rivals=1), test="wilcoxon")
OF_SWEEPS = (TODAYS, BEFORE, FIRST)
# In points.
LIMITS = (0.02, 0.05, 0.1)
FINALISTS = 3
LENGTHS = (5, 10, 25, 75)
GAPS = (-3, -2, -1, 0, 1, 2)
CLOSE = 5.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One rule in all searches of one kind.

    Attributes:
        saved: Seeds not run, as a share.
        regret: (S,), in points.
        missed: (S,), whether another configuration is handed on.
        complete: Configurations that are, on average.
    """

    saved: float
    regret: np.ndarray
    missed: np.ndarray
    complete: float


def rules() -> list[Rule]:
    """Those of sweeps first."""
    found = [
        Rule(racing=Racing(p=p / rivals, rivals=rivals, prior=prior, first=first))
        for p in (0.1, 0.15, 0.2, 0.24, 0.3, 0.36, 0.4)
        for rivals in (1, 2, 3, 5)
        for prior, first in ((2.0, 1), (4.0, 1), (2.0, 2))
    ]
    # Without what the best one's scores tell: Student's test, which needs two differences.
    found += [
        Rule(racing=Racing(p=p / rivals, prior=0.0, first=2, rivals=rivals))
        for p in (0.1, 0.2, 0.3)
        for rivals in (1, 3)
    ]
    found += [Rule(racing=Racing(p=p, first=3, rivals=1), test="wilcoxon") for p in (0.1, 0.2, 0.4)]
    return [*OF_SWEEPS, *(rule for rule in found if rule not in OF_SWEEPS)]


def named(rule: Rule, seeds: int = 10) -> str:
    """What it does, in a few words."""
    looks = ", ".join(map(str, rule.racing.looks(seeds)))
    test = f"weight {rule.racing.prior:g}" if rule.test == "moderated" else "Wilcoxon's"
    known = {TODAYS: " (a sweep's)", BEFORE: " (before)", FIRST: " (at first)"}
    racing = rule.racing
    return f"{looks}: rivals {racing.rivals}, p < {racing.p * racing.rivals:.2g}, {test}{known.get(rule, '')}"


def outcome(searches: Searches, rule: Rule) -> Outcome:
    """What this rule saves and loses in these searches."""
    plain, raced = replayed(searches.scores, None), replayed(searches.scores, rule)
    handed_on = [with_more_seeds(searches.scores, searches.fresh, each.ran, FINALISTS)[0] for each in (plain, raced)]
    return Outcome(
        saved=1 - raced.ran.sum() / plain.ran.sum(),
        regret=searches.of(handed_on[0]) - searches.of(handed_on[1]),
        missed=handed_on[0] != handed_on[1],
        complete=float((raced.ran == plain.ran).sum(axis=1).mean()),
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


def all_searches(
    tables: dict[str, Table], judged: dict[str, Table], searches: int, seeds: int = 10, configurations: int = 50
) -> dict[tuple[str, str], Searches]:
    """By approach and kind; a table of few seeds has none left for finalists."""
    rng = np.random.default_rng(0)
    return {
        (name, kind): drawn(
            table,
            searches,
            configurations=configurations,
            seeds=seeds,
            fresh=seeds if 2 * seeds < len(table.seeds) else 0,
            judged=judged[name],
            rng=rng,
            **how,
        )
        for name, table in tables.items()
        for kind, how in KINDS.items()
    }


def stopped(rule: Rule, table: Table, gap: float, seeds: int = 10) -> np.ndarray:
    """Whether the rule stops, at any look, what is so much better than the table's best; on blocks of other seeds."""
    means = table.accuracies.mean(axis=1)
    best = np.argsort(-means)[: rule.racing.rivals]
    close = np.setdiff1d(np.flatnonzero(means > means[best[0]] - CLOSE), best)
    blocks = len(table.seeds) // seeds
    rivals_BRN = table.accuracies[best, : blocks * seeds].reshape(-1, blocks, seeds).transpose(1, 0, 2)
    own_CN = table.accuracies[close, : blocks * seeds] + (means[best[0]] + gap - means[close])[:, None]
    own_PN = own_CN.reshape(-1, seeds)
    rivals_PRN = np.tile(rivals_BRN, (len(close), 1, 1))
    return np.any([is_losing(own_PN[:, :look], rivals_PRN, rule) for look in rule.racing.looks(seeds)], axis=0)


def main() -> None:
    """Replay, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--validation", nargs="+", type=int, help="images of each class that are scored; default: all")
    asked, judged = tables_asked(parser)
    tables = judged
    if asked.validation:
        tables, judged = _of_fewer(asked.tables, asked.validation)
    halves = [[_halves(each, which) for each in (tables, judged)] for which in (0, 1)]
    one = all_searches(*halves[0], asked.searches)
    jobs = [joblib.delayed(outcome)(searches, rule) for rule in rules() for searches in one.values()]
    outcomes = iter(joblib.Parallel(n_jobs=-1)(jobs))
    found = {rule: [next(outcomes) for _ in one] for rule in rules()}
    print(f"\nOne half of the table, {asked.searches} searches of each approach and kind: the worst of them\n")
    print(aligned([_worst(rule, outcomes) for rule, outcomes in found.items()], left=("rule",)))
    shown = [*OF_SWEEPS]
    for limit in LIMITS:
        admitted = [rule for rule in found if _most_regret(found[rule]) < limit]
        best = max(admitted, key=lambda rule: min(each.saved for each in found[rule]), default=TODAYS)
        shown += [best] if best not in shown else []
    print("\nThe other half\n")
    _print_rows(shown, all_searches(*halves[1], asked.searches))
    for seeds in (5, 20):
        print(f"\nThe other half, {seeds} seeds a configuration\n")
        _print_rows(shown, all_searches(*halves[1], asked.searches, seeds), seeds)
    for configurations in LENGTHS:
        print(f"\nThe other half, searches of {configurations} configurations: the worst approach and kind\n")
        some = all_searches(*halves[1], asked.searches, configurations=configurations).values()
        rows = [_worst(rule, [outcome(each, rule) for each in some]) for rule in (TODAYS, BEFORE)]
        print(aligned(rows, left=("rule",)))
    if asked.validation:
        return
    print("\nStopped at any look, by how many points the configuration is truly better\n")
    rows = []
    for rule in shown:
        by_gap = {
            f"{gap:+d}": np.concatenate([stopped(rule, table, gap) for table in tables.values()]).mean() for gap in GAPS
        }
        rows.append({"rule": named(rule), **{gap: f"{100 * share:.0f} %" for gap, share in by_gap.items()}})
    print(aligned(rows, left=("rule",)))


def _halves(tables: dict[str, Table], which: int) -> dict[str, Table]:
    return {name: half(table, which) for name, table in tables.items()}


def _of_fewer(paths: Sequence[Path], validation: Sequence[int]) -> tuple[dict[str, Table], dict[str, Table]]:
    """The tables with scores of so many images of each class, and what they are judged by."""
    fewer, judged = {}, {}
    for path in paths:
        for name, table in read_tables(path).items():
            for own in scored_on_fewer(path, table, validation):
                fewer[f"{name}, {own.images // 2} a class"], judged[f"{name}, {own.images // 2} a class"] = own, table
    return fewer, judged


def _most_regret(outcomes: Sequence[Outcome]) -> float:
    return max(float(each.regret.mean()) for each in outcomes)


def _worst(rule: Rule, outcomes: Sequence[Outcome]) -> dict[str, str]:
    worst = max(outcomes, key=lambda each: each.regret.mean())
    return {
        "rule": named(rule),
        "saved": f"{100 * min(each.saved for each in outcomes):.0f} %",
        "on average": f"{100 * np.mean([each.saved for each in outcomes]):.0f} %",
        "regret": with_interval(worst.regret),
        "mean regret": f"{np.mean([each.regret.mean() for each in outcomes]):+.3f}",
        "missed": f"{100 * max(each.missed.mean() for each in outcomes):.0f} %",
        "complete": f"{np.mean([each.complete for each in outcomes]):.1f}",
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
                    "complete": f"{each.complete:.1f}",
                }
            )
    print(aligned(rows, left=("rule", "approach", "kind")))


if __name__ == "__main__":
    main()

"""Is the printed optimism right? Thousands of searches replayed on a table of real results, whose truth is known.

python benchmarks/optimism.py [--table FILE] [--sets 40] [--searches 25] [--seeds 10] [--finalists 3] [--validation ...]

Each set of configurations (the start of the search and random others) is searched on many draws of seeds, with racing
as a sweep does it and without, and the best few complete ones meet as many seeds again. The truth is the mean over 400
such draws of what all its search seeds say of the configuration that is handed on, less that one's mean over all seeds
of the table, and less what those seeds are easier for all.

- flattery: the truth, mean over the sets.
- difference: the search's mean less that of 50 fresh seeds, for comparison; its mean error and the sd of its error.
- optimism: as `sweeps/analysis/optimism.py` estimates it, over the searches that have an estimate (not those in which
  all others were raced out); its mean error, the sd of its error, how often its 95 % interval holds the truth, and how
  wide that is.
- regret: how much worse the chosen configuration is than the best of the set, mean over the searches, and as estimated.

`--validation 10 25 50 100 500` chooses with so many images of each class, the same for all configurations, but scores
the truth on all; it needs a table with hits.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from replay import Rule, with_more_seeds
from replay import replayed as raced
from tables import TABLE, Table, read_tables, scored_on_fewer

from sweeps.analysis.optimism import Finalists, flattery
from sweeps.stages.racing import Racing
from sweeps.views.text_table import aligned

DRAWS_OF_TRUTH = 400
CONFIRM_SEEDS = 50


@dataclass(frozen=True, kw_only=True)
class Searches:
    """B searches among the same C configurations on S seeds each.

    Attributes:
        scores: (B, C, S) in points, NaN where a configuration was raced out.
        finalists: (B,), how many met further seeds.
        chosen: (B,), the finalist with the greatest mean over all its seeds.
        flattery: Of choosing among them, in points.
        regret: How much worse the chosen is than the best, mean over the draws, in points.
        difference: (B,), what the search says of the chosen one, less what fresh seeds say.
    """

    scores: np.ndarray
    finalists: np.ndarray
    chosen: np.ndarray
    flattery: float
    regret: float
    difference: np.ndarray


def replayed(
    table: Table,
    true_C: np.ndarray,
    *,
    sets: int,
    searches: int,
    configurations: int,
    seeds: int,
    finalists: int,
    racing: Racing | None,
) -> Iterator[Searches]:
    """Searches of so many sets of random configurations, the start of the search first; 1 finalist meets no seeds."""
    own_seeds = 2 * seeds if finalists > 1 else seeds
    rng = np.random.default_rng(0)
    there, of_table = table.accuracies.shape
    for _ in range(sets):
        own = np.r_[0, 1 + rng.permutation(there - 1)[: configurations - 1]]
        draws_BS = np.argsort(rng.random((DRAWS_OF_TRUTH, of_table)), 1)[:, : own_seeds + CONFIRM_SEEDS]
        all_BCS = table.accuracies[own][:, draws_BS[:, :own_seeds]].transpose(1, 0, 2)
        scores_BCS = all_BCS[:, :, :seeds]
        ran_BC = raced(scores_BCS, Rule(racing=racing) if racing else None).ran
        chosen_B, met_B = with_more_seeds(scores_BCS, all_BCS[:, :, seeds:], ran_BC, finalists)
        every = np.arange(DRAWS_OF_TRUTH)
        off_BC = all_BCS.mean(2) - true_C[own]
        fresh_B = table.accuracies[own[chosen_B][:, None], draws_BS[:, own_seeds:]].mean(1)
        is_run_BCS = np.arange(seeds) < ran_BC[:, :, None]
        yield Searches(
            scores=np.where(is_run_BCS, scores_BCS, np.nan)[:searches],
            finalists=met_B[:searches],
            chosen=chosen_B[:searches],
            flattery=float((off_BC[every, chosen_B] - off_BC.mean(1)).mean()),
            regret=float((true_C[own].max() - true_C[own[chosen_B]]).mean()),
            difference=(all_BCS.mean(2)[every, chosen_B] - fresh_B)[:searches],
        )


def main() -> None:
    """Run the simulation and print its table."""
    asked = _asked()
    rows = []
    for name, table in read_tables(Path(asked.table)).items():
        true_C = table.accuracies.mean(1)
        tables = scored_on_fewer(Path(asked.table), table, asked.validation) if asked.validation else [table]
        for own in tables:
            first = {"approach": name, "images a class": str(own.images // 2)}
            rows += [first | _row(own, true_C, racing, asked) for racing in (Racing(), None)]
    searches = asked.sets * asked.searches
    print(
        f"\n{searches} searches of {asked.configurations} configurations x {asked.seeds} seeds each, "
        f"{asked.finalists} finalists; in points\n"
    )
    print(aligned(rows, left=("approach",)))


def _row(table: Table, true_C: np.ndarray, racing: Racing | None, asked: argparse.Namespace) -> dict[str, str]:
    sizes = {name: getattr(asked, name) for name in ("sets", "searches", "seeds", "finalists")}
    truths, regrets, differences, errors, widths, is_held, of_regret = [], [], [], [], [], [], []
    for found in replayed(table, true_C, configurations=asked.configurations, racing=racing, **sizes):
        truths.append(found.flattery)
        regrets.append(found.regret)
        differences += list(found.difference - found.flattery)
        for scores_CS, met in zip(found.scores, found.finalists, strict=True):
            # Where all others were raced out, nothing is printed.
            if (~np.isnan(scores_CS)).all(1).sum() > 1:
                finalists = Finalists(number=int(met), seeds=asked.seeds) if asked.finalists > 1 else None
                estimate = flattery(scores_CS / 100, finalists)
                errors.append(100 * estimate.mean - found.flattery)
                is_held.append(estimate.low <= found.flattery / 100 <= estimate.high)
                widths.append(100 * (estimate.high - estimate.low))
                of_regret.append(100 * estimate.regret)
    return {
        "racing": "yes" if racing else "no",
        "flattery": f"{np.mean(truths):.2f}",
        "difference: bias": f"{np.mean(differences):+.2f}",
        "sd": f"{np.std(differences):.2f}",
        "optimism: bias": f"{np.mean(errors):+.2f}",
        "sd of it": f"{np.std(errors):.2f}",
        "holds": f"{100 * np.mean(is_held):.1f} %",
        "wide": f"{np.mean(widths):.2f}",
        "regret": f"{np.mean(regrets):.2f}",
        "estimated": f"{np.mean(of_regret):.2f}",
    }


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--table", default=str(TABLE), help="as make_table.py writes it")
    parser.add_argument("--sets", type=int, default=40, help="of configurations")
    parser.add_argument("--searches", type=int, default=25, help="of each set")
    parser.add_argument("--configurations", type=int, default=50, help="of a search")
    parser.add_argument("--seeds", type=int, default=10, help="of a configuration")
    parser.add_argument("--finalists", type=int, default=3, help="that meet as many seeds again; 1 is none")
    parser.add_argument("--validation", type=int, nargs="+", help="images of each class to choose with; all by default")
    return parser.parse_args()


if __name__ == "__main__":
    main()

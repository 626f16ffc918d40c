"""Is the search worth it? TPE against random search, what matters, and how far the search fools itself.

python benchmarks/search_worth.py [--dataset PATH] [--approaches ...] [--num-samples 50] [--search-seeds 5]

Searches as a sweep makes them, with racing, by TPE and by random search, several of each. CPU seconds are those that
computed, whatever else the machine did.

1. TPE against random search at equal cost. Of each pair of searches the cheaper one's CPU seconds are the budget, and
   what either would hand on within a share of it, after its finalists have met further seeds, is confirmed on fresh
   ones; so is what either whole search hands on. The difference has its 95 % interval over the searches (Student's t).
2. Overtuning: the best configuration after so many, by the search's own seeds and on fresh ones. Where the fresh curve
   stays flat while the other rises, more configurations buy nothing but optimism.
3. Importance of hyperparameters as the report has it (PED-ANOVA) in TPE's searches: its mean over them, its range, and
   in how many of them it is among the first three. What one search says is worth as much as the range is narrow; what
   it says of its own instability, from resamples of its configurations, stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from searching import Job, Laboratory, on_all, options, with_t_interval

from sweeps.analysis.importance import importances
from sweeps.stages.sampling import at_random, tpe
from sweeps.store.trials import TrialRecord
from sweeps.views.text_table import aligned

SHARES = (0.25, 0.5, 1.0)
COUNTS = (1, 3, 5, 10, 20, 30, 50, 100)


@dataclass(frozen=True, kw_only=True)
class Searched:
    """One pair of searches. Accuracies are in per cent; `importances` are TPE's.

    Attributes:
        at_equal_cost: Confirmed accuracy of what TPE and random search hand on, by share of the common budget.
        whole: The same of the whole searches.
        seconds: CPU seconds of either whole search.
        curve: The incumbent's accuracy in TPE's search and on fresh seeds, by number of configurations.
        importances: Of each hyperparameter, its share and the width of its interval.
    """

    at_equal_cost: dict[float, tuple[float, ...]]
    whole: tuple[float, ...]
    seconds: tuple[float, float]
    curve: dict[int, tuple[float, float]]
    importances: dict[str, tuple[float, float]]


def searched(job: Job, confirm_seeds: int) -> Searched:
    """One search by TPE and one by random search."""
    laboratory = Laboratory(job)
    pair = [laboratory.search(sampler=sampler) for sampler in (tpe, at_random)]
    seconds = [sum(trial.seconds for trial in trials) for trials in pair]

    def confirmed(trial: TrialRecord) -> float:
        return float(laboratory.confirm(trial, confirm_seeds).mean())

    curve = {}
    for count in (*[count for count in COUNTS if count < job.num_samples], job.num_samples):
        best = laboratory.best(pair[0][:count])
        curve[count] = (float(100 * best.values("accuracy").mean()), confirmed(best))
    return Searched(
        at_equal_cost={
            share: tuple(confirmed(laboratory.handed_on(_within(trials, share * min(seconds)))) for trials in pair)
            for share in SHARES
        },
        whole=tuple(confirmed(laboratory.handed_on(trials)) for trials in pair),
        seconds=(seconds[0], seconds[1]),
        curve=curve,
        importances={each.param: (each.share, each.high - each.low) for each in importances(pair[0], job.approach)},
    )


def _within(trials: Sequence[TrialRecord], budget: float) -> Sequence[TrialRecord]:
    """The first trials that together cost no more; at least the published setting's, with which every search begins."""
    spent = np.cumsum([trial.seconds for trial in trials])
    return trials[: max(int(np.searchsorted(spent, budget, side="right")), 1)]


def main() -> None:
    """Run the benchmark and print its tables."""
    asked = options(__doc__ or "", ["pixel_baseline", "starter_cnn"], num_samples=50, search_seeds=5)
    found = on_all(asked, searched)
    print(
        f"\nTPE against random search at equal cost: confirmed on {asked.confirm_seeds} fresh seeds, "
        f"{asked.search_seeds} searches of {asked.num_samples} configurations x {asked.seeds} seeds each\n"
    )
    print(aligned([row for approach, searches in found.items() for row in _equal_cost(approach, searches)]))
    print("\nOvertuning: the best configuration so far, in TPE's search and on fresh seeds, means over the searches\n")
    print(aligned([row for approach, searches in found.items() for row in _overtuning(approach, searches)]))
    print("\nImportance (PED-ANOVA) over TPE's searches, of the parameters that all of them have\n")
    rows = [row for approach, searches in found.items() for row in _stability(approach, searches)]
    print(aligned(rows, left=("approach", "parameter")) if rows else "too few configurations completed")


def _equal_cost(approach: str, searches: Sequence[Searched]) -> list[dict[str, str]]:
    def row(cost: str, confirmed: Sequence[tuple[float, ...]]) -> dict[str, str]:
        pairs = np.array(confirmed)
        return {
            "approach": approach,
            "CPU seconds": cost,
            "TPE": f"{pairs[:, 0].mean():.1f}",
            "random": f"{pairs[:, 1].mean():.1f}",
            "TPE - random": with_t_interval(pairs[:, 0] - pairs[:, 1]),
        }

    rows = []
    for share in SHARES:
        budget = np.mean([share * min(each.seconds) for each in searches])
        rows.append(row(f"{budget:.0f}", [each.at_equal_cost[share] for each in searches]))
    seconds = np.mean([each.seconds for each in searches], axis=0)
    return [*rows, row(f"{seconds[0]:.0f}, {seconds[1]:.0f}", [each.whole for each in searches])]


def _overtuning(approach: str, searches: Sequence[Searched]) -> list[dict[str, str]]:
    rows = []
    for count in searches[0].curve:
        pairs = np.array([each.curve[count] for each in searches])
        rows.append(
            {
                "approach": approach,
                "configurations": str(count),
                "in search": f"{pairs[:, 0].mean():.1f}",
                "confirmed": f"{pairs[:, 1].mean():.1f}",
                "optimism": with_t_interval(pairs[:, 0] - pairs[:, 1]),
            }
        )
    return rows


def _stability(approach: str, searches: Sequence[Searched]) -> list[dict[str, str]]:
    common = set.intersection(*(set(each.importances) for each in searches))
    firsts = [sorted(each.importances, key=lambda name: -each.importances[name][0])[:3] for each in searches]
    rows = []
    for name in sorted(common, key=lambda name: -np.mean([each.importances[name][0] for each in searches])):
        values, widths = np.array([each.importances[name] for each in searches]).T
        rows.append(
            {
                "approach": approach,
                "parameter": name,
                "mean": f"{np.mean(values):.2f}",
                "range": f"{min(values):.2f} to {max(values):.2f}",
                "width by resamples": f"{np.mean(widths):.2f}",
                "among the first three": f"{sum(name in each for each in firsts)} of {len(searches)}",
            }
        )
    return rows


if __name__ == "__main__":
    main()

"""What racing saves and what it loses: searches with it against the same searches without.

python benchmarks/racing.py [--dataset PATH] [--approaches ...] [--num-samples 30] [--search-seeds 5]

For each approach and search seed the whole search is run without racing and with each of several rules, TPE suggesting
in all; what a rule stops changes what TPE suggests next, so these are other searches. What each hands on is confirmed
on fresh seeds.

- saved: seeds not run, of all seeds of the search without racing.
- regret: confirmed accuracy of what the search without racing hands on, less that of what this one does, in points;
  with the 95 % interval over the searches (Student's t).
- missed: how often the search with racing hands on another configuration.

The second table is about repeated looks: how often all looks of the rule together stop a configuration that is truly
so much better than the best so far. Differences are those of the searches without racing, between configurations within
five points of the best one and it, seed by seed, moved to the true difference that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import optuna
from scipy import stats
from searching import Job, Laboratory, on_all, options

from sweeps.stages.racing import Racing
from sweeps.views.text_table import aligned

# Ours first; then one that looks seldomer, one that looks earlier and is laxer, and a strict one with a single look.
RULES = {
    "3, 4, 5, 7, 9 seeds, p < .2 (ours)": Racing(),
    "3, 5, 8 seeds, p < .2": Racing(growth=1.5),
    "2, 3, 5, 8 seeds, p < .3": Racing(p=0.3, first=2, growth=1.5),
    "5 seeds, p < .1": Racing(p=0.1, first=5, growth=2.0),
}
GAPS = (-3, -1, 0, 1, 2)
CLOSE = 5.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One rule in one search: share of seeds saved, regret in points, whether another configuration is handed on."""

    saved: float
    regret: float
    missed: bool


@dataclass(frozen=True, kw_only=True)
class Searched:
    """All rules in one search, and the paired differences (D, N) in points to the best of the search without racing."""

    outcomes: dict[str, Outcome]
    differences: np.ndarray


def searched(job: Job, confirm_seeds: int) -> Searched:
    """One search without racing, and with each rule."""
    laboratory = Laboratory(job)
    plain = laboratory.search(racing=None)
    best = laboratory.best(plain)
    at_best = laboratory.confirm(best, confirm_seeds).mean()
    seeds = sum(len(trial.results) for trial in plain)
    outcomes = {}
    for name, rule in RULES.items():
        trials = laboratory.search(racing=rule)
        own = laboratory.best(trials)
        outcomes[name] = Outcome(
            saved=1 - sum(len(trial.results) for trial in trials) / seeds,
            regret=float(at_best - laboratory.confirm(own, confirm_seeds).mean()),
            missed=own.params != best.params,
        )
    others = [trial.values("accuracy") for trial in plain if trial.state == "COMPLETE" and trial.number != best.number]
    differences = [100 * (values - best.values("accuracy")) for values in others]
    close = [each for each in differences if abs(each.mean()) < CLOSE]
    return Searched(outcomes=outcomes, differences=np.reshape(close, (-1, job.seeds)))


def stopped(rule: Racing, differences_DN: np.ndarray, gap: float) -> float:
    """The share of these differences, each moved to a mean of `gap`, that the rule stops at any look."""
    study = optuna.create_study(direction="maximize", pruner=rule.pruner())
    rival = study.ask()
    seeds = differences_DN.shape[1]
    for seed in range(seeds):
        rival.report(0.0, seed)
    study.tell(rival, 0.0)
    count = 0
    for differences_N in differences_DN - differences_DN.mean(axis=1, keepdims=True) + gap:
        trial = study.ask()
        for seed, difference in enumerate(differences_N):
            trial.report(float(difference), seed)
            if seed + 1 in rule.looks(seeds) and trial.should_prune():
                count += 1
                break
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return count / len(differences_DN)


def main() -> None:
    """Run the benchmark and print its tables."""
    asked = options(__doc__ or "", ["pixel_baseline", "starter_cnn", "cnn_cirillo"], num_samples=30, search_seeds=5)
    found = on_all(asked, searched)
    rows = []
    for rule in RULES:
        everything: list[Outcome] = []
        for approach, searches in found.items():
            outcomes = [each.outcomes[rule] for each in searches]
            everything += outcomes
            rows.append(_row(rule, approach, outcomes))
        rows.append(_row(rule, "all", everything))
    print(
        f"\n{asked.num_samples} configurations x {asked.seeds} seeds, {asked.search_seeds} searches an approach, "
        f"regret on {asked.confirm_seeds} fresh seeds\n"
    )
    print(aligned(rows, left=("rule", "approach")))
    differences = np.concatenate([each.differences for searches in found.values() for each in searches])
    print(
        f"\nStopped at any look, by how many points the configuration is truly better; {len(differences)} real "
        f"differences, whose sd over seeds is {np.median(differences.std(axis=1, ddof=1)):.1f} points in the median\n"
    )
    looks = [
        {"rule": name} | {f"{gap:+d}": f"{100 * stopped(rule, differences, gap):.0f} %" for gap in GAPS}
        for name, rule in RULES.items()
    ]
    print(aligned(looks, left=("rule",)))


def _row(rule: str, approach: str, outcomes: list[Outcome]) -> dict[str, str]:
    regrets = np.array([each.regret for each in outcomes])
    half = stats.t.ppf(0.975, len(regrets) - 1) * stats.sem(regrets) if len(regrets) > 1 else np.nan
    return {
        "rule": rule,
        "approach": approach,
        "saved": f"{100 * np.mean([each.saved for each in outcomes]):.0f} %",
        "regret": f"{regrets.mean():+.2f}",
        "95 % interval": f"{regrets.mean() - half:+.2f} to {regrets.mean() + half:+.2f}",
        "missed": f"{sum(each.missed for each in outcomes)} of {len(outcomes)}",
    }


if __name__ == "__main__":
    main()

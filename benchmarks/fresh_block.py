"""What the best configurations of a finished sweep give on a block of seeds that nobody has looked at.

python benchmarks/fresh_block.py results/NAME [--approaches ...] [--first 5000] [--seeds 200] [--random] [...]

A confirmation is 50 seeds, always the same ones; who changes code until they look good has chosen on them. This is for
a number to quote: each approach's best configuration on one common block, with the 95 % interval of its mean over
seeds, and the paired difference to the plain baseline. The pool of images is the same as ever, so the interval is not
about other images.

`--random` adds each configuration on its backbone with random weights, and the paired difference: what pretraining is
worth at the same settings. `--test` opens the test split.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy import stats
from searching import quiet

from sweeps.core.challenge import Approach
from sweeps.inputs.inputs import Inputs
from sweeps.inputs.weights import RANDOM
from sweeps.rerun import CHALLENGES
from sweeps.run.one_seed import challenge_of, image_sets_of, inputs_of
from sweeps.stages.ranking import best_complete
from sweeps.store.journal import Journal
from sweeps.store.openings import Openings
from sweeps.store.trials import TrialRecord, searched
from sweeps.views.text_table import aligned
from trainables.parts.datasets import BREASTMNIST, PHANTOM
from trainables.parts.image_sets import ImageSet
from trainables.parts.learner import Learner
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult
from trainables.parts.run_seed import prepare_worker, run_seed

# Seeds that a process runs in one go.
BATCH = 10


@dataclass(frozen=True, kw_only=True)
class Row:
    """Balanced accuracies in per cent of one configuration by seed: on validation images, and on the test split."""

    name: str
    validation: np.ndarray
    test: np.ndarray | None


def main() -> None:
    """Print a row for each approach."""
    quiet()
    asked = _asked()
    journal = Journal(asked.folder, write=False)
    challenge = challenge_of(journal, CHALLENGES)
    trials = journal.trials()
    rows: list[Row] = []
    names = [approach.name for approach in challenge.named(asked.approaches or journal.approaches())]
    for approach in challenge.named(list(challenge.compared(names))):
        best = best_complete(trials, approach.name)
        if best is None:
            continue
        if asked.first_configuration and approach.name in names:
            (best,) = (trial for trial in searched(trials, approach.name) if trial.number == 0)
        rows.append(measured(approach, best, inputs_of(journal, challenge, approach, asked), asked, approach.name))
        if asked.random and approach.features:
            inputs = _with_random_weights(journal, approach, asked)
            rows.append(measured(approach, best, inputs, asked, f"{approach.name}, random"))
    print(f"Seeds {asked.first} to {asked.first + asked.seeds - 1}, in per cent")
    print(aligned([_printed(row, rows) for row in rows], left=("approach",)))


def measured(approach: Approach, best: TrialRecord, inputs: Inputs, asked: argparse.Namespace, name: str) -> Row:
    """The configuration on the block, seeds in several processes."""
    splits = [VALIDATION, TEST] if asked.test else [VALIDATION]
    images = image_sets_of(inputs, approach, best, splits)
    if asked.test:
        # Before there is a number to see; one that the sweep has opened is not counted again.
        Openings(Journal(asked.folder, write=False)).note(name, best.number, best.params)
    weights = inputs.weights_to_train([approach])
    seeds = range(asked.first, asked.first + asked.seeds)
    found = joblib.Parallel(n_jobs=asked.processes)(
        joblib.delayed(_batch)(approach.learner, best.params, seeds[start : start + BATCH], images, splits, weights)
        for start in range(0, len(seeds), BATCH)
    )
    results = [result for batch in found for result in batch]
    failed = [result.error for result in results if result.error]
    if failed:
        raise RuntimeError(f"{name} failed on {len(failed)} seeds, first with: {failed[0]}")
    by_split = {
        split: 100 * np.array([result.balanced_accuracy for result in results if result.split == split])
        for split in splits
    }
    return Row(name=name, validation=by_split[VALIDATION], test=by_split.get(TEST))


def _batch(
    learner: type[Learner],
    params: Mapping[str, Any],
    seeds: Sequence[int],
    images: Mapping[str, ImageSet],
    splits: Sequence[str],
    weights: Mapping[str, Any],
) -> list[SeedResult]:
    prepare_worker()
    return [result for seed in seeds for result in run_seed(learner, params, seed, images, splits, weights=weights)]


def _with_random_weights(journal: Journal, approach: Approach, asked: argparse.Namespace) -> Inputs:
    spec = journal.spec
    return Inputs.find(
        [approach],
        journal.folder.parent,
        dataset=asked.dataset or spec.dataset.source,
        weights=RANDOM,
        also=[f"{BREASTMNIST}={PHANTOM}"],
        precision=spec.precision,
        smoke=spec.smoke,
    )


def _printed(row: Row, rows: Sequence[Row]) -> dict[str, str]:
    """Mean, sd and interval; and what it gains over the plain baseline, or pretrained over random weights."""
    pretrained = next((each for each in rows if row.name == f"{each.name}, random"), None)
    against = pretrained or rows[0]
    difference = row.validation - against.validation
    printed = {
        "approach": row.name,
        "accuracy": f"{row.validation.mean():.2f} +- {row.validation.std(ddof=1):.1f}",
        "95 % interval": _interval(row.validation),
        "less": "" if against is row else against.name,
        "difference": "" if against is row else f"{difference.mean():+.2f}",
        "its 95 % interval": "" if against is row else _interval(difference),
    }
    if row.test is not None:
        printed["test bal. acc."] = f"{row.test.mean():.2f} +- {row.test.std(ddof=1):.1f}"
    return printed


def _interval(values: np.ndarray) -> str:
    found = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    return f"{found.low:.2f} to {found.high:.2f}"


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help="the sweep's folder")
    parser.add_argument("--approaches", nargs="+", help="which; all by default")
    parser.add_argument("--first", type=int, default=5000, help="first seed of the block")
    parser.add_argument("--seeds", type=int, default=200, help="how many")
    parser.add_argument("--test", action="store_true", help="open the test split too")
    parser.add_argument("--random", action="store_true", help="the same settings on random weights too")
    parser.add_argument("--first-configuration", action="store_true", help="each search's first one, not its best")
    parser.add_argument("--weights", help="where the weights are, if not where they were")
    parser.add_argument("--also", nargs="+", help="where other images are, if not where they were: NAME=WHAT")
    parser.add_argument("--dataset", help="where the images are, if not where they were")
    parser.add_argument("--processes", type=int, default=joblib.cpu_count(), help="seeds at the same time")
    return parser.parse_args()


if __name__ == "__main__":
    main()

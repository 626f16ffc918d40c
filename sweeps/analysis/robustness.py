"""What changed test images cost the confirmed winners: balanced accuracy as they are less that after each change.

Both are of the same images and of the same trained classifier of each seed, so that a loss is a paired difference: its
interval is that of a comparison of two approaches, over seeds and images. A loss over several changes is the mean of
theirs in each seed. Losses are fractions of balanced accuracy, whatever ranks; one below 0 is a gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sweeps.analysis.comparisons import compare
from sweeps.analysis.hits import hits_of
from sweeps.analysis.image_error import SEEDS_ALONE, ImagesError, ImageTable
from sweeps.inputs import changed_images
from sweeps.stages.ranking import confirmed_results
from sweeps.stages.robustness import seeds_of_stage
from sweeps.store.spec import Spec, Stored
from sweeps.store.trials import ROBUSTNESS, TrialRecord
from trainables.parts.corruptions import KINDS, UNCHANGED
from trainables.parts.results import SeedResult


class Loss(Stored):
    """The mean loss over `n` seeds, and its 95 % interval; None with one seed.

    `images_error` is the part of its standard error that comes from the choice of the images; it is included in the
    interval, and 0 where that speaks of the seeds alone.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    images_error: float


class ChangeLoss(Stored):
    """The loss by one kind of change; `severity` None is the mean over all of them."""

    kind: str
    severity: int | None
    loss: Loss


class ApproachRobustness(Stored):
    """What changes cost an approach's best configuration.

    Attributes:
        approach: Its name.
        as_they_are: Its balanced accuracy on the same images, unchanged, and the same seeds.
        changes: Losses by kind and severity.
        kinds: Losses by kind.
        mean: Loss over all changes.
        is_complete: Whether all its seeds are there.
        failure: Why it failed, if it did.
    """

    approach: str
    as_they_are: float | None
    changes: tuple[ChangeLoss, ...]
    kinds: tuple[ChangeLoss, ...]
    mean: Loss | None
    is_complete: bool
    failure: str | None

    @property
    def worst(self) -> ChangeLoss | None:
        """The kind that costs it most, if any does; being the greatest of several makes it look a little worse."""
        found = max(self.kinds, key=lambda each: each.loss.mean, default=None)
        return found if found and found.loss.mean > 0 else None


class Robustness(Stored):
    """What changed test images cost every approach.

    Attributes:
        images: Test images of each class that are changed.
        seeds: Fresh seeds that each approach is to have.
        severities: Of each kind of change, from 1 to 5.
        approaches: In the order of the table.
    """

    images: int
    seeds: int
    severities: tuple[int, ...]
    approaches: tuple[ApproachRobustness, ...]

    @property
    def best_known(self) -> ApproachRobustness | None:
        """The first approach of the table that has losses."""
        return next((each for each in self.approaches if each.mean), None)


def robustness(
    trials: Sequence[TrialRecord], winners: Mapping[str, int], confirm_seeds: int, spec: Spec
) -> Robustness | None:
    """The losses of these winners; None if none of them was scored on changed images.

    Args:
        trials: Of the journal.
        winners: Number of the best configuration of each approach, in the order of the table.
        confirm_seeds: Fresh seeds of the confirmation.
        spec: Of the sweep.
    """
    found = {name: confirmed_results(trials, name, number, ROBUSTNESS) for name, number in winners.items()}
    if not any(found.values()):
        return None
    of_images = spec_of_images(spec)
    wanted = len(seeds_of_stage(confirm_seeds))
    changes = changed_images.changes(smoke=spec.smoke)
    return Robustness(
        images=of_images.test_counts[0],
        seeds=wanted,
        severities=tuple(sorted({change.severity for change in changes})),
        approaches=tuple(_of_approach(name, results, wanted, of_images) for name, results in found.items() if results),
    )


def spec_of_images(spec: Spec) -> Spec:
    """The spec of a sweep whose test split are the images that are changed."""
    labels_N = np.repeat(np.arange(len(spec.test_counts)), spec.test_counts)
    rows = changed_images.rows(labels_N, smoke=spec.smoke)
    groups = tuple(np.array(spec.test_groups)[rows].tolist()) if spec.test_groups else ()
    return spec.model_copy(
        update={"test_counts": tuple(np.bincount(labels_N[rows]).tolist()), "test_groups": groups},
    )


def _of_approach(name: str, results: Sequence[SeedResult], wanted: int, spec: Spec) -> ApproachRobustness:
    changes = changed_images.changes(smoke=spec.smoke)
    measured = _Measured(results, changed_images.splits(smoke=spec.smoke), spec)
    failed = next((result for result in results if result.error), None)
    is_known = bool(measured.seeds) and failed is None
    return ApproachRobustness(
        approach=name,
        as_they_are=float(measured.scores[UNCHANGED].mean()) if is_known else None,
        changes=tuple(
            ChangeLoss(kind=change.kind, severity=change.severity, loss=measured.loss([change.split]))
            for change in changes
            if is_known
        ),
        kinds=tuple(
            ChangeLoss(
                kind=kind, severity=None, loss=measured.loss([each.split for each in changes if each.kind == kind])
            )
            for kind in KINDS
            if is_known
        ),
        mean=measured.loss([change.split for change in changes]) if is_known else None,
        is_complete=is_known and len(measured.seeds) >= wanted,
        failure=f"seed {failed.seed}: {failed.error}" if failed else None,
    )


class _Measured:
    """Balanced accuracies and hits of one configuration by split, on the seeds that have all splits."""

    def __init__(self, results: Sequence[SeedResult], splits: Sequence[str], spec: Spec) -> None:
        scores: dict[str, dict[int, float]] = {split: {} for split in splits}
        for result in results:
            if result.error is None and result.balanced_accuracy is not None and result.split in scores:
                scores[result.split][result.seed] = result.balanced_accuracy
        self.seeds = sorted(set.intersection(*(set(of_split) for of_split in scores.values())))
        self.scores = {split: np.array([own[seed] for seed in self.seeds]) for split, own in scores.items()}
        known = [result for result in results if result.seed in set(self.seeds)]
        # Balanced accuracy is the mean of the classes' recalls.
        weights_K = np.full(len(spec.test_counts), 1 / len(spec.test_counts))
        self._tables: dict[str, ImageTable] = {}
        for split in splits:
            hits = hits_of(known, split, ROBUSTNESS, spec)
            if hits is not None and list(hits.seeds) == self.seeds:
                self._tables[split] = hits.table(weights_K)

    def loss(self, splits: Sequence[str]) -> Loss:
        """The mean loss on these splits."""
        before_S, after_S = self.scores[UNCHANGED], np.mean([self.scores[split] for split in splits], axis=0)
        images = self._images_error(splits, before_S - after_S)
        pair = compare(UNCHANGED, "", before_S, after_S, images)
        if pair is None:
            return Loss(n=len(before_S), mean=float((before_S - after_S).mean()), low=None, high=None, images_error=0.0)
        is_gain = pair.worse == UNCHANGED
        mean, low, high = (-pair.mean, -pair.high, -pair.low) if is_gain else (pair.mean, pair.low, pair.high)
        return Loss(n=pair.n, mean=mean, low=low, high=high, images_error=pair.images_error)

    def _images_error(self, splits: Sequence[str], losses_S: np.ndarray) -> ImagesError:
        if not {UNCHANGED, *splits} <= self._tables.keys():
            return SEEDS_ALONE
        after = [self._tables[split] for split in splits]
        mean = replace(
            after[0],
            parts=np.mean([table.parts for table in after], axis=0),
            bound=max(table.bound for table in after),
        )
        return self._tables[UNCHANGED].less(mean).error(losses_S)

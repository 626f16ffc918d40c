"""Many small pools of images where the truth is known: what `calibration.py` judges intervals on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from sweeps.analysis.comparisons import compare
from sweeps.analysis.hits import hits_of
from sweeps.analysis.image_error import SEEDS_ALONE, ImagesError, ImageTable
from sweeps.analysis.intervals import estimate
from sweeps.inputs.images import find_dataset
from sweeps.store.spec import Source, Spec
from sweeps.store.trials import CONFIRM
from trainables.parts.datasets import PHANTOM
from trainables.parts.phantom import phantom_arrays
from trainables.parts.protocol import NUMBERS_VERSION, STUDY_SHOTS, STUDY_VALIDATION, VALIDATION, Protocol
from trainables.parts.results import SeedResult, packed
from trainables.pixel_baseline import PixelBaselineConfig, decision, represent

# Both take a millisecond.
APPROACHES = {
    "ridge on pixels": PixelBaselineConfig(representation="zscore", classifier="ridge", ridge_alpha=100.0),
    "SVM on HOG": PixelBaselineConfig(
        representation="hog", classifier="svm", hog_cell_px=7, svm_c=2.0, svm_gamma_factor=0.7
    ),
}
# Seeds that draw from all images, and are scored on 500 others of each class, for the truth.
TRUTH_SEEDS = 2000
SEEDS_FROM = 1000
# Blocks of seeds that pools take by turns: which images a seed has is another matter in each pool.
BLOCKS = 20


class Images:
    """All training images of a file, as the vectors that each approach looks at, class by class."""

    def __init__(self, asked: str) -> None:
        source = find_dataset(asked)[0].source
        arrays = phantom_arrays() if source == PHANTOM else np.load(Path(source))
        images, labels = arrays["train_images"], arrays["train_labels"].ravel().astype(int)
        order = np.argsort(labels, kind="stable")
        self.counts = tuple(np.bincount(labels).tolist())
        tensor = torch.from_numpy(images[order])
        self.vectors = {name: represent(config, tensor) for name, config in APPROACHES.items()}

    def protocol(self, pool: Sequence[int]) -> Protocol:
        """The study's, on pools of so many images of each class."""
        shots = (STUDY_SHOTS,) * len(pool)
        names = ("normal", "pneumonia")
        return Protocol(
            classes=names,
            shots=shots,
            validation=STUDY_VALIDATION,
            confirmation=STUDY_VALIDATION,
            pool=tuple(pool),
        )

    def run(self, rows: np.ndarray, protocol: Protocol, seeds: Sequence[int]) -> dict[str, list[SeedResult]]:
        """Each approach on each seed, where these rows are the pool."""
        found: dict[str, list[SeedResult]] = {name: [] for name in APPROACHES}
        labels = protocol.labels
        for seed in seeds:
            shots, scored = protocol.split(seed)
            for name, config in APPROACHES.items():
                vectors = self.vectors[name]
                decide = decision(config, vectors[rows[shots]], labels[shots])
                hits = (decide(vectors[rows[scored]]) >= 0) == labels[scored]
                found[name].append(
                    SeedResult(
                        seed=seed,
                        split=VALIDATION,
                        seconds=0.0,
                        timestamp_ms=0,
                        accuracy=float(hits.mean()),
                        hits=packed(hits),
                    )
                )
        return found


def coverage(dataset: str, sizes: Sequence[int], pools: int, seeds: int) -> Iterator[dict[str, str]]:
    """Rows of a table: how often intervals from one pool hold the mean over all pools.

    Args:
        dataset: As for a sweep.
        sizes: Images of each class in a pool.
        pools: How many of each size, drawn at random from all images.
        seeds: Of each pool.
    """
    images = Images(dataset)
    truth = _truth(images)
    for size in sizes:
        protocol = images.protocol((size,) * len(images.counts))
        judged: dict[str, list[_Judged]] = {}
        for pool in range(pools):
            rng = np.random.default_rng([size, pool])
            starts = np.cumsum([0, *images.counts[:-1]])
            drawn = [rng.choice(count, size, replace=False) for count in images.counts]
            rows = np.concatenate([start + own for start, own in zip(starts, drawn, strict=True)])
            first = SEEDS_FROM + seeds * (pool % BLOCKS)
            found = images.run(rows, protocol, range(first, first + seeds))
            for what, each in _judged(found, protocol).items():
                judged.setdefault(what, []).append(each)
        for what, pools_of in judged.items():
            yield {"images a class": str(size), "of": what, **_row(pools_of, truth[what])}


def _of_accuracy(values_S: np.ndarray, images: ImagesError) -> tuple[float, float]:
    found = estimate(values_S, images)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def _of_difference(values_S: np.ndarray, images: ImagesError) -> tuple[float, float]:
    pair = compare("", "", values_S, np.zeros(len(values_S)), images)
    assert pair is not None
    return (pair.low, pair.high) if values_S.mean() >= 0 else (-pair.high, -pair.low)


Interval = Callable[[np.ndarray, ImagesError], tuple[float, float]]


class _Judged:
    """The mean of one pool, its error in parts, and its intervals by how much of the error they have."""

    def __init__(self, interval: Interval, values_S: np.ndarray, table: ImageTable) -> None:
        parts = table.variances(values_S)
        self.mean = float(values_S.mean())
        self.of_seeds = float(values_S.var(ddof=1)) / len(values_S)
        self.scored, self.learned = parts.scored, parts.learned + parts.both
        of_scored = ImagesError(error=math.sqrt(parts.scored), degrees=table.degrees)
        self.intervals = [interval(values_S, images) for images in (SEEDS_ALONE, of_scored, table.error(values_S))]


def _judged(found: Mapping[str, Sequence[SeedResult]], protocol: Protocol) -> dict[str, _Judged]:
    spec = Spec(
        challenge="calibration",
        numbers_version=NUMBERS_VERSION,
        dataset=Source(source="", fingerprint=""),
        protocol=protocol,
        test_counts=(0,) * len(protocol.classes),
        precision="float32",
        smoke=False,
    )
    values, tables = {}, {}
    for name, results in found.items():
        values[name] = np.array([result.accuracy for result in results], dtype=float)
        hits = hits_of(results, VALIDATION, CONFIRM, spec)
        assert hits is not None
        table = hits.table(hits.shares)
        assert table is not None
        tables[name] = table
    judged = {name: _Judged(_of_accuracy, values[name], tables[name]) for name in found}
    one, other = found
    judged["difference"] = _Judged(_of_difference, values[one] - values[other], tables[one].less(tables[other]))
    return judged


def _truth(images: Images) -> dict[str, float]:
    """The mean over all pools: seeds that draw from all images, of which each is as likely to be learned from."""
    protocol = images.protocol(images.counts)
    seeds = range(SEEDS_FROM, SEEDS_FROM + TRUTH_SEEDS)
    found = images.run(np.arange(sum(images.counts)), protocol, seeds)
    means = {name: float(np.mean([result.accuracy for result in results])) for name, results in found.items()}
    one, other = means.values()
    return {**means, "difference": one - other}


def _row(pools: Sequence[_Judged], truth: float) -> dict[str, str]:
    means = np.array([pool.mean for pool in pools])

    def points(variance: float) -> str:
        return f"{100 * np.sqrt(max(variance, 0.0)):.2f}"

    def held(kind: int) -> str:
        return f"{100 * np.mean([low <= truth <= high for low, high in (p.intervals[kind] for p in pools)]):.1f} %"

    of_seeds, scored, learned = (
        float(np.mean([getattr(pool, name) for pool in pools])) for name in ("of_seeds", "scored", "learned")
    )
    return {
        "truth": f"{100 * truth:.1f}",
        "mean of pools": f"{100 * means.mean():.1f}",
        "sd of pools": points(means.var(ddof=1)),
        "estimated": points(of_seeds + scored + learned),
        "by seeds": points(of_seeds),
        "images scored": points(scored),
        "images learned from": points(learned),
        "seeds alone hold": held(0),
        "with scored images": held(1),
        "with all": held(2),
    }

"""The protocol every approach runs under, and the Ray Tune trainable that runs it.

An approach says how to learn from ten images (`fit`); everything else is here: which ten, the random streams of a
seed, the images to score, the metrics, and the steps that Ray Tune sees.

The split of a seed s is the course's own: one `RandomState(s).permutation(1000)` for both classes; of each class (the
first 1000 images of the *train* split, in file order) positions 0:5 train and 5:505 validate.
"""

from __future__ import annotations

import ctypes
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import ray
import torch
from ray import tune
from threadpoolctl import threadpool_limits
from torch import Tensor

from trainables.backbones import FeatureSpec
from trainables.metrics import score

# Raise it in the commit that changes any result of any approach: sweeps begun with other numbers are not resumed.
NUMBERS_VERSION = 3

IMAGES_A_CLASS = 1000
SHOTS_A_CLASS = 5
VALIDATION_A_CLASS = 500
PIXELS = "pixels"
VALIDATION, TEST = "validation", "test"

# A step returns after this long, so a lost worker costs at most one seed or this much, whichever is longer.
STEP_SECONDS = 2.0
# About 50 images stay in a CPU core's cache and score fastest; a fixed size keeps the bits the same everywhere.
SCORING_BATCH = 50


def split_of_seed(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the pool that train (10) and validate (1000) under this seed; class 0 before class 1 in both.

    The pool holds 1000 images of class 0, then 1000 of class 1.
    """
    order = np.random.RandomState(seed).permutation(IMAGES_A_CLASS)
    train = order[:SHOTS_A_CLASS]
    validation = order[SHOTS_A_CLASS : SHOTS_A_CLASS + VALIDATION_A_CLASS]
    return (
        np.concatenate([train, IMAGES_A_CLASS + train]),
        np.concatenate([validation, IMAGES_A_CLASS + validation]),
    )


class Streams:
    """The random streams of one seed: independent of each other, and found by name, so adding one moves no other."""

    def __init__(self, seed: int, _path: tuple[int, ...] = ()) -> None:
        self.seed = seed
        self._path = _path

    def within(self, name: str) -> Streams:
        """Streams for a part, for example one member of an ensemble: independent of those of every other part."""
        return Streams(self.seed, (*self._path, zlib.crc32(name.encode())))

    def integer(self, name: str) -> int:
        """A number of 64 bits that starts the named stream in any library."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(*self._path, zlib.crc32(name.encode())))
        return int(sequence.generate_state(1, np.uint64)[0])

    def generator(self, name: str) -> torch.Generator:
        """The named stream for torch functions that take a generator."""
        return torch.Generator().manual_seed(self.integer(name))

    @contextmanager
    def torch_default(self, name: str) -> Iterator[None]:
        """Within it, torch's own generator is the named stream (layer initialisation and dropout take no other)."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.integer(name))
            yield


@dataclass(frozen=True, kw_only=True)
class Support:
    """What an approach learns from: ten images in the approach's views, their labels, and what else it asks for.

    Attributes:
        images: The ten images in the first view: uint8 (10, 28, 28) for pixels, float32 (10, ...) for frozen features.
        labels: float32 (10,), 0 or 1.
        more: The same ten images in the further views.
        others: Images of other data sets, by the data set's name, in the same views.
        weights: The state dict of the backbone that is trained further; a copy of its own.
    """

    images: Tensor
    labels: Tensor
    more: tuple[Tensor, ...] = ()
    others: Mapping[str, LabelledImages] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images of another data set: the first view (N, ...), and labels, int64 (N,), in that data set's own meaning.

    Both may be read-only, since all trials share them.
    """

    images: np.ndarray
    labels: np.ndarray


# Images in the approach's views, each (N, ...) -> log-odds of pneumonia (N,). It has no memory of the batch's other
# images.
Classifier = Callable[..., Tensor]


def fetched(stored: Any) -> Any:
    """What a reference into Ray's object store stands for, without a copy; anything else is itself."""
    return ray.get(stored) if isinstance(stored, ray.ObjectRef) else stored


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Labelled images in one or more views; a view is an array (N, ...) or Ray's reference to one."""

    labels: np.ndarray
    views: Mapping[str, np.ndarray | ray.ObjectRef]
    # Views that were fetched from the object store in this process: zero-copy, and once.
    _fetched: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def view(self, name: str) -> np.ndarray:
        """The array of that view, (N, ...); read-only if it lies in Ray's object store."""
        if name not in self._fetched:
            self._fetched[name] = fetched(self.views[name])
        return self._fetched[name]


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """What one seed of one configuration gave on one split. Metrics are between 0 and 1, and None if it failed."""

    seed: int
    split: str
    seconds: float
    timestamp_ms: int
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    auroc: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    brier: float | None = None
    error: str | None = None


class SeedTrainable(tune.Trainable):
    """A Ray Tune trainable that runs one configuration over seeds. An approach is a subclass with `fit` and `Config`.

    The Tune configuration of a trial is a request: `params` (the hyperparameters), `blocks` (lists of seeds; a step
    never runs past the end of one, so that the driver can stop a loser there) and `splits`.
    A step reports `results` (a list of `SeedResult` as dictionaries) and `done`.

    A configuration that raises or diverges is a result with its reason, and ends the trial; the actor lives on. The
    same (approach, params, seed) gives the same bits in any process, in any order: nothing is kept between seeds.
    """

    # A frozen, keyword-only dataclass of the approach's hyperparameters.
    Config: ClassVar[type]
    # The frozen features that `views` may name.
    features: ClassVar[tuple[FeatureSpec, ...]] = ()
    # Other data sets that it may learn from besides the ten images.
    others: ClassVar[tuple[str, ...]] = ()
    # Backbones whose weights it may go on training.
    trains: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def fit(cls, config: Any, support: Support, streams: Streams) -> Classifier:
        """Learn from the ten support images. Randomness comes from `streams` alone.

        Args:
            config: An instance of `cls.Config`.
            support: The ten images and labels; the classifier gets images in the same view.
            streams: The seed's named random streams.
        """
        raise NotImplementedError

    @classmethod
    def views(cls, config: Any) -> tuple[str, ...]:
        """Which views of the images this configuration learns from: `PIXELS`, or names of `cls.features`."""
        return (PIXELS,)

    @classmethod
    def learns_from(cls, config: Any) -> tuple[str, ...]:
        """Which of `cls.others` this configuration learns from."""
        return cls.others

    @classmethod
    def trained_further(cls, config: Any) -> str | None:
        """Which of `cls.trains` this configuration goes on training, if any."""
        return None

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], *, image_sets: Mapping[str, ImageSet], weights: Mapping[str, Any] | None = None
    ) -> None:
        """Start an actor.

        Args:
            config: The first request.
            image_sets: The pool under "validation", in confirmation only "test", and other data sets by name.
            weights: State dicts of backbones that are trained further, of arrays, or Ray's references to them.
        """
        prepare_worker()
        self.image_sets = image_sets
        self.weights = weights or {}
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next request. It only assigns: Tune gives up on a trial for which this raises."""
        self.request = new_config
        self.blocks_left = [list(block) for block in new_config["blocks"]]
        return True

    def approach(self) -> type[SeedTrainable]:
        """Whose `fit` this trial uses."""
        return type(self)

    def step(self) -> dict[str, Any]:
        """Run seeds until the block ends, `STEP_SECONDS` pass or one fails."""
        block = self.blocks_left[0]
        until = time.monotonic() + STEP_SECONDS
        results: list[SeedResult] = []
        failed = False
        while block and not failed and (not results or time.monotonic() < until):
            results += run_seed(
                self.approach(),
                self.request["params"],
                block.pop(0),
                self.image_sets,
                self.request["splits"],
                weights=self.weights,
            )
            failed = results[-1].error is not None
        if not block:
            self.blocks_left.pop(0)
        return {"results": [asdict(result) for result in results], "done": failed or not self.blocks_left}


def prepare_worker() -> None:
    """Make this process train as every worker does: on one thread, and without giving freed memory back.

    A trial has one CPU, and the number of threads changes bits. glibc returns large blocks to the system when they are
    freed and gets them back page by page: scoring, and the training of wide layers, are nearly twice as fast without.
    Other C libraries have no such knob.
    """
    torch.set_num_threads(1)
    threadpool_limits(limits=1)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # From glibc's malloc.h.
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, 2**31 - 1)
        mallopt(m_top_pad, 64 << 20)


def run_seed(
    approach: type[SeedTrainable],
    params: Mapping[str, Any],
    seed: int,
    image_sets: Mapping[str, ImageSet],
    splits: Sequence[str] = (VALIDATION,),
    *,
    weights: Mapping[str, Any] | None = None,
) -> list[SeedResult]:
    """Train one configuration on one seed's ten images and score it on each of `splits`.

    Image sets and weights are as for `SeedTrainable.setup`.

    A failure is one result with `error` set, on the first split. `seconds` counts training and scoring; the second
    split's counts only its scoring.
    """
    results: list[SeedResult] = []
    begin = time.perf_counter()

    def result(split: str, **found: Any) -> SeedResult:
        seconds = time.perf_counter() - begin
        return SeedResult(seed=seed, split=split, seconds=seconds, timestamp_ms=time.time_ns() // 1_000_000, **found)

    try:
        config = approach.Config(**params)
        train_rows, validation_rows = split_of_seed(seed)
        support = support_of(approach, config, train_rows, image_sets, weights or {})
        classifier = approach.fit(config, support, Streams(seed))
        for split in splits:
            images = image_sets[split]
            rows = validation_rows if split == VALIDATION else np.arange(len(images.labels))
            logits = classify(classifier, [images.view(name) for name in approach.views(config)], rows)
            results.append(result(split, **score(logits, images.labels[rows])))
            begin = time.perf_counter()
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        return [result(splits[0], error=reason)]
    return results


def support_of(
    approach: type[SeedTrainable],
    config: Any,
    rows: np.ndarray,
    image_sets: Mapping[str, ImageSet],
    weights: Mapping[str, Any],
) -> Support:
    """What the configuration learns from when these rows of the pool are its training images."""
    pool = image_sets[VALIDATION]
    first, *further = approach.views(config)
    backbone = approach.trained_further(config)
    state = fetched(weights[backbone]) if backbone else {}
    return Support(
        images=torch.from_numpy(pool.view(first)[rows]),
        labels=torch.from_numpy(pool.labels[rows].astype(np.float32)),
        more=tuple(torch.from_numpy(pool.view(name)[rows]) for name in further),
        others={
            name: LabelledImages(images=image_sets[name].view(first), labels=image_sets[name].labels)
            for name in approach.learns_from(config)
        },
        weights={name: torch.from_numpy(value.copy()) for name, value in state.items()},
    )


def classify(classifier: Classifier, views: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Logits (N,) of these rows, in batches of `SCORING_BATCH`."""
    batches = [rows[start : start + SCORING_BATCH] for start in range(0, len(rows), SCORING_BATCH)]
    with torch.inference_mode():
        logits = torch.cat([classifier(*[torch.from_numpy(view[batch]) for view in views]) for batch in batches])
    if logits.shape != rows.shape:
        raise ValueError(
            f"Expected one logit an image, shape {rows.shape}; the classifier gives {tuple(logits.shape)}."
        )
    return logits.numpy()

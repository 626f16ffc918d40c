"""One seed of one configuration: train on its few images, score others. Workers and `rerun.py` both run this."""

from __future__ import annotations

import ctypes
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from trainables.parts.image_sets import POOL, ImageSet, LabelledImages, loaded
from trainables.parts.learner import Classifier, Learner, Needs, Support
from trainables.parts.metrics import decided, probabilities, score
from trainables.parts.protocol import TEST, VALIDATION, Protocol
from trainables.parts.results import SeedResult, packed, packed_probabilities
from trainables.parts.streams import Streams

# About 50 images stay in a CPU core's cache and score fastest; a fixed size keeps the bits the same everywhere.
SCORING_BATCH = 50
# Of one seed, images times classes: with more, a journal of many approaches would have hundreds of megabytes.
MOST_PROBABILITIES = 30_000


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
    learner: type[Learner],
    params: Mapping[str, Any],
    seed: int,
    image_sets: Mapping[str, ImageSet],
    splits: Sequence[str] = (VALIDATION,),
    *,
    besides: Sequence[str] = (),
    weights: Mapping[str, Any] | None = None,
    shots: int | None = None,
) -> list[SeedResult]:
    """Train one configuration on one seed's images and score it on each of `splits`.

    A failure is one result with `error` set, on the first split; one after all `splits` were scored leaves them as they
    are, and is on the first of `besides`. `seconds` counts training and scoring, and that of all splits but the first
    only their scoring.

    Args:
        learner: What learns.
        params: Its hyperparameters.
        seed: It draws the images and starts the random streams.
        image_sets: `POOL` with its protocol, `TEST` if that split is scored, and the other data sets that the
            configuration needs.
        splits: What is scored, in this order.
        besides: What is scored after it, for another purpose.
        weights: By backbone, the state dict of those that are trained further, of arrays, or what loads it.
        shots: Images of each class that are learned from; None is as the pool's protocol says.
    """
    results: list[SeedResult] = []
    begin = time.perf_counter()

    def result(split: str, **found: Any) -> SeedResult:
        seconds = time.perf_counter() - begin
        return SeedResult(seed=seed, split=split, seconds=seconds, timestamp_ms=time.time_ns() // 1_000_000, **found)

    try:
        config = learner.Config(**params)
        needs = learner.needs(config)
        protocol = protocol_of(image_sets)
        if shots is not None:
            protocol = protocol.with_shots(shots)
        train_rows, validation_rows = protocol.split(seed)
        support = support_of(needs, train_rows, image_sets, weights or {})
        classifier = learner.fit(config, support, Streams(seed))
        for split in (*splits, *besides):
            images = image_sets[POOL if split == VALIDATION else split]
            rows = validation_rows if split == VALIDATION else np.arange(len(images.labels))
            views = [images.view(name) for name in needs.view_names]
            logits, labels = classify(classifier, views, rows, support.classes), images.labels[rows]
            # Class by class, in the order of the rows otherwise: so whoever has the counts can read them.
            order = np.argsort(labels, kind="stable")
            found = {**score(logits, labels), "hits": packed((decided(logits) == labels)[order])}
            if split == TEST and len(labels) * support.classes <= MOST_PROBABILITIES:
                found["probabilities"] = packed_probabilities(probabilities(logits)[order])
            results.append(result(split, **found))
            begin = time.perf_counter()
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        if len(results) < len(splits):
            return [result(splits[0], error=reason)]
        return [*results[: len(splits)], result(besides[0], error=reason)]
    return results


def protocol_of(image_sets: Mapping[str, ImageSet]) -> Protocol:
    """The protocol that seeds of these images follow.

    Raises:
        ValueError: The pool has none.
    """
    protocol = image_sets[POOL].protocol
    if protocol is None:
        raise ValueError("Expected a pool of images with a protocol; it has none.")
    return protocol


def support_of(
    needs: Needs, rows: np.ndarray, image_sets: Mapping[str, ImageSet], weights: Mapping[str, Any]
) -> Support:
    """What a configuration with these needs learns from when these rows of the pool are its training images."""
    pool = image_sets[POOL]
    first, *further = needs.view_names
    state = {key: value for name in needs.trained_backbones for key, value in loaded(weights[name]).items()}
    return Support(
        images=unpacked(pool.view(first)[rows]),
        labels=torch.from_numpy(pool.labels[rows]),
        classes=len(protocol_of(image_sets).classes),
        more=tuple(unpacked(pool.view(name)[rows]) for name in further),
        other_datasets={
            name: LabelledImages(images=unpacked(image_sets[name].view(first)).numpy(), labels=image_sets[name].labels)
            for name in needs.other_datasets
        },
        weights={key: torch.from_numpy(value.copy()) for key, value in state.items()},
        precision=pool.precision,
    )


def unpacked(rows: np.ndarray) -> torch.Tensor:
    """Rows of a view as they are learned from: float16, which features are stored in, becomes float32.

    By torch, since numpy takes eight times as long for it.
    """
    # Torch warns of what is read-only, as whole tables are.
    found = torch.from_numpy(rows if rows.flags.writeable else rows.copy())
    return found.float() if found.dtype == torch.float16 else found


def classify(classifier: Classifier, views: Sequence[np.ndarray], rows: np.ndarray, classes: int = 2) -> np.ndarray:
    """Log-odds (N,), or logits (N, K) of more than two classes, of these rows, in batches of `SCORING_BATCH`."""

    def tensors(batch: np.ndarray) -> list[torch.Tensor]:
        return [unpacked(view[batch]) for view in views]

    batches = [rows[start : start + SCORING_BATCH] for start in range(0, len(rows), SCORING_BATCH)]
    with torch.inference_mode():
        logits = torch.cat([classifier(*tensors(batch)) for batch in batches])
    wanted = rows.shape if classes == 2 else (*rows.shape, classes)
    if logits.shape != wanted:
        raise ValueError(f"Expected logits of shape {wanted}; the classifier gives {tuple(logits.shape)}.")
    return logits.numpy()

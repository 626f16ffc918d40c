"""The feature tables of frozen backbones: computed once, in parallel, kept on disk, shared by all trials.

A table depends on the images, the backbone, its weights, the input size and the pooling; all of it is in the file's
name. A file that is torn or of another shape is computed again.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import ray
import torch
from torch import Tensor

from sweeps.progress import Progress
from sweeps.resources import Weights
from trainables.backbones import POOLINGS, FeatureSpec, extractor
from trainables.protocol import NUMBERS_VERSION, run_single_threaded

CHUNK = 50


def load_or_compute(
    specs: Sequence[FeatureSpec],
    images: np.ndarray,
    weights: Mapping[str, Weights],
    folder: Path,
    *,
    size_px: int | None,
    split: str,
) -> dict[str, ray.ObjectRef]:
    """Put the table of every spec into Ray's object store, under its name.

    Args:
        specs: Which tables.
        images: uint8 (N, 28, 28).
        weights: Each backbone's.
        folder: Where tables are kept.
        size_px: Input size instead of the spec's own, for quick checks; None is the spec's own.
        split: Whose images they are, for the progress line.

    Returns:
        References to float32 arrays (N, D).
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {}
    for backbone, size in sorted({(spec.backbone, size_px or spec.size_px) for spec in specs}):
        paths = {
            pooling: folder / _file_name(backbone, size, pooling, images, weights[backbone]) for pooling in POOLINGS
        }
        found = {pooling: _open(path, len(images)) for pooling, path in paths.items()}
        if any(table is None for table in found.values()):
            with Progress(f"{backbone} on {split} images", len(images), "images") as progress:
                computed = _compute(backbone, size, images, weights[backbone], progress)
            for pooling, path in paths.items():
                _save(path, computed[pooling])
            found = {pooling: _open(path, len(images)) for pooling, path in paths.items()}
        for spec in specs:
            if spec.backbone == backbone and (size_px or spec.size_px) == size:
                tables[spec.name] = ray.put(np.asarray(found[spec.pooling]))
    return tables


def images_to_compute(
    specs: Sequence[FeatureSpec],
    images: np.ndarray,
    weights: Mapping[str, Weights],
    folder: Path,
    size_px: int | None,
) -> dict[str, int]:
    """How many images still have to go through each backbone; 0 where the tables lie on disk."""
    return {
        backbone: 0
        if all(
            _open(folder / _file_name(backbone, size, pooling, images, weights[backbone]), len(images)) is not None
            for pooling in POOLINGS
        )
        else len(images)
        for backbone, size in sorted({(spec.backbone, size_px or spec.size_px) for spec in specs})
    }


def _file_name(backbone: str, size_px: int, pooling: str, images: np.ndarray, weights: Weights) -> str:
    key = hashlib.sha256(f"{NUMBERS_VERSION} {images.shape} {weights.fingerprint}".encode())
    key.update(np.ascontiguousarray(images).tobytes())
    return f"{backbone}-{size_px}px-{pooling}-{key.hexdigest()[:16]}.npy"


def _open(path: Path, rows: int) -> np.ndarray | None:
    """The table on disk, memory-mapped; None if it is missing, torn or not a table of so many images."""
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    is_table = isinstance(table, np.ndarray) and table.dtype == np.float32 and table.ndim == 2 and len(table) == rows
    return table if is_table else None


def _save(path: Path, table: np.ndarray) -> None:
    """Write it whole or not at all."""
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    with unfinished.open("wb") as file:
        np.save(file, table)
    unfinished.replace(path)


def _compute(
    backbone: str, size_px: int, images: np.ndarray, weights: Weights, progress: Progress
) -> dict[str, np.ndarray]:
    # The chunks do not depend on the number of workers, so neither do the bits.
    # In a list Ray hands the reference on instead of the arrays, so that it can name what a worker has built.
    state = [ray.put({name: value.numpy() for name, value in weights.state.items()})]
    starts = {
        _extract.remote(backbone, state, size_px, images[start : start + CHUNK]): start
        for start in range(0, len(images), CHUNK)
    }
    tables: dict[str, np.ndarray] = {}
    waiting = list(starts)
    while waiting:
        (done,), waiting = ray.wait(waiting, num_returns=1)
        start = starts.pop(done)
        features = ray.get(done)
        for pooling, chunk in features.items():
            if pooling not in tables:
                tables[pooling] = np.empty((len(images), chunk.shape[1]), dtype=np.float32)
            tables[pooling][start : start + len(chunk)] = chunk
        progress.show(len(images) - CHUNK * len(waiting), len(images))
    return tables


@ray.remote(num_cpus=1, max_retries=3)
def _extract(
    backbone: str, state_in_store: list[ray.ObjectRef], size_px: int, images: np.ndarray
) -> dict[str, np.ndarray]:
    run_single_threaded()
    features = _extractor(backbone, state_in_store[0], size_px)(torch.from_numpy(images.copy()))
    return {pooling: table.numpy() for pooling, table in features.items()}


@functools.lru_cache(maxsize=1)
def _extractor(backbone: str, state: ray.ObjectRef, size_px: int) -> Callable[[Tensor], dict[str, Tensor]]:
    """A worker builds a backbone once, not once a chunk."""
    return extractor(backbone, {name: torch.from_numpy(value.copy()) for name, value in ray.get(state).items()}, size_px)

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
from trainables.backbones import FeatureSpec, extractor
from trainables.protocol import NUMBERS_VERSION, prepare_worker

CHUNK = 50


def load_or_compute(
    specs: Sequence[FeatureSpec],
    images: np.ndarray,
    weights: Mapping[str, Weights],
    folder: Path,
    split: str,
    interrupt: Callable[[], None] = lambda: None,
) -> dict[FeatureSpec, np.ndarray]:
    """The table of every spec, float32 (N, D), memory-mapped from disk; computed by Ray's workers if it is not there.

    Args:
        specs: Which tables.
        images: uint8 (N, 28, 28).
        weights: Each backbone's.
        folder: Where tables are kept.
        split: Whose images they are, for the progress line.
        interrupt: Called several times a second while something is computed; what it raises ends it.
    """
    for backbone, size_px in _missing(specs, images, weights, folder):
        with Progress(f"{backbone} on {split} images", len(images), "images") as progress:
            computed = _compute(backbone, size_px, images, weights[backbone], progress, interrupt)
        folder.mkdir(parents=True, exist_ok=True)
        for pooling, table in computed.items():
            spec = FeatureSpec(backbone=backbone, pooling=pooling, size_px=size_px)
            _save(folder / _file_name(spec, images, weights), table)
    tables = {}
    for spec in specs:
        path = folder / _file_name(spec, images, weights)
        found = _open(path, len(images))
        if found is None:
            raise OSError(f"{path} cannot be read back; is the disk full?")
        tables[spec] = found
    return tables


def images_to_compute(
    specs: Sequence[FeatureSpec], images: np.ndarray, weights: Mapping[str, Weights], folder: Path
) -> dict[str, int]:
    """How many images still have to go through each backbone; 0 where the tables lie on disk."""
    missing = [backbone for backbone, _ in _missing(specs, images, weights, folder)]
    return {spec.backbone: missing.count(spec.backbone) * len(images) for spec in specs}


def _missing(
    specs: Sequence[FeatureSpec], images: np.ndarray, weights: Mapping[str, Weights], folder: Path
) -> list[tuple[str, int]]:
    """Backbones and input sizes of which a table is missing; one run through a backbone gives every pooling."""
    missing = {
        (spec.backbone, spec.size_px)
        for spec in specs
        if _open(folder / _file_name(spec, images, weights), len(images)) is None
    }
    return sorted(missing)


def _file_name(spec: FeatureSpec, images: np.ndarray, weights: Mapping[str, Weights]) -> str:
    key = hashlib.sha256(f"{NUMBERS_VERSION} {images.shape} {weights[spec.backbone].fingerprint}".encode())
    key.update(np.ascontiguousarray(images).tobytes())
    return f"{spec.name}-{key.hexdigest()[:16]}.npy"


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
    backbone: str,
    size_px: int,
    images: np.ndarray,
    weights: Weights,
    progress: Progress,
    interrupt: Callable[[], None],
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
        finished, waiting = ray.wait(waiting, num_returns=1, timeout=0.2)
        interrupt()
        for done in finished:
            start = starts.pop(done)
            for pooling, chunk in ray.get(done).items():
                if pooling not in tables:
                    tables[pooling] = np.empty((len(images), chunk.shape[1]), dtype=np.float32)
                tables[pooling][start : start + len(chunk)] = chunk
        progress.show(len(images) - CHUNK * len(waiting), len(images))
    return tables


@ray.remote(num_cpus=1, max_retries=3)
def _extract(
    backbone: str, state_in_store: list[ray.ObjectRef], size_px: int, images: np.ndarray
) -> dict[str, np.ndarray]:
    prepare_worker()
    features = _extractor(backbone, state_in_store[0], size_px)(torch.from_numpy(images.copy()))
    return {pooling: table.numpy() for pooling, table in features.items()}


@functools.lru_cache(maxsize=1)
def _extractor(backbone: str, state: ray.ObjectRef, size_px: int) -> Callable[[Tensor], dict[str, Tensor]]:
    """A worker builds a backbone once, not once a chunk."""
    return extractor(
        backbone, {name: torch.from_numpy(value.copy()) for name, value in ray.get(state).items()}, size_px
    )

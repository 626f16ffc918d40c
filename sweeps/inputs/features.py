"""The feature tables of frozen backbones: computed once, in parallel, kept on disk, shared by all trials.

A table depends on the images, the backbone, its weights, the input's size, normalisation and precision, and which of
the backbone's outputs it holds; all of it is in the file's name. A file that is torn or foreign is computed again.
"""

from __future__ import annotations

import functools
import hashlib
import math
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from torch import Tensor

from sweeps.core.files import whole
from sweeps.core.progress import Progress
from sweeps.inputs.weights import Weights
from trainables.parts import backbones
from trainables.parts.backbones import CHUNK, FEATURES_VERSION, FeatureSpec, extractor
from trainables.parts.run_seed import prepare_worker

# Of a CRC-32, behind the array in its file.
CHECKSUM_BYTES = 4
# How much faster a backbone is in bfloat16 on a processor that computes in it.
BFLOAT16_SPEED = 2.0


def load_or_compute(
    specs: Sequence[FeatureSpec],
    images: np.ndarray,
    weights: Mapping[str, Weights],
    folder: Path,
    what: str,
    slots: Callable[[], int],
    interrupt: Callable[[], None] = lambda: None,
) -> dict[FeatureSpec, np.ndarray]:
    """The table of every spec, (N, ...), memory-mapped from disk; computed by Ray's workers if not there.

    It has float16's digits wherever these are enough, as `_compact` has it, else float32's.

    Args:
        specs: Which tables.
        images: uint8, grey (N, S, S) or of three colours (N, S, S, 3).
        weights: Each backbone's.
        folder: Where tables are kept.
        what: Whose images they are, for the progress line.
        slots: How many workers may compute at the same time; asked again and again.
        interrupt: Called several times a second while something is computed; what it raises ends it.
    """
    keys = _keys(specs, images, weights)
    runs = _runs(specs, keys, folder, len(images))
    if runs:
        folder.mkdir(parents=True, exist_ok=True)
        with Progress(f"Features of {what}", len(runs) * len(images), "images") as progress:
            for run in _computed(runs, images, weights, progress, slots, interrupt):
                for output, table in run.tables.items():
                    _save(folder / _file_name(replace(run.spec, output=output), keys), _compact(table))
    tables = {}
    for spec in specs:
        path = folder / _file_name(spec, keys)
        found = _open(path, len(images))
        if found is None:
            raise OSError(f"{path} cannot be read back; is the disk full?")
        tables[spec] = found
    return tables


def seconds_to_compute(
    specs: Sequence[FeatureSpec], images: np.ndarray, weights: Mapping[str, Weights], folder: Path
) -> dict[str, float]:
    """About how long one CPU core needs for the tables that are not there yet, by backbone."""
    seconds: dict[str, float] = {}
    for run in _runs(specs, _keys(specs, images, weights), folder, len(images)):
        seconds[run.spec.backbone] = seconds.get(run.spec.backbone, 0.0) + run.seconds_per_image * len(images)
    return seconds


def seconds_per_image(spec: FeatureSpec) -> float:
    """About how long one CPU core needs for one image's features."""
    speed = BFLOAT16_SPEED if spec.precision == "bfloat16" else 1.0
    return backbones.seconds_per_image(spec.backbone) * (spec.size_px / 224) ** 2 / speed


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One way of all images through a backbone: what is asked for, and where its outputs are gathered."""

    spec: FeatureSpec
    outputs: tuple[str, ...]
    tables: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def seconds_per_image(self) -> float:
        return seconds_per_image(self.spec)

    def gather(self, start: int, features: Mapping[str, np.ndarray], count: int) -> None:
        """Take the features of a chunk, whose first image is `start` of `count`."""
        for output, chunk in features.items():
            if output not in self.tables:
                self.tables[output] = np.empty((count, *chunk.shape[1:]), dtype=np.float32)
            self.tables[output][start : start + len(chunk)] = chunk


def _runs(specs: Sequence[FeatureSpec], keys: Mapping[str, str], folder: Path, count: int) -> list[_Run]:
    """What must be computed so that every table is there; one way through a backbone gives all its outputs."""
    outputs: dict[FeatureSpec, list[str]] = {}
    for spec in specs:
        if _open(folder / _file_name(spec, keys), count) is None:
            outputs.setdefault(replace(spec, output=""), []).append(spec.output)
    return [_Run(spec=spec, outputs=tuple(dict.fromkeys(found))) for spec, found in outputs.items()]


def _keys(specs: Sequence[FeatureSpec], images: np.ndarray, weights: Mapping[str, Weights]) -> dict[str, str]:
    """By backbone, what tells tables of other images and weights apart; made once, since images may be 300 MB."""
    content = np.ascontiguousarray(images).data

    def key(backbone: str) -> str:
        digest = hashlib.sha256(f"{FEATURES_VERSION} {images.shape} {weights[backbone].fingerprint}".encode())
        digest.update(content)
        return digest.hexdigest()[:16]

    return {backbone: key(backbone) for backbone in {spec.backbone for spec in specs}}


def _file_name(spec: FeatureSpec, keys: Mapping[str, str]) -> str:
    return f"{spec.name}-{spec.precision}-{keys[spec.backbone]}.npy"


def _compact(table: np.ndarray) -> np.ndarray:
    """The table in float16 if that errs by at most a thousandth of its largest number, else as it is.

    Half the disk and memory. Over 40 seeds two heads' mean accuracy moved by 0 and .003 points, a seed's by .1 at most.
    """
    with np.errstate(over="ignore"):
        small = table.astype(np.float16)
    largest = np.abs(table).max()
    return small if np.abs(small - table).max() <= 1e-3 * largest else table


def _open(path: Path, rows: int) -> np.ndarray | None:
    """The table on disk, memory-mapped; None if it is missing, torn or not a table of so many images."""
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
        found = path.stat()
    except Exception:
        # No file, text, a torn array and a zip file are each another exception.
        return None
    is_table = (
        isinstance(table, np.ndarray)
        and table.dtype in (np.float16, np.float32)
        and table.ndim >= 2
        and len(table) == rows
    )
    return table if is_table and _is_whole(path, found.st_mtime_ns, found.st_size) else None


@functools.cache
def _is_whole(path: Path, modified_ns: int, size: int) -> bool:
    """Whether the file ends with the checksum of its name and content.

    Without it a page that never reached the disk passes for zeros, and another table under this name for this one. A
    file is read once for each of its times of modification and sizes.
    """
    content, checksum = np.split(np.memmap(path, dtype=np.uint8, mode="r"), [-CHECKSUM_BYTES])
    return _checksum(path.name, content) == checksum.tobytes()


def _checksum(name: str, content: np.ndarray) -> bytes:
    return zlib.crc32(content.data, zlib.crc32(name.encode())).to_bytes(CHECKSUM_BYTES, "big")


def _save(path: Path, table: np.ndarray) -> None:
    """Write it and its checksum whole or not at all."""
    with whole(path) as unfinished:
        with unfinished.open("wb") as file:
            np.save(file, table)
        checksum = _checksum(path.name, np.memmap(unfinished, dtype=np.uint8, mode="r"))
        with unfinished.open("ab") as file:
            file.write(checksum)


def _computed(
    runs: Sequence[_Run],
    images: np.ndarray,
    weights: Mapping[str, Weights],
    progress: Progress,
    slots: Callable[[], int],
    interrupt: Callable[[], None],
) -> Iterable[_Run]:
    """Each run when its last image is through, with its tables."""
    # The chunks do not depend on the number of workers, so neither do the bits.
    starts = range(0, len(images), CHUNK)
    # In a list Ray hands the reference on instead of the arrays, so that it can name what a worker has built.
    states = {
        name: [ray.put({key: value.numpy() for key, value in weights[name].state.items()})]
        for name in {run.spec.backbone for run in runs}
    }
    chunks = [ray.put(images[start : start + CHUNK]) for start in starts]
    todo = deque((run, start, chunk) for run in runs for start, chunk in zip(starts, chunks, strict=True))
    tasks: dict[ray.ObjectRef[Any], tuple[_Run, int]] = {}
    missing = {id(run): len(starts) for run in runs}
    # Backbones differ a hundredfold in cost, so the time left goes by work and not by images.
    work = sum(run.seconds_per_image * len(starts) for run in runs)
    work_done, images_done = 0.0, 0
    # The pace is that behind the first chunk, before which workers start: at first it would say hours.
    begin, work_at_begin = None, 0.0
    while todo or tasks:
        while todo and len(tasks) < slots():
            run, start, chunk = todo.popleft()
            tasks[_extract.remote(run.spec, run.outputs, states[run.spec.backbone], chunk)] = (run, start)
        finished, _ = ray.wait(list(tasks), num_returns=1, timeout=0.2)
        interrupt()
        for done in finished:
            run, start = tasks.pop(done)
            run.gather(start, ray.get(done), len(images))
            work_done += run.seconds_per_image
            images_done += min(CHUNK, len(images) - start)
            if begin is None:
                begin, work_at_begin = time.monotonic(), work_done
            paced = work_done - work_at_begin
            seconds_left = (time.monotonic() - begin) * (work - work_done) / paced if paced else math.inf
            progress.show(images_done, len(runs) * len(images), seconds_left, run.spec.backbone)
            missing[id(run)] -= 1
            if not missing[id(run)]:
                yield run
                run.tables.clear()


@ray.remote(num_cpus=1, max_retries=3)
def _extract(
    spec: FeatureSpec, outputs: tuple[str, ...], state_in_store: list[ray.ObjectRef[Any]], images: np.ndarray
) -> dict[str, np.ndarray]:
    prepare_worker()
    features = _extractor(spec, outputs, state_in_store[0])(torch.from_numpy(images.copy()))
    return {output: table.numpy() for output, table in features.items()}


@functools.lru_cache(maxsize=1)
def _extractor(
    spec: FeatureSpec, outputs: tuple[str, ...], state: ray.ObjectRef[Any]
) -> Callable[[Tensor], dict[str, Tensor]]:
    """A worker builds a backbone once, not once a chunk."""
    weights = {name: torch.from_numpy(value.copy()) for name, value in ray.get(state).items()}
    return extractor(spec, outputs, weights)

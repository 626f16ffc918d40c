"""How fast seeds are trained: the project's own loop against a notebook's.

python benchmarks/training.py [--dataset PATH] [--seeds 50]

Both train `cnn` and `cnn_cirillo` with the published setting on seeds 0, 1, 2 and so on, and validate on 1000 images.
The notebook's loop (benchmarks/notebook.py) runs in this process with torch's default number of threads, which is all
cores. Ours runs as in a sweep: one single-threaded process a core, each taking the next seed. Before the clock starts
either side has imported everything and trained a seed in each of its processes. The two take turns, a chunk of seeds
each, so that whatever else the machine does hits both; "of chunks" is the median of the chunks' own ratios, with the
least and the greatest. "GFLOP/s" is the arithmetic of a seed (PyTorch's own count, convolutions and matrix products)
over the seconds that a process of ours takes for it; the last line says what the same processes do of matrix products
that are large enough to keep a core busy with nothing else: what is left to gain without doing less arithmetic.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from functools import partial
from multiprocessing.pool import Pool
from typing import Any

import torch
from notebook import train_and_validate
from torch.utils.flop_counter import FlopCounterMode

from search_spaces.published.challenge1 import PUBLISHED
from sweeps.inputs.images import find_dataset
from sweeps.views.text_table import aligned
from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.learner import Learner
from trainables.parts.run_seed import prepare_worker, run_seed
from trainables.small_cnn import CNN, CNNCirillo

CHUNK = 10
# A worker that is not ready by then has failed.
WARM_UP_SECONDS = 120.0
SYSTEMS: dict[str, tuple[type[Learner], dict[str, Any]]] = {
    "cnn": (CNN, dict(PUBLISHED["cnn"].params)),
    "cnn_cirillo": (CNNCirillo, dict(PUBLISHED["cnn_cirillo"].params)),
}

# Of a worker process: what its seeds are drawn from.
_image_sets: dict[str, ImageSet] = {}


def start_worker(image_sets: dict[str, ImageSet], ready: Any) -> None:
    """Prepare a worker as the sweep's are, train a seed, and wait until all the others have done so."""
    prepare_worker()
    _image_sets.update(image_sets)
    for system in SYSTEMS:
        accuracy_of_ours(system, 0)
    ready.wait(WARM_UP_SECONDS)


def accuracy_of_ours(system: str, seed: int) -> float:
    """Validation accuracy of one seed, in a worker."""
    learner, params = SYSTEMS[system]
    result = run_seed(learner, params, seed, _image_sets)[0]
    if result.accuracy is None:
        raise RuntimeError(f"Seed {seed} of {system} failed: {result.error}.")
    return result.accuracy


def gflop_of_ours(system: str) -> float:
    """Of one seed, in 10^9 operations, counted in a worker."""
    with FlopCounterMode(display=False) as counter:
        accuracy_of_ours(system, 0)
    return counter.get_total_flops() / 1e9


def gflops_of_products(side: int) -> float:
    """Of products of matrices of `side` x `side`, in a worker; the best of some, in 10^9 operations a second."""
    matrix = torch.rand(side, side)
    seconds = []
    for _ in range(20):
        begin = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - begin)
    return 2 * side**3 / min(seconds) / 1e9


def compared(system: str, seeds: Sequence[int], pool: Pool, images: ImageSet) -> list[dict[str, str]]:
    """The two rows of a system in the table."""
    params = SYSTEMS[system][1] | {"weight_decay": 0.0}  # The default of `torch.optim.Adam`.
    array = images.view(PIXELS)
    train_and_validate(params, 0, array, images.labels)
    seconds: dict[str, list[float]] = {"notebook": [], "ours": []}
    accuracies: dict[str, list[float]] = {"notebook": [], "ours": []}
    for start in range(0, len(seeds), CHUNK):
        chunk = seeds[start : start + CHUNK]
        begin = time.perf_counter()
        accuracies["notebook"] += [train_and_validate(params, seed, array, images.labels) for seed in chunk]
        middle = time.perf_counter()
        accuracies["ours"] += pool.map(partial(accuracy_of_ours, system), chunk, chunksize=1)
        seconds["notebook"].append(middle - begin)
        seconds["ours"].append(time.perf_counter() - middle)
    total = {side: sum(times) for side, times in seconds.items()}
    gflop = pool.apply(gflop_of_ours, (system,))
    ratios = [theirs / own for theirs, own in zip(seconds["notebook"], seconds["ours"], strict=True)]
    return [
        {
            "approach": system,
            "loop": side,
            "seconds": f"{total[side]:.1f}",
            "a seed": f"{total[side] / len(seeds):.3f}",
            "accuracy, %": spread(accuracies[side]),
            "ratio": f"{total['notebook'] / total[side]:.1f}",
            "of chunks": f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
            if side == "ours"
            else "",
            "GFLOP/s": f"{gflop * len(seeds) / total[side] / (os.cpu_count() or 1):.0f}" if side == "ours" else "",
        }
        for side in total
    ]


def spread(accuracies: Sequence[float]) -> str:
    """Mean and standard deviation over seeds, in per cent."""
    sd = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    return f"{100 * statistics.mean(accuracies):.1f} +- {100 * sd:.1f}"


def main() -> None:
    """Run both sides and print the table."""
    parser = argparse.ArgumentParser(description="Seconds a seed of training: a notebook's loop against ours.")
    parser.add_argument("--dataset", default="phantom", help="path of an .npz file (default: the built-in phantom)")
    parser.add_argument("--seeds", type=int, default=50, help="seeds of each approach (default: 50)")
    options = parser.parse_args()
    dataset, _ = find_dataset(options.dataset)
    images = dataset.pixel_sets()[POOL]
    workers = os.cpu_count() or 1
    print(
        f"{options.seeds} seeds on {'the phantom' if dataset.is_phantom else 'real images'}; notebook: 1 process of "
        f"{torch.get_num_threads()} threads; ours: {workers} processes of 1 thread\n"
    )
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(workers + 1)
    with spawn.Pool(workers, start_worker, ({POOL: images}, ready)) as pool:
        ready.wait(WARM_UP_SECONDS)
        rows = [row for system in SYSTEMS for row in compared(system, range(options.seeds), pool, images)]
        products = pool.map(gflops_of_products, [1024] * workers, chunksize=1)
    print(aligned(rows, left=("approach", "loop")))
    print(f"\nMatrix products in as many processes: {statistics.mean(products):.0f} GFLOP/s each")


if __name__ == "__main__":
    main()

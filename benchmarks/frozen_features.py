"""What the tables of frozen features are worth: seeds of `vgg11_mlp` from a table against a notebook's.

python benchmarks/frozen_features.py [--dataset PATH] [--weights random] [--seeds 2] [--of 50] [--checked 200]

Both train `vgg11_mlp` with the published setting and validate on 1000 images.

- Are they the same numbers? The features of seed 0's ten training images and of some of its validation images, as the
  sweep has them (computed in chunks of 50 by Ray's single-threaded workers, kept on disk, memory-mapped), against those
  that the same network gives in this process, ten images at a time and on all cores; and the metrics of seed 0 from
  either, over those validation images. In float32, and in bfloat16 if the sweep computes in it here.
- How much faster? The notebook (benchmarks/notebook.py) passes each image through the whole of VGG11 whenever it is
  needed: ten images forward and backward at each of 30 epochs, then 1000 forward; in float32, in this process, with
  torch's default number of threads, which is all cores. A second notebook knows that VGG11's own gradients are not
  needed, and omits them. Ours computes the features of all 2000 images once, in a temporary folder, in the
  precision that a sweep takes by default; then each seed trains and validates the head alone, in one single-threaded
  process a core. Before the clock of the seeds starts either side has imported everything and built its network, and
  each process of ours has trained a seed. All take turns, a seed of each notebook's and a share of ours, so that
  whatever else the machine does hits all.

The notebooks are slow, so they train `--seeds` seeds, and what they take is scaled up to `--of`; ours trains them all.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from notebook import train_head_and_validate
from torch import nn
from training import spread

from search_spaces.published.challenge2 import PUBLISHED
from sweeps.engine.cluster import Slots, start_ray
from sweeps.inputs.features import load_or_compute
from sweeps.inputs.images import find_dataset
from sweeps.inputs.inputs import fastest_precision
from sweeps.inputs.weights import RANDOM, Weights, find_weights
from sweeps.views.text_table import aligned
from trainables.frozen_head import VGG11MLP
from trainables.parts.backbones import FeatureSpec, empty_backbone, extractor
from trainables.parts.image_sets import PIXELS, POOL, ImageSet
from trainables.parts.learner import Support
from trainables.parts.metrics import METRICS, score
from trainables.parts.protocol import STUDY_SHOTS, STUDY_VALIDATION, study_protocol
from trainables.parts.run_seed import classify, prepare_worker, run_seed, unpacked
from trainables.parts.streams import Streams

BACKBONE = "vgg11"
# Images of a chunk of the direct pass: another number than the sweep's, which must not matter.
DIRECT_CHUNK = 10
# A worker that is not ready by then has failed.
WARM_UP_SECONDS = 120.0

# Whether VGG11's own gradients are computed.
NOTEBOOKS = {"notebook": True, "notebook without VGG11's gradients": False}
OURS = "ours"

# Of a worker process: what its seeds are drawn from.
_image_sets: dict[str, ImageSet] = {}


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The images, the weights and the folder that feature tables are made from and kept in."""

    images: ImageSet
    weights: Mapping[str, Weights]
    folder: Path

    def of(self, spec: FeatureSpec, rows: np.ndarray | None = None) -> np.ndarray:
        """The sweep's own table, of all images or of some rows; Ray computes it if it is not there."""
        pixels = self.images.view(PIXELS)
        wanted = pixels if rows is None else pixels[rows]
        return load_or_compute([spec], wanted, self.weights, self.folder, "images", Slots(None))[spec]

    def directly(self, spec: FeatureSpec, rows: np.ndarray) -> np.ndarray:
        """The features of these rows, by the network itself in this process."""
        extract = extractor(spec, (spec.output,), self.weights[spec.backbone].state)
        pixels = self.images.view(PIXELS)
        chunks = [rows[start : start + DIRECT_CHUNK] for start in range(0, len(rows), DIRECT_CHUNK)]
        return np.concatenate([extract(torch.from_numpy(pixels[chunk]))[spec.output].numpy() for chunk in chunks])


def metrics_of(params: Mapping[str, Any], features: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Metrics of seed 0, whose ten training images come first, over all the other images."""
    features = unpacked(features).numpy()
    shots = 2 * STUDY_SHOTS
    support = Support(
        images=torch.from_numpy(features[:shots].copy()), labels=torch.from_numpy(labels[:shots].astype(np.float32))
    )
    classifier = VGG11MLP.fit(VGG11MLP.Config(**params), support, Streams(0))
    return score(classify(classifier, [features], np.arange(shots, len(features))), labels[shots:])


def same_numbers(params: Mapping[str, Any], table_spec: FeatureSpec, tables: Tables, checked: int) -> str:
    """Features and metrics from the sweep's tables against those computed directly, in each precision."""
    train_rows, validation_rows = study_protocol().split(0)
    rows = np.concatenate([train_rows, validation_rows[np.linspace(0, len(validation_rows) - 1, checked).astype(int)]])
    labels = tables.images.labels[rows]
    lines, from_sweep = [], {}
    for precision in dict.fromkeys(("float32", table_spec.precision)):
        spec = replace(table_spec, precision=precision)
        # The table of all images is there in the sweep's precision only; another would take minutes.
        sweeps = tables.of(spec)[rows] if spec == table_spec else tables.of(spec, rows)
        direct = tables.directly(spec, rows)
        from_sweep[precision] = metrics_of(params, sweeps, labels)
        from_direct = metrics_of(params, direct, labels)
        lines.append(
            {
                "precision": precision,
                "greatest difference / greatest feature": f"{np.abs(sweeps - direct).max() / np.abs(direct).max():.1e}",
                "features with the same bits": f"{np.mean(sweeps == direct):.2%}",
                "metrics": "the same" if from_sweep[precision] == from_direct else "differ",
                **{metric: f"{from_sweep[precision][metric]:.4f}" for metric in METRICS},
                "greatest difference of a metric": f"{greatest_difference(from_sweep[precision], from_direct):.1e}",
                "from float32's": f"{greatest_difference(from_sweep[precision], from_sweep['float32']):.1e}",
            }
        )
    return "\n".join(
        [
            f"Features from the sweep's tables against computed directly: seed 0, {2 * STUDY_SHOTS} training and "
            f"{checked} validation images; metrics from the tables",
            "",
            aligned(
                [{"": name} | {line["precision"]: line[name] for line in lines} for name in lines[0]][1:], left=("",)
            ),
        ]
    )


def greatest_difference(metrics: Mapping[str, float], others: Mapping[str, float]) -> float:
    """Of any of the metrics."""
    return max(abs(metrics[name] - others[name]) for name in metrics)


def start_worker(params: Mapping[str, Any], spec: FeatureSpec, tables: Tables, ready: Any) -> None:
    """Prepare a worker as the sweep's are, map the table, train a seed, and wait until all the others have done so."""
    prepare_worker()
    _image_sets[POOL] = ImageSet(labels=tables.images.labels, views={spec.name: tables.of(spec)})
    accuracy_of_ours((params, 0))
    ready.wait(WARM_UP_SECONDS)


def accuracy_of_ours(task: tuple[Mapping[str, Any], int]) -> float:
    """Validation accuracy of one seed, in a worker."""
    params, seed = task
    result = run_seed(VGG11MLP, params, seed, _image_sets)[0]
    if result.accuracy is None:
        raise RuntimeError(f"Seed {seed} failed: {result.error}.")
    return result.accuracy


def notebooks_network(weights: Weights, size_px: int) -> nn.Module:
    """VGG11 as a notebook has it from torchvision, without a classifier; it has seen a batch already."""
    network = empty_backbone(BACKBONE).to_empty(device="cpu")
    network.load_state_dict(dict(weights.state))
    with torch.no_grad():
        network(torch.zeros(32, 3, size_px, size_px))
    return network


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one side's seeds, from seed 0 on, took and gave."""

    seconds: float
    accuracies: Sequence[float]


def compared(
    params: Mapping[str, Any], seeds: int, of: int, pool: Pool, images: ImageSet, network: nn.Module
) -> dict[str, Side]:
    """Train `seeds` seeds as each notebook and `of` seeds as a sweep's workers, taking turns."""
    sides = {side: Side(seconds=0.0, accuracies=[]) for side in (*NOTEBOOKS, OURS)}

    def add(side: str, run: Callable[[], Sequence[float]]) -> None:
        begin = time.perf_counter()
        accuracies = [*sides[side].accuracies, *run()]
        sides[side] = Side(seconds=sides[side].seconds + time.perf_counter() - begin, accuracies=accuracies)

    def notebooks(seed: int) -> list[float]:
        return [train_head_and_validate(params, seed, images.view(PIXELS), images.labels, network)]

    for seed, share in enumerate(np.array_split(np.arange(of), seeds)):
        for side, needs_gradients in NOTEBOOKS.items():
            network.requires_grad_(needs_gradients)
            add(side, partial(notebooks, seed))
            network.zero_grad()
        add(OURS, partial(pool.map, accuracy_of_ours, [(params, int(each)) for each in share], 1))
    return sides


def shown(sides: Mapping[str, Side], feature_seconds: float, of: int) -> str:
    """What was measured, and what it means for `of` seeds."""
    ours = sides[OURS]
    common = min(len(side.accuracies) for side in sides.values())
    measured = [
        {
            "side": name,
            "seeds": str(len(side.accuracies)),
            "seconds": f"{side.seconds:.1f}",
            "a seed": f"{side.seconds / len(side.accuracies):.2f}",
            f"accuracy of the first {common}, %": spread(side.accuracies[:common]),
            "of all, %": spread(side.accuracies),
        }
        for name, side in sides.items()
    ]
    whole = {name: of / common * sides[name].seconds for name in NOTEBOOKS} | {
        "ours, cold (with the features)": feature_seconds + ours.seconds,
        "ours, warm (features on disk)": ours.seconds,
    }
    rows = [
        {
            "side": name,
            f"seconds for {of} seeds": f"{seconds:.0f}",
            **{f"faster than {notebook}": f"{whole[notebook] / seconds:.1f}" for notebook in NOTEBOOKS},
        }
        for name, seconds in whole.items()
    ]
    return "\n".join(
        [
            aligned(measured, left=("side",)),
            "",
            aligned(rows, left=("side",)),
            "",
            f"Measured: the features of all images once, {feature_seconds:.1f} s; {len(ours.accuracies)} of our seeds, "
            f"wall time of all processes together; {common} seeds of each notebook's. Extrapolated: a notebook's "
            f"seconds for {of} seeds, {of} times its seconds a seed.",
        ]
    )


def measured_features(spec: FeatureSpec, tables: Tables) -> float:
    """Seconds that Ray's workers take for the table of all images, with their own start and until it lies on disk."""
    begin = time.perf_counter()
    tables.of(spec)
    return time.perf_counter() - begin


def run(options: argparse.Namespace, folder: Path) -> None:
    """Run both parts and print their tables."""
    dataset, _ = find_dataset(options.dataset)
    weights, notice = find_weights(options.weights, [BACKBONE])
    params = dict(PUBLISHED["vgg11_mlp"].params) | {"tap": f"5@{options.size_px}"}
    (offered,) = VGG11MLP.needs(VGG11MLP.Config(**params)).features
    spec = replace(offered, precision=fastest_precision())
    tables = Tables(images=dataset.pixel_sets()[POOL], weights=weights, folder=folder)
    workers = os.cpu_count() or 1
    is_random = weights[BACKBONE].is_random
    print(
        f"{'the phantom' if dataset.is_phantom else 'real images'}, {options.size_px} px; "
        f"{'RANDOM WEIGHTS, so no accuracy here is about pretraining' if is_random else weights[BACKBONE].source}; "
        f"notebook: float32, 1 process of {torch.get_num_threads()} threads; ours: features in {spec.precision}, "
        f"{workers} processes of 1 thread\n" + (f"{notice}\n" if notice else ""),
        flush=True,
    )
    # Only this machine is measured: no cluster that happens to run is joined.
    os.environ.pop("RAY_ADDRESS", None)
    start_ray(None, workers)
    feature_seconds = measured_features(spec, tables)
    print(same_numbers(params, spec, tables, options.checked) + "\n", flush=True)
    ray.shutdown()
    network = notebooks_network(weights[BACKBONE], options.size_px)
    # Workers look for a table by the weights' fingerprint.
    light = replace(tables, weights={BACKBONE: replace(weights[BACKBONE], state={})})
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(workers + 1)
    with spawn.Pool(workers, start_worker, (params, spec, light, ready)) as pool:
        ready.wait(WARM_UP_SECONDS)
        sides = compared(params, options.seeds, options.of, pool, tables.images, network)
    print(shown(sides, feature_seconds, options.of))


def main() -> None:
    """Read the options and run in a temporary folder."""
    parser = argparse.ArgumentParser(description="Seconds a seed on a frozen network: a notebook's loop against ours.")
    add = parser.add_argument
    add("--dataset", default="phantom", help="path of an .npz file (default: the built-in phantom)")
    add("--weights", default=RANDOM, help="VGG11's: random, imagenet or a path (default: random)")
    add("--seeds", type=int, default=2, help="seeds of the notebook's (default: 2)")
    add("--of", type=int, default=50, help="seeds of ours, and of the notebook's by extrapolation (default: 50)")
    add("--checked", type=int, default=200, help="validation images whose features are compared (default: 200)")
    add("--size-px", type=int, choices=(224, 128), default=224, help="of the images that VGG11 gets (default: 224)")
    options = parser.parse_args()
    most = 2 * STUDY_VALIDATION
    if not (1 <= options.seeds <= options.of and 2 <= options.checked <= most):
        parser.error(f"Expected 1 <= --seeds <= --of and 2 <= --checked <= {most}.")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        run(options, Path(folder))


if __name__ == "__main__":
    main()

"""Ray, and what its workers have within reach: it is started when the first stage needs it, and runs one after another.

Arrays go into the object store once, and a stage's workers see the images of its splits and no others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic

import ray

from sweeps.core.cpus import usable_cpus
from sweeps.core.progress import Progress
from sweeps.core.signals import Signals
from sweeps.engine import cluster, tune_loop
from sweeps.engine.addresses import cluster_address
from sweeps.run.command import PlannedStage, Prepared
from sweeps.run.options import AnyOptions
from sweeps.stages.fixed import FixedStage
from sweeps.stages.stage import Stage
from sweeps.store.trials import FRESH
from trainables.parts.image_sets import POOL, ImageSet
from trainables.parts.protocol import VALIDATION
from trainables.seed_trainable import InObjectStore


@dataclass(kw_only=True)
class Workers(Generic[AnyOptions]):
    """Runs stages on Ray's workers, here or on a cluster."""

    prepared: Prepared[AnyOptions]
    signals: Signals
    # Where a Ray that was started here has its logs.
    logs: Path | None = None
    # What is in Ray's object store so far.
    _image_sets: dict[str, ImageSet] = field(default_factory=dict)
    _weights: dict[str, InObjectStore] = field(default_factory=dict)

    def start(self) -> None:
        """Start Ray, or connect to the cluster."""
        options = self.prepared.options
        self.logs = cluster.start_ray(options.address, options.workers)

    def start_if_on_a_cluster(self) -> None:
        """Connect to a cluster, if one is asked for: only connecting tells whether it is there."""
        if cluster_address(self.prepared.options.address):
            self.start()

    def slots_now(self) -> int:
        """How many trials can run at the same time, also before Ray is started."""
        workers = self.prepared.options.workers
        return cluster.Slots(workers)() if ray.is_initialized() else workers or usable_cpus().allowed

    def limit(self) -> str:
        """What allows fewer CPUs than this machine has, if it says how many slots there are, or there are more."""
        workers, cpus = self.prepared.options.workers, usable_cpus()
        is_felt = cpus.limit and (workers is None or workers > cpus.allowed)
        return str(cpus) if is_felt and not cluster_address(self.prepared.options.address) else ""

    def run(self, planned: PlannedStage) -> None:
        """Run one stage to its end, with the images of its splits and of other data sets within the workers' reach."""
        stage, slots = planned.stage, cluster.Slots(self.prepared.options.workers)
        self.signals.stop_if_one_came()
        if stage.is_finished():
            return
        if not ray.is_initialized():
            self.start()
        image_sets = self._stored(stage, slots)
        before = stage.seeds_done
        with Progress(planned.title, stage.seeds_left, "seeds") as progress:

            def watch() -> None:
                done = stage.seeds_done - before
                progress.show(done, done + stage.seeds_left, stage.seconds_left / slots(), stage.best_so_far())

            tune_loop.run(
                stage,
                learners={approach.name: approach.learner for approach in self.prepared.approaches},
                image_sets=image_sets,
                weights=self._weights,
                slots=slots,
                seed_timeout=self.prepared.options.seed_timeout,
                watcher=watch,
                interrupt=self.signals.stop_if_one_came,
            )
        self.signals.stop_if_one_came()

    def _stored(self, stage: Stage, slots: cluster.Slots) -> dict[str, ImageSet]:
        """The image sets that the stage needs, in the object store; features that are missing are computed."""
        inputs, approaches = self.prepared.inputs, self.prepared.approaches
        scored = [POOL if split == VALIDATION else split for split in stage.splits]
        names = list(dict.fromkeys([POOL, *scored, *inputs.other_datasets]))
        views = self._views(stage) if isinstance(stage, FixedStage) else None
        # Of two fixed stages, each may look at what the other does not.
        lacking = [name for name in names if not self._has(name, views)]
        found = inputs.image_sets(
            approaches, lacking, slots=slots, views=views, interrupt=self.signals.stop_if_one_came
        )
        self._image_sets |= {name: _in_store(images, self._image_sets.get(name)) for name, images in found.items()}
        if not self._weights:
            states = inputs.weights_to_train(approaches)
            self._weights = {name: InObjectStore(ray.put(state)) for name, state in states.items()}
        stored = {name: self._image_sets[name] for name in names}
        if stage.name in FRESH:
            stored[POOL] = stored[POOL].for_confirmation()
        return stored

    def _has(self, name: str, views: set[str] | None) -> bool:
        """Whether the image set is in the object store with these views."""
        had = self._image_sets.get(name)
        return had is not None and (views is None or views <= had.views.keys())

    def _views(self, stage: FixedStage) -> set[str]:
        """What the stage's tasks look at, which spares most of the backbones' work."""
        learners = {approach.name: approach.learner for approach in self.prepared.approaches}
        return {
            view
            for task in stage.waiting
            for view in learners[task.approach].needs(learners[task.approach].Config(**task.params)).view_names
        }


def _in_store(images: ImageSet, had: ImageSet | None) -> ImageSet:
    """The same image set with its arrays in the object store, besides those that it has there already."""
    stored = dict(had.views) if had else {}
    new = {name: InObjectStore(ray.put(array)) for name, array in images.views.items() if name not in stored}
    return replace(images, views={**stored, **new})

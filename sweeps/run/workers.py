"""Ray, and what its workers have within reach: it is started when the first stage needs it, and runs one after another.

Arrays go into the object store once, and a stage's tasks reach the images of its splits and no others.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Generic

import ray

from sweeps.core.cpus import usable_cpus
from sweeps.core.progress import Part, Progress
from sweeps.core.signals import Signals
from sweeps.engine import cluster, tune_loop
from sweeps.engine.addresses import cluster_address
from sweeps.engine.dispatcher import Work
from sweeps.run.command import PlannedStage, Prepared
from sweeps.run.options import AnyOptions
from sweeps.stages.control import ZSCORE_RIDGE
from sweeps.stages.fixed import FixedStage
from sweeps.stages.stage import Stage
from sweeps.store.trials import FRESH
from trainables.parts.image_sets import POOL, ImageSet
from trainables.parts.learner import Learner
from trainables.parts.protocol import VALIDATION
from trainables.seed_trainable import InObjectStore


@dataclass(kw_only=True)
class Workers(Generic[AnyOptions]):
    """Runs stages on Ray's workers, here or on a cluster."""

    prepared: Prepared[AnyOptions]
    signals: Signals
    # The stage with which the next Tune run begins.
    _next: PlannedStage | None = None
    # What is in Ray's object store so far.
    _image_sets: dict[str, ImageSet] = field(default_factory=dict)
    _weights: dict[str, InObjectStore] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slots = cluster.Slots(self.prepared.options.workers)

    def start(self) -> None:
        """Start Ray, or connect to the cluster."""
        options = self.prepared.options
        cluster.start_ray(options.address, options.workers)

    def start_if_on_a_cluster(self) -> None:
        """Connect to a cluster, if one is asked for: only connecting tells whether it is there."""
        if cluster_address(self.prepared.options.address):
            self.start()

    def slots_now(self) -> int:
        """How many trials can run at the same time; only a cluster is asked, and only once it is connected to."""
        workers = self.prepared.options.workers
        is_connected = ray.is_initialized() and not cluster.started_here()
        return self._slots() if is_connected else workers or usable_cpus().allowed

    def limit(self) -> str:
        """What allows fewer CPUs than this machine has, if it says how many slots there are, or there are more."""
        workers, cpus = self.prepared.options.workers, usable_cpus()
        is_felt = cpus.limit and (workers is None or workers > cpus.allowed)
        return str(cpus) if is_felt and not cluster_address(self.prepared.options.address) else ""

    def run(self, stages: Iterator[PlannedStage]) -> None:
        """Run the stages to their end, each made when the one before has ended.

        One Tune run serves as many as it can. Its idle workers hold the CPUs, so where features of a backbone must be
        computed, another begins.
        """
        left = (planned for planned in stages if not planned.stage.is_finished())
        self._next = next(left, None)
        while self._next is not None:
            self.signals.stop_if_one_came()
            if not ray.is_initialized():
                self.start()
            if not self._weights:
                states = self.prepared.inputs.weights_to_train(self.prepared.approaches)
                self._weights = {name: InObjectStore(ray.put(state)) for name, state in states.items()}
            with closing(self._works(self._next, left)) as works:
                tune_loop.run(
                    works,
                    learners=self._learners,
                    weights=self._weights,
                    slots=self._slots,
                    seed_timeout=self.prepared.options.seed_timeout,
                    interrupt=self.signals.stop_if_one_came,
                )
        self.signals.stop_if_one_came()

    def _works(self, planned: PlannedStage, left: Iterator[PlannedStage]) -> Generator[Work]:
        """This stage, and those that are left until one needs features to be computed; that one is next then."""
        following: PlannedStage | None = planned
        while following is not None:
            yield from self._work(following)
            following = next(left, None)
            if following is not None and self._must_compute(following.stage):
                break
        self._next = following

    def _work(self, planned: PlannedStage) -> Iterator[Work]:
        """The stage with what its tasks may reach; it has a progress line while it runs."""
        stage = planned.stage
        image_sets = InObjectStore(ray.put(self._stored(stage)))
        before = {name: tally.seeds_done for name, tally in stage.tallies.items()}
        with Progress(planned.title, stage.seeds_left, "seeds") as progress:

            def watch() -> None:
                # What a person is told of a signal stands below the lines, which would be drawn over it.
                if self.signals.came:
                    return
                parts = _parts(stage, before)
                done = sum(part.done for part in parts)
                seconds_left = stage.seconds_left / self._slots()
                total = sum(part.total for part in parts)
                progress.show(done, total, seconds_left, stage.best_so_far(), parts)

            yield Work(stage=stage, image_sets=image_sets, watcher=watch)

    def _stored(self, stage: Stage) -> dict[str, ImageSet]:
        """The image sets that the stage needs, in the object store; features that are missing are computed."""
        inputs, approaches = self.prepared.inputs, self.prepared.approaches
        found = inputs.image_sets(
            approaches,
            self._lacking(stage),
            slots=self._slots,
            views=self._views(stage),
            interrupt=self.signals.stop_if_one_came,
        )
        self._image_sets |= {name: _in_store(images, self._image_sets.get(name)) for name, images in found.items()}
        stored = {name: self._image_sets[name] for name in self._names(stage)}
        if stage.name in FRESH:
            stored[POOL] = stored[POOL].for_confirmation()
        return stored

    def _must_compute(self, stage: Stage) -> bool:
        """Whether the stage needs features that no file has."""
        inputs, approaches = self.prepared.inputs, self.prepared.approaches
        return bool(inputs.seconds_to_compute(approaches, self._lacking(stage), self._views(stage)))

    def _names(self, stage: Stage) -> list[str]:
        """The image sets that the stage's tasks may reach."""
        besides = [split for task in stage.waiting for split in task.besides]
        scored = [POOL if split == VALIDATION else split for split in (*stage.splits, *besides)]
        return list(dict.fromkeys([POOL, *scored, *self.prepared.inputs.other_datasets]))

    def _lacking(self, stage: Stage) -> list[str]:
        """Those that are not in the object store yet with all that the stage looks at; two fixed ones may differ."""
        views = self._views(stage)

        def has(name: str) -> bool:
            had = self._image_sets.get(name)
            return had is not None and (views is None or views <= had.views.keys())

        return [name for name in self._names(stage) if not has(name)]

    def _views(self, stage: Stage) -> set[str] | None:
        """What the tasks of a fixed stage look at, which spares most of the backbones' work; None is everything."""
        if not isinstance(stage, FixedStage):
            return None
        learners = self._learners
        return {
            view
            for task in stage.waiting
            for view in learners[task.approach].needs(learners[task.approach].Config(**task.params)).view_names
        }

    @property
    def _learners(self) -> dict[str, type[Learner]]:
        return {approach.name: approach.learner for approach in (*self.prepared.approaches, ZSCORE_RIDGE)}


def _parts(stage: Stage, before: Mapping[str, int]) -> list[Part]:
    """How far each approach of the stage is, less the seeds that it had before this start.

    Seeds that racing will save count in no total, as far as what it saved so far foretells it.
    """
    running = {task.approach for task in stage.live}
    return [
        Part(
            name=name,
            done=(done := tally.seeds_done - before[name]),
            total=done + round(tally.seeds_expected),
            is_running=name in running,
            note=stage.best_of(name),
        )
        for name, tally in stage.tallies.items()
    ]


def _in_store(images: ImageSet, had: ImageSet | None) -> ImageSet:
    """The same image set with its arrays in the object store, besides those that it has there already."""
    stored = dict(had.views) if had else {}
    new = {name: InObjectStore(ray.put(array)) for name, array in images.views.items() if name not in stored}
    return replace(images, views={**stored, **new})

"""Tune's loop over the tasks of stages. The only file that builds a Tuner.

Tune schedules and nothing more: a fresh Tuner each time, no restore, no checkpoints, no retries of its own. What a
worker reports goes into the journal through the scheduler's two hooks, which together see every result.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext

from ray import tune

from sweeps.engine import cluster
from sweeps.engine.dispatcher import Dispatcher, Work
from sweeps.engine.ray_patches import (
    idle_workers_are_kept,
    memory_deaths_are_lost_workers,
    trainable_is_looked_up_once,
    tune_takes_no_signal,
    waiting_workers_are_used,
)
from sweeps.engine.tune_hooks import StageScheduler, StageSearcher, StopOnError
from trainables.parts.image_sets import StoredElsewhere
from trainables.parts.learner import Learner
from trainables.seed_trainable import SeedTrainable

# More than any cluster holds at the same time; how many really run is said by `Slots`.
NO_LIMIT = 10**9


def run(
    works: Iterator[Work],
    *,
    learners: Mapping[str, type[Learner]],
    weights: Mapping[str, StoredElsewhere],
    slots: Callable[[], int],
    seed_timeout: float,
    interrupt: Callable[[], None],
) -> None:
    """Run stages one after another until all are finished. Workers live as long, since they cost seconds to start.

    Args:
        works: The stages, at least one; each is taken when the one before is finished.
        learners: What learns, by approach.
        weights: State dicts of the backbones that are trained further.
        slots: Tasks at the same time, one CPU each; asked before each.
        seed_timeout: Seconds after which a worker that has reported nothing is ended, and its trial fails.
        interrupt: Called about ten times a second where stopping harms nothing; what it raises ends the run.

    Raises:
        Exception: Whatever a stage raised, for example because the journal cannot be written.
    """
    dispatcher = Dispatcher(works, slots, seed_timeout, interrupt)
    if dispatcher.is_finished():
        return
    trainable = tune.with_parameters(SeedTrainable, learners=dict(learners), weights=dict(weights))
    with (
        waiting_workers_are_used() if cluster.started_here() else nullcontext(),
        _silence(),
        _scratch_folder() as scratch,
        memory_deaths_are_lost_workers(),
        trainable_is_looked_up_once(),
        idle_workers_are_kept(),
        tune_takes_no_signal(),
    ):
        _tuner(trainable, dispatcher, scratch).fit()
    if dispatcher.error:
        raise dispatcher.error
    if not dispatcher.is_finished():
        raise RuntimeError("Ray Tune ended before the sweep did")


def _tuner(trainable: type[tune.Trainable], dispatcher: Dispatcher, scratch: str) -> tune.Tuner:
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            num_samples=-1,
            search_alg=StageSearcher(dispatcher),
            scheduler=StageScheduler(dispatcher),
            # Without it Tune keeps one trial pending and uses one actor for all. The dispatcher keeps to the slots.
            max_concurrent_trials=NO_LIMIT,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="sweep",
            storage_path=scratch,
            verbose=0,
            stop=StopOnError(dispatcher),
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        ),
    )


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing of Ray's own on the terminal."""
    for name in ("ray.tune", "ray.train", "ray.air"):
        # Ray reports lost trials and missing log files here, which the journal knows or never had.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _scratch_folder() -> Iterator[str]:
    """A place for files that Tune wants and that we do not let it write."""
    folder = tempfile.mkdtemp(prefix="seedsweep-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""The dispatcher: it hands the stages' tasks to Tune's trials, and what comes back to the stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.tune.experiment import Trial as TuneTrial

from sweeps.core.progress import duration, say
from sweeps.engine.cluster import SECONDS_BETWEEN_LOOKS
from sweeps.stages.stage import Stage
from sweeps.stages.tasks import Task
from trainables.parts.results import SeedResult
from trainables.seed_trainable import STEP_SECONDS, InObjectStore


@dataclass(frozen=True, kw_only=True)
class Work:
    """A stage to run.

    Attributes:
        stage: What to run, and where results go.
        image_sets: What the workers may see, by name.
        watcher: Called after each report.
    """

    stage: Stage
    image_sets: InObjectStore
    watcher: Callable[[], None]


@dataclass
class Running:
    """A task in Tune's hands, with Tune's own object of it."""

    task: Task
    trial: TuneTrial | None = None
    # Since its worker has reported something, and whether that was too long.
    silent_seconds: float = 0.0
    is_expired: bool = False
    why_lost: str = ""


class Dispatcher:
    """Between Tune's identities and the stages' tasks; keeps the first error of a stage, which ends the run."""

    def __init__(
        self,
        works: Iterator[Work],
        slots: Callable[[], int],
        seed_timeout: float,
        interrupt: Callable[[], None],
    ) -> None:
        """Begin the first work, with nothing running; `run` in tune_loop.py says what the arguments are."""
        self.works = works
        self.work = next(works)
        self.slots = slots
        self.seed_timeout = seed_timeout
        self.interrupt = interrupt
        self.running: dict[str, Running] = {}
        self.looked = time.monotonic()
        self.error: Exception | None = None
        self.processors = set(self.stage.journal.processors())

    @property
    def stage(self) -> Stage:
        """The one that runs now."""
        return self.work.stage

    def is_finished(self) -> bool:
        """Whether nothing is left. Where a stage is finished, the next begins."""
        while self.stage.is_finished():
            following = next(self.works, None)
            if following is None:
                return True
            self.work = following
        return False

    def next_task(self, trial_id: str) -> Task | None:
        """The next task, if a slot is free."""
        if self.is_finished():
            return None
        task = self.stage.next_task() if len(self.running) < self.slots() else None
        if task is not None:
            self.running[trial_id] = Running(task)
        return task

    def take(self, trial_id: str, report: Mapping[str, Any]) -> None:
        """Journal every seed of a report."""
        running = self.running.get(trial_id)
        if running is None:
            return
        running.silent_seconds, running.is_expired = 0.0, False
        self._note(report.get("processor"))
        with self.stage.journal.together():
            for result in report.get("results", ()):
                self.stage.take(running.task, SeedResult(**result))
        self.work.watcher()

    def _note(self, processor: str | None) -> None:
        """Journal another kind of processor than the sweep has met so far, and tell a person."""
        if processor is None or processor in self.processors or not self.processors:
            return
        self.processors.add(processor)
        self.stage.journal.add_processor(processor)
        say(f"A worker has another kind of processor ({processor}), which may round the last digits differently.")

    def is_losing(self, trial_id: str) -> bool:
        """Whether the trial need not go on."""
        running = self.running.get(trial_id)
        return running is not None and self.stage.is_losing(running.task)

    def end(self, trial_id: str, *, is_lost: bool) -> None:
        """Tune has no more to do for it, or its worker is lost."""
        running = self.running.pop(trial_id, None)
        if running is None:
            return
        if is_lost and running.is_expired:
            self.stage.expired(running.task, f"a seed took longer than {duration(self.seed_timeout)} (--seed-timeout)")
        elif is_lost:
            self.stage.lost(running.task, running.why_lost)
        else:
            self.stage.close(running.task)
        self.work.watcher()

    def kill_the_silent(self) -> None:
        """End workers of which nothing was heard for longer than a seed may take; their trials count as lost."""
        now = time.monotonic()
        if now - self.looked < SECONDS_BETWEEN_LOOKS:
            return
        # While this process itself stood still (a laptop that slept) it could hear nobody.
        passed = min(now - self.looked, 2 * SECONDS_BETWEEN_LOOKS)
        self.looked = now
        for running in self.running.values():
            # One without a worker waits for a CPU, or for a node that is being started.
            worker = running.trial.temporary_state.ray_actor if running.trial else None
            if worker is not None and not running.is_expired:
                running.silent_seconds += passed
                if running.silent_seconds > self.seed_timeout + STEP_SECONDS:
                    running.is_expired = True
                    ray.kill(worker)

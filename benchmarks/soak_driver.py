"""The sweep of benchmarks/soak.py, in a process of its own: it trains next to nothing, and measures its driver."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ray
from measuring import Clock, watched
from processes import descendants, open_files, status
from soak_samples import Sample

from search_spaces.published.settings import Published
from sweeps.core.challenge import Approach, Challenge
from sweeps.core.kinds import AT_RANDOM, TPE
from sweeps.core.signals import exit_code
from sweeps.run.pipeline import run_given
from sweeps.run.sweep import sweep_command
from sweeps.stages.racing import Racing
from sweeps.stages.search import SearchStage
from sweeps.stages.stage import Stage
from sweeps.stages.tasks import Task
from sweeps.store.spec import OptionValue
from sweeps.store.trials import TrialRecord
from sweeps.tracking.tracker import Tracker
from trainables.parts.learner import Classifier, Learner, Support
from trainables.parts.results import SeedResult
from trainables.parts.streams import Streams


@dataclass(frozen=True, kw_only=True)
class BorderConfig:
    """A threshold, and two hyperparameters that change little."""

    border: float
    scale: float
    kind: str


class Border(Learner):
    """Calls the brighter images pneumonia; learns nothing, in a few milliseconds."""

    Config = BorderConfig
    # Sleeping costs no CPU, so many workers can be pretended on few cores.
    sleep_seconds = 0.0

    @classmethod
    def fit(cls, config: BorderConfig, support: Support, streams: Streams) -> Classifier:
        """No randomness and no learning."""
        time.sleep(cls.sleep_seconds)
        sign = -1.0 if config.kind == "dark" else 1.0

        def classify(images: Any) -> Any:
            grey = images[:, ::4, ::4].float().mean((1, 2)) / 255
            return sign * config.scale * (grey + config.border * images[:, 14, 14].float() / 255 - 0.5)

        return classify


class OtherBorder(Border):
    """The same, so that there are two approaches."""


def suggest(trial: Any) -> None:
    """The space of both."""
    trial.suggest_float("border", -1.0, 1.0)
    trial.suggest_float("scale", 0.1, 10.0, log=True)
    trial.suggest_categorical("kind", ["bright", "dark"])


def challenge() -> Challenge:
    """Two approaches that cost nothing."""
    params = {"border": 0.0, "scale": 1.0, "kind": "bright"}
    published = Published(params=params, mean_percent=None, sd_percent=None, seeds=None, note="made up")
    space: Any = SimpleNamespace(suggest=suggest)
    approaches = tuple(
        Approach(name=name, learner=learner, space=space, seconds_per_seed=0.005, published=published)
        for name, learner in (("border", Border), ("other_border", OtherBorder))
    )
    return Challenge(name="soak", title="Soak", approaches=approaches)


@dataclass(kw_only=True)
class Watch:
    """Looks at the stages and the tracker of a running sweep, and takes a sample now and then.

    Attributes:
        every: Configurations between two samples.
        samples: What was measured so far.
    """

    every: int
    samples: list[Sample] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    begin: float = field(default_factory=time.monotonic)
    stage: Stage | None = None
    stage_name: str = "start"
    tracker: Tracker | None = None
    closed: int = 0
    seeds: int = 0
    steps: int = 0
    busy: float = 0.0
    # CPU seconds by process, also of those that have ended since: Ray ends workers that idle.
    of_ray: dict[int, float] = field(default_factory=dict)
    of_workers: dict[int, float] = field(default_factory=dict)

    def sample(self) -> None:
        """Take a sample, whose own time counts for nothing."""
        with self.clock.measure("sampling"):
            self._sample()

    def _sample(self) -> None:
        assert self.stage is not None
        assert self.tracker is not None
        main, whole = time.thread_time(), time.process_time()
        for pid, (name, cpu) in descendants(os.getpid()).items():
            is_worker = "ray::" in name or "default_worker" in name
            (self.of_workers if is_worker else self.of_ray)[pid] = cpu
        parts = {name: self.clock.seconds.get(name, 0.0) for name in ("suggest", "tasks", "sampling")}
        self.samples.append(
            Sample(
                stage=self.stage_name,
                trials=self.closed,
                seeds=self.seeds,
                steps=self.steps,
                busy=self.busy,
                wall=time.monotonic() - self.begin,
                suggest=parts["suggest"],
                tasks=parts["tasks"],
                # What the main thread has used that is neither the stage's nor another part of ours is Tune's.
                tune=main - sum(parts.values()),
                mlflow=self.tracker.seconds,
                threads=whole - main - self.tracker.seconds,
                ray=sum(self.of_ray.values()),
                workers=sum(self.of_workers.values()),
                rss_mb=status("VmRSS") / 1024,
                fds=open_files(),
                os_threads=status("Threads"),
                journal_mb=self.stage.journal.path.stat().st_size / 1e6,
                mlflow_waiting=self.closed - self.tracker.written,
            )
        )

    def before(self, stage: Stage) -> None:
        """Put the clock on a stage, and count what goes through it."""
        self.stage, self.stage_name = stage, stage.name
        if isinstance(stage, SearchStage):
            stage.new_task = self.clock.wrap("suggest", stage.new_task)  # type: ignore[method-assign]
        self.clock.on_tasks(stage)
        next_task, take, is_losing, close = stage.next_task, stage.take, stage.is_losing, stage.close

        def first_task() -> Task | None:
            # Ray runs by now.
            stage.next_task = next_task  # type: ignore[method-assign]
            self.sample()
            return next_task()

        def counted_take(task: Task, result: SeedResult) -> None:
            known = stage.seeds_done
            take(task, result)
            # The report of a step after which a task is stopped comes twice.
            self.seeds += stage.seeds_done - known
            self.busy += result.seconds * (stage.seeds_done - known)

        def counted_is_losing(task: Task) -> bool:
            self.steps += 1
            return is_losing(task)

        def counted_close(task: Task) -> None:
            # The last step is not asked about, unless it was the last because of the answer.
            self.steps += (task.approach, task.trial.number) not in stage.raced_out
            close(task)

        stage.take, stage.is_losing, stage.close = counted_take, counted_is_losing, counted_close  # type: ignore[method-assign]
        if not self.samples:
            stage.next_task = first_task  # type: ignore[method-assign]

    def after(self, stage: Stage) -> None:
        """Take the last sample of a stage."""
        self.stage_name = f"after {stage.name}"
        self.sample()

    def tracked(self, tracker: Tracker) -> None:
        """Count the configurations that MLflow gets."""
        self.tracker = tracker
        push = tracker.push

        def pushed(trial: TrialRecord) -> None:
            push(trial)
            self.closed += 1
            if self.closed % self.every == 0:
                self.sample()

        tracker.push = pushed  # type: ignore[method-assign]


def arguments() -> argparse.ArgumentParser:
    """The options of this process, most of which are those of benchmarks/soak.py too."""
    parser = argparse.ArgumentParser(description="Memory and time of a long sweep, and what it leaves behind.")
    add = parser.add_argument
    add("--trials", type=int, default=2000, help="configurations in all, half of them an approach (default: 2000)")
    add("--seeds", type=int, default=5, help="seeds per configuration (default: 5, so that racing has four looks)")
    add("--confirm-seeds", type=int, default=50, help="fresh seeds of either winner (default: 50)")
    add("--workers", type=int, default=os.cpu_count(), help="trials at the same time (default: all CPUs)")
    add("--every", type=int, default=100, help="configurations between samples (default: 100)")
    add("--sampler", choices=(AT_RANDOM, TPE), default=AT_RANDOM, help="the sweep's (default: random)")
    add("--sleep", type=float, default=0.0, help="seconds that a seed sleeps, to pretend many workers (default: 0)")
    add("--no-stops", action="store_true", help="racing looks, but stops nothing: every configuration costs the same")
    return parser


def main(typed: Sequence[str] | None = None) -> int:
    """Run the sweep in the working directory, and write down what was measured; its exit code."""
    parser = arguments()
    parser.add_argument("--answer", type=Path, required=True, help="where what was measured goes, as JSON")
    parser.add_argument("--begin", type=float, required=True, help="when the process was started, by the same clock")
    asked = parser.parse_args(typed)
    Border.sleep_seconds = asked.sleep
    about, watch = challenge(), Watch(every=asked.every)
    racing = Racing(p=0.0) if asked.no_stops else Racing()
    command = watched(sweep_command(racing), before=watch.before, after=watch.after, tracked=watch.tracked)
    given: dict[str, OptionValue] = {
        "num_samples": max(asked.trials // len(about.approaches), 1),
        "seeds": asked.seeds,
        "sampler": asked.sampler,
        "confirm_seeds": asked.confirm_seeds,
        "dataset": "phantom",
        "name": "soak",
        "tracking_uri": "sqlite:///mlflow.db",
        "workers": asked.workers,
    }
    code = exit_code("soak", lambda: run_given(command, about, given))
    ending = {
        "samples": [asdict(sample) for sample in watch.samples],
        "seconds": time.monotonic() - asked.begin,
        "cpu": time.process_time(),
        "peak_mb": status("VmHWM") / 1024,
        "fds": open_files(),
        "os_threads": status("Threads"),
        "ray_is_up": ray.is_initialized(),
    }
    asked.answer.write_text(json.dumps(ending))
    return code


if __name__ == "__main__":
    sys.exit(main())

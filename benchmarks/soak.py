"""Whether a long sweep stays as fast and as small as it began, and leaves nothing behind: 2000 short configurations.

python benchmarks/soak.py [--trials 2000] [--seeds 5] [--workers 2] [--sampler tpe|random] [--sleep 0] [--no-stops]

A real sweep of two approaches that train next to nothing: Ray workers, racing, journal, MLflow (sqlite), confirmation,
tables and report. It runs in a process of its own with a fresh working directory and a temporary folder (TMPDIR) of its
own, so that whatever it leaves there is known to be its. Linux only.

After every `--every` finished configurations its driver says:

- RSS, as the kernel has it (VmRSS, no garbage collection before), open file descriptors, threads, size of the journal;
- seconds a configuration since the last sample, wall and CPU. The driver's CPU time is split into TPE's suggestions,
  which look at the whole history and so grow by nature; the rest of the agenda (journal, racing); Tune, which is what
  else the main thread does; the MLflow thread; and other threads (Ray's).
- beside the driver, the CPU time of Ray's own processes (raylet and GCS) and of the workers;
- how many configurations MLflow has still to take.

A part is called flat if it costs a configuration of the last quarter at most `FLAT` times as much as one of the second
(the first holds the start). Memory is called steady if it grows a configuration in the second half no more than `FLAT`
times as fast as in the first, after the first tenth: that Optuna and Tune keep every configuration is known.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from sweeps import engine  # Before anything that imports Ray, whose settings `sweeps` makes.
from sweeps.agenda import Agenda
from sweeps.challenge import Approach, Challenge
from sweeps.endings import exit_code
from sweeps.search import Racing, SearchAgenda
from sweeps.sweep import Sweep
from sweeps.tables import aligned
from sweeps.tracking import Tracking
from trainables.protocol import Classifier, SeedTrainable, Streams, Support

FLAT = 1.25
# So long what is ending may take after the command has returned.
PATIENCE_SECONDS = 10.0
# What a sweep is meant to leave in its working directory.
MEANT = ("results", "mlflow.db", "mlartifacts", "mlruns")
TICKS = os.sysconf("SC_CLK_TCK")
# Names that are given to the parts of the driver's CPU time; of all, only the first is expected to grow.
PARTS = ("suggest", "agenda", "tune", "mlflow", "threads")


@dataclass(frozen=True, kw_only=True)
class BorderConfig:
    """A threshold, and two hyperparameters that change little."""

    border: float
    scale: float
    kind: str


class Border(SeedTrainable):
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
    from search_spaces.reported import Reported

    params = {"border": 0.0, "scale": 1.0, "kind": "bright"}
    space: Any = SimpleNamespace(
        suggest=suggest, REPORTED=Reported(params=params, mean=None, sd=None, seeds=None, note="made up")
    )
    approaches = tuple(
        Approach(name=name, trainable=trainable, space=space, seconds_a_seed=0.005)
        for name, trainable in (("border", Border), ("other_border", OtherBorder))
    )
    return Challenge(name="soak", title="Soak", approaches=approaches)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Where the driver stands; all seconds are since its start, those of CPU by part.

    `steps` are reports of workers that end a block of seeds, `busy` is the sum of what seeds took.
    """

    stage: str
    trials: int
    seeds: int
    steps: int
    busy: float
    wall: float
    suggest: float
    agenda: float
    tune: float
    mlflow: float
    threads: float
    ray: float
    workers: float
    rss_mb: float
    fds: int
    os_threads: int
    journal_mb: float
    mlflow_waiting: int


class Clock:
    """CPU seconds of the calling thread inside the functions it wraps, by name; a call within a call counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside: list[float] = []

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Count what runs within."""
        begin = time.thread_time()
        self._inside.append(0.0)
        try:
            yield
        finally:
            took = time.thread_time() - begin
            own = took - self._inside.pop()
            self.seconds[name] = self.seconds.get(name, 0.0) + own
            if self._inside:
                self._inside[-1] += took

    def wrap(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, measured under that name."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.measure(name):
                return method(*args, **kwargs)

        return measured


def status(key: str, pid: int | str = "self") -> int:
    """A number of /proc/PID/status; memory in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    return 0


def descendants(of: int) -> dict[int, tuple[str, float]]:
    """Command and CPU seconds of every living process that descends from `of`."""
    processes: dict[int, tuple[int, str, float]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            rest = stat[stat.rindex(")") + 2 :].split()
            if rest[0] != "Z":
                name = command or stat[stat.index("(") + 1 : stat.rindex(")")]
                processes[int(folder.name)] = (int(rest[1]), name, (int(rest[11]) + int(rest[12])) / TICKS)
    found: dict[int, tuple[str, float]] = {}
    reached = {of}
    while reached:
        reached = {pid for pid, (parent, _, _) in processes.items() if parent in reached and pid not in found}
        found |= {pid: processes[pid][1:] for pid in reached}
    return found


def measured_sweep(samples: list[Sample], every: int, sampler: str) -> type[Sweep]:
    """The sweep with a clock on its parts, which adds to `samples`."""
    clock = Clock()
    begin = time.monotonic()
    seen: dict[str, Any] = {
        "stage": "start",
        "closed": 0,
        "seeds": 0,
        "steps": 0,
        "busy": 0.0,
        "tracker": None,
        "record": None,
    }

    of_ray: dict[int, float] = {}
    of_workers: dict[int, float] = {}

    def take_sample() -> None:
        # What the main thread has used that is neither the agenda's nor another part of ours is Tune's.
        main = time.thread_time()
        tracker: Tracking = seen["tracker"]
        # By process, also of those that have ended since: Ray ends workers that idle.
        for pid, (name, cpu) in descendants(os.getpid()).items():
            is_worker = "ray::" in name or "default_worker" in name
            (of_workers if is_worker else of_ray)[pid] = cpu
        suggesting, agenda = clock.seconds.get("suggest", 0.0), clock.seconds.get("agenda", 0.0)
        samples.append(
            Sample(
                stage=seen["stage"],
                trials=seen["closed"],
                seeds=seen["seeds"],
                steps=seen["steps"],
                busy=seen["busy"],
                wall=time.monotonic() - begin,
                suggest=suggesting,
                agenda=agenda,
                tune=main - suggesting - agenda - clock.seconds.get("sampling", 0.0),
                mlflow=tracker.seconds,
                threads=time.process_time() - main - tracker.seconds,
                ray=sum(of_ray.values()),
                workers=sum(of_workers.values()),
                rss_mb=status("VmRSS") / 1024,
                fds=sum(1 for _ in Path("/proc/self/fd").iterdir()),
                os_threads=status("Threads"),
                journal_mb=seen["record"].path.stat().st_size / 1e6,
                mlflow_waiting=seen["closed"] - tracker.written,
            )
        )

    class MeasuredSweep(Sweep):
        """The sweep with a clock on what the driver does."""

        def _run(self, agenda: Agenda, what: str, splits: Sequence[str]) -> None:
            seen["stage"] = agenda.stage
            if isinstance(agenda, SearchAgenda):
                if sampler == "random":
                    from optuna.samplers import RandomSampler

                    agenda.sampler = lambda search_seed, approach, number: RandomSampler(seed=number)
                agenda.new_task = clock.wrap("suggest", agenda.new_task)  # type: ignore[method-assign]
            for name in ("next_task", "take", "is_losing", "close"):
                setattr(agenda, name, clock.wrap("agenda", getattr(agenda, name)))
            taken, asked, ended = agenda.take, agenda.is_losing, agenda.close

            def take(task: Any, result: Any) -> None:
                known = agenda.seeds_done
                taken(task, result)
                # The report of a step after which a task is stopped comes twice.
                seen["seeds"] += agenda.seeds_done - known
                seen["busy"] += result.seconds * (agenda.seeds_done - known)

            def is_losing(task: Any) -> bool:
                seen["steps"] += 1
                return asked(task)

            def close(task: Any) -> None:
                # The last step is not asked about, unless it was the last because of the answer.
                seen["steps"] += (task.approach, task.trial.number) not in getattr(agenda, "raced_out", ())
                ended(task)

            agenda.take, agenda.is_losing, agenda.close = take, is_losing, close  # type: ignore[method-assign]
            super()._run(agenda, what, splits)
            seen["stage"] = f"after {agenda.stage}"
            with clock.measure("sampling"):
                take_sample()

        def _tracker(self, record: Any, start: Any) -> Tracking:
            tracker = super()._tracker(record, start)
            push = tracker.push

            def pushed(trial: Any) -> None:
                push(trial)
                seen["closed"] += 1
                if seen["closed"] % every == 0:
                    with clock.measure("sampling"):
                        take_sample()

            tracker.push = pushed  # type: ignore[method-assign]
            seen.update(tracker=tracker, record=record)
            return tracker

        def _start_ray(self) -> None:
            super()._start_ray()
            take_sample()

    return MeasuredSweep


def inside(asked: argparse.Namespace) -> int:
    """The driver: run the sweep in the working directory, and write down what was measured."""
    samples: list[Sample] = []
    Border.sleep_seconds = asked.sleep

    def run() -> int:
        sweep = kind.prepare(about, given)
        if asked.no_stops:
            sweep.racing = Racing(p=0.0)
        return sweep.run()

    about = challenge()
    given = {
        "num_samples": max(asked.trials // len(about.approaches), 1),
        "seeds": asked.seeds,
        "confirm_seeds": asked.confirm_seeds,
        "dataset": "phantom",
        "name": "soak",
        "tracking_uri": "sqlite:///mlflow.db",
        "workers": asked.workers,
    }
    kind = measured_sweep(samples, asked.every, asked.sampler)
    code = exit_code("soak", run)
    ending = {
        "samples": [asdict(sample) for sample in samples],
        "seconds": time.monotonic() - asked.begin,
        "cpu": time.process_time(),
        "peak_mb": status("VmHWM") / 1024,
        "fds": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "os_threads": status("Threads"),
        "ray_is_up": engine.ray.is_initialized(),
    }
    asked.answer.write_text(json.dumps(ending))
    return code


def outside(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Run this file's `inside` with a folder and a temporary folder of its own; its answer, and what it left."""
    # Orphans of the sweep become our children instead of init's, so that none escapes the look at what is left.
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    shared_memory = Path("/dev/shm")
    before = set(shared_memory.iterdir())
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        work, scratch, answer = Path(folder, "work"), Path(folder, "tmp"), Path(folder, "answer.json")
        work.mkdir()
        scratch.mkdir()
        environment = {key: value for key, value in os.environ.items() if key not in ("RAY_ADDRESS", "RAY_TMPDIR")}
        environment |= {"TMPDIR": str(scratch)}
        command = [sys.executable, __file__, *arguments, "--answer", str(answer), "--begin", str(time.monotonic())]
        log = Path(folder, "told.txt")
        with log.open("w") as told:
            done = subprocess.run(command, cwd=work, env=environment, stdout=told, stderr=told, check=False)
        if done.returncode or not answer.is_file():
            raise RuntimeError(f"The sweep ended with code {done.returncode}:\n{log.read_text()[-3000:]}")
        since = time.monotonic()
        while True:
            waited = time.monotonic() - since
            processes = [f"process {pid}: {name[:100]}" for pid, (name, _) in descendants(os.getpid()).items()]
            memory = [f"shared memory: {path}" for path in set(shared_memory.iterdir()) - before]
            if not processes + memory or waited > PATIENCE_SECONDS:
                break
            time.sleep(0.2)
        left = [*processes, *memory]
        left += [f"working directory: {path.name}" for path in work.iterdir() if path.name not in MEANT]
        of_sweep = work / "results" / "soak"
        left += [f"sweep's folder: {path.name}" for path in of_sweep.glob("*.lock*")]
        for path in sorted(scratch.iterdir()):
            what = [path] if path.name != "ray" else sorted(path.glob("session_2*"))
            left += [f"temporary folder: {each.relative_to(scratch)} ({size_mb(each):.1f} MB)" for each in what]
        found: dict[str, Any] = json.loads(answer.read_text())
        found["waited"] = waited
        found["told"] = log.read_text()
        found["kept"] = {path.name: size_mb(path) for path in [*work.iterdir(), *of_sweep.iterdir()]}
    return found, left


def size_mb(path: Path) -> float:
    """Size of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files) / 1e6


def rates(samples: Sequence[Sample]) -> list[dict[str, float]]:
    """CPU and wall milliseconds a configuration between each two samples, by part."""
    found = []
    for earlier, later in pairwise(samples):
        trials = later.trials - earlier.trials
        if trials > 0:
            keys = ("wall", *PARTS, "ray", "workers")
            found.append(
                {"trials": later.trials}
                | {key: 1000 * (getattr(later, key) - getattr(earlier, key)) / trials for key in keys}
            )
    return found


def between(samples: Sequence[Sample], low: float, high: float) -> tuple[Sample, Sample]:
    """The samples nearest to these parts of all configurations."""
    whole = samples[-1].trials
    return tuple(min(samples, key=lambda each: abs(each.trials - part * whole)) for part in (low, high))  # type: ignore[return-value]


def a_trial(samples: Sequence[Sample], key: str, low: float, high: float) -> float:
    """Milliseconds (or whatever the key counts, times 1000) a configuration in that part of the run."""
    first, last = between(samples, low, high)
    return 1000 * (getattr(last, key) - getattr(first, key)) / max(last.trials - first.trials, 1)


def verdicts(samples: Sequence[Sample]) -> list[dict[str, str]]:
    """A row a part: what a configuration of the second and of the last quarter costs, and whether that is flat."""
    rows = []
    for key in ("wall", *PARTS, "ray", "workers"):
        early, late = (a_trial(samples, key, *quarter) for quarter in ((0.25, 0.5), (0.75, 1.0)))
        ratio = late / early if early > 0 else 1.0
        verdict = "flat" if ratio <= FLAT else "grows"
        rows.append(
            {
                "ms a configuration": key,
                "second quarter": f"{early:.2f}",
                "last quarter": f"{late:.2f}",
                "ratio": f"{ratio:.2f}",
                "verdict": verdict,
            }
        )
    return rows


def slope_kb(samples: Sequence[Sample], low: float, high: float) -> float:
    """Kilobytes of RSS a configuration in that part of the run, by least squares."""
    whole = samples[-1].trials
    points = [each for each in samples if low * whole <= each.trials <= high * whole]
    if len(points) < 2:
        return float("nan")
    return float(np.polyfit([each.trials for each in points], [each.rss_mb * 1024 for each in points], 1)[0])


def shown(found: dict[str, Any]) -> str:
    """The tables and verdicts."""
    samples = [Sample(**each) for each in found["samples"]]
    during = [each for each in samples if each.stage == "search" and each.trials > 0]
    lines = []
    for sample, rate in zip(samples[1:], rates(samples), strict=False):
        lines.append(
            {
                "configurations": str(sample.trials),
                **{key: f"{rate[key]:.1f}" for key in ("wall", *PARTS, "ray", "workers")},
                "RSS MB": f"{sample.rss_mb:.0f}",
                "fds": str(sample.fds),
                "threads ": str(sample.os_threads),
                "journal MB": f"{sample.journal_mb:.1f}",
                "MLflow waits": str(sample.mlflow_waiting),
            }
        )
    early, late = slope_kb(during, 0.1, 0.5), slope_kb(during, 0.5, 1.0)
    steady = "steady" if late <= FLAT * max(early, 0) or late < 1 else "grows faster and faster"
    last = samples[-1]
    cpu = {key: getattr(last, key) for key in (*PARTS, "ray", "workers")}
    return "\n".join(
        [
            f"{last.trials} configurations, {last.seeds} seeds; wall and CPU milliseconds a configuration since the "
            "row above, and what the driver holds",
            "",
            aligned(lines, left=()),
            "",
            aligned(verdicts(during), left=("ms a configuration", "verdict")),
            "",
            f"Memory: {during[0].rss_mb:.0f} MB after {during[0].trials} configurations, {during[-1].rss_mb:.0f} "
            f"after {during[-1].trials}, at most {found['peak_mb']:.0f} with tables and report; {early:.1f} kB a "
            f"configuration in the first half, {late:.1f} in the second: {steady}.",
            "CPU in all, s: " + ", ".join(f"{key} {value:.1f}" for key, value in cpu.items()) + ".",
            f"The whole command took {found['seconds']:.0f} s, {found['seconds'] - last.wall:.0f} of them after the "
            f"last stage, and {found['cpu']:.0f} s of the driver's CPU.",
            "Kept, MB: " + ", ".join(f"{name} {size:.1f}" for name, size in sorted(found["kept"].items())) + ".",
        ]
    )


def main() -> int:
    """Run it and say what was found; 1 if something was left behind."""
    parser = argparse.ArgumentParser(description="Memory and time of a long sweep, and what it leaves behind.")
    add = parser.add_argument
    add("--trials", type=int, default=2000, help="configurations in all, half of them an approach (default: 2000)")
    add("--seeds", type=int, default=5, help="seeds a configuration (default: 5, so that racing has two looks)")
    add("--confirm-seeds", type=int, default=50, help="fresh seeds of either winner (default: 50)")
    add("--workers", type=int, default=os.cpu_count(), help="trials at the same time (default: all CPUs)")
    add("--every", type=int, default=100, help="configurations between samples (default: 100)")
    add("--sampler", choices=("tpe", "random"), default="tpe", help="random: without TPE's own growth (default: tpe)")
    add("--sleep", type=float, default=0.0, help="seconds that a seed sleeps, to pretend many workers (default: 0)")
    add("--no-stops", action="store_true", help="racing looks, but stops nothing: every configuration costs the same")
    add("--keep", type=Path, help="also write what was measured there, as JSON")
    add("--answer", type=Path, help=argparse.SUPPRESS)
    add("--begin", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.answer:
        return inside(asked)
    arguments = [
        *(f"--{key}={getattr(asked, key)}" for key in ("trials", "seeds", "workers", "every", "sampler", "sleep")),
        f"--confirm-seeds={asked.confirm_seeds}",
        *(["--no-stops"] if asked.no_stops else []),
    ]
    found, left = outside(arguments)
    if asked.keep:
        asked.keep.write_text(json.dumps(found))
    print(shown(found))
    print()
    if left:
        print(f"Left behind {PATIENCE_SECONDS:.0f} s after the command had returned:", *left, sep="\n    ")
    else:
        print(
            f"Nothing was left behind: no process, no temporary file, no shared memory ({found['waited']:.1f} s after)."
        )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())

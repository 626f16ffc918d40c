"""How many workers one driver feeds, and what breaks first when there are more: measured in parts, then simulated.

python benchmarks/scaling.py [--histories 100 1000 5000 10000] [--live 2 100 1000] [--quick]

Nothing here needs a cluster. What the driver does is measured part by part on this machine:

1. Optuna and the journal: a `SearchAgenda` with so many finished configurations behind it and so many tasks live, whose
   results are pretended. A suggestion by TPE, a seed, a look of racing, the end of a configuration.
2. A confirmation with more and more seeds.
3. MLflow: what its thread takes a configuration of ten seeds.
4. Tune: two whole sweeps that train nothing (`benchmarks/soak.py`), with few and many steps a configuration; what is
   left of the main thread's CPU time is Tune's. And `ray.wait`, which Tune calls at every event, on many workers.
5. The journal: bytes a seed, and what opening one takes.

Then a discrete-event simulation of one server (the driver) and W workers says which part of its time a worker works,
and is checked against real sweeps whose seeds only sleep. No configuration is stopped early in either. Seconds are of
the CPU where nothing else is said; a journal waits for its disk too, so the simulation takes its seconds on the clock.
"""

from __future__ import annotations

import argparse
import gc
import heapq
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from searching import quiet
from soak import Sample, a_trial, between, outside, status

from sweeps.agenda import SEARCH_SEEDS_FROM, Task
from sweeps.challenge1 import CHALLENGE
from sweeps.confirm import ConfirmAgenda
from sweeps.record import JOURNAL, Record, TrialRecord
from sweeps.search import Racing, SearchAgenda
from sweeps.tables import aligned
from sweeps.tracking import Tracking
from trainables.metrics import METRICS
from trainables.protocol import STEP_SECONDS, TEST, VALIDATION, SeedResult

SEEDS = 10
# Steps of a configuration of so many seeds: blocks end at racing's looks.
LOOKS = len(Racing().looks(SEEDS)) + 1
# A worker counts as fed if it works this part of its time.
FED = 0.9


@dataclass
class Cost:
    """Seconds of one kind of call: of this thread's CPU, and on the clock.

    The median is taken, since a busy machine makes some calls dear; the mean where some calls are dear by nature.
    """

    cpu: list[float]
    wall: list[float]
    typical: Callable[[list[float]], float] = statistics.median

    @contextmanager
    def one(self, of: int = 1) -> Iterator[None]:
        """One measurement, of so many calls."""
        cpu, wall = time.thread_time(), time.perf_counter()
        yield
        self.cpu.append((time.thread_time() - cpu) / of)
        self.wall.append((time.perf_counter() - wall) / of)

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU."""
        return 1000 * self.typical(self.cpu)

    @property
    def wall_ms(self) -> float:
        """Milliseconds on the clock."""
        return 1000 * self.typical(self.wall)


def cost() -> Cost:
    """Nothing measured yet."""
    return Cost([], [])


def pretended(seed: int, split: str = VALIDATION, level: float = 0.8) -> SeedResult:
    """What a worker could have found."""
    noise = np.random.default_rng(seed).normal(0, 0.04) + np.random.default_rng([seed, int(1e6 * level)]).normal(
        0, 0.02
    )
    # Of 1000 images, so that differences are often equal, which makes some of racing's tests dear.
    value = round(float(np.clip(level + noise, 0, 1)), 3)
    metrics: Any = dict.fromkeys(METRICS, value)
    return SeedResult(seed=seed, split=split, seconds=0.1234567, timestamp_ms=1764000000000 + seed, **metrics)


def random_sampler(search_seed: int, approach: str, number: int) -> RandomSampler:
    """As `tpe` of `sweeps.search`, at next to no cost."""
    return RandomSampler(seed=number)


def agenda_on(record: Record, approach: str, num_samples: int, racing: Racing | None = None) -> SearchAgenda:
    """A search without end."""
    approaches = CHALLENGE.named([approach])
    return SearchAgenda(
        record, approaches, lambda trial: None, num_samples=num_samples, seeds=SEEDS, search_seed=0, racing=racing
    )


def fill(record: Record, approach: str, history: int) -> None:
    """Put finished configurations into the record as Optuna would have them, each in one line."""
    (space,) = CHALLENGE.named([approach])
    drawn = optuna.create_study(sampler=RandomSampler(seed=0), direction="maximize")
    study = record.study(approach)
    rng = np.random.default_rng(0)
    for number in range(history):
        trial = drawn.ask()
        space.suggest(trial)
        level = float(rng.uniform(0.6, 0.85))
        results = [pretended(seed, level=level) for seed in range(SEARCH_SEEDS_FROM, SEARCH_SEEDS_FROM + SEEDS)]
        values = {result.seed: float(result.accuracy or 0) for result in results}
        study.add_trial(
            optuna.trial.create_trial(
                params=trial.params,
                distributions=trial.distributions,
                value=float(np.mean(list(values.values()))),
                user_attrs={f"seed:{result.seed}:{result.split}": asdict(result) for result in results},
                intermediate_values=values,
            )
        )
        drawn.tell(number, state=TrialState.FAIL)


def of_agenda(folder: Path, approach: str, history: int, lives: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """A row for each number of live tasks: what the agenda takes with so many configurations behind it."""
    record = Record(folder / f"history{history}", write=True)
    fill(record, approach, history)
    agenda = agenda_on(record, approach, 10**9, racing=Racing())
    tpe = agenda.sampler
    rows = []
    for live in lives:
        agenda.sampler = random_sampler
        while len(agenda.live) < live - 1:
            agenda.next_task()
        agenda.sampler = tpe
        suggestion, seed, end, bare = cost(), cost(), cost(), cost()
        look = Cost([], [], statistics.fmean)
        for repeat in range(repeats + 1):
            measured = [suggestion, seed, look, end, bare] if repeat else [cost() for _ in range(5)]
            with measured[0].one():
                task = agenda.next_task()
            assert task is not None
            level = 0.7 + 0.01 * (repeat % 7)
            for block in task.blocks:
                for each in block:
                    result = pretended(each, level=level)
                    with measured[1].one():
                        agenda.take(task, result)
                with measured[2].one():
                    agenda.is_losing(task)
            agenda.raced_out.clear()
            with measured[3].one():
                agenda.close(task)
            agenda.sampler = random_sampler
            with measured[4].one():
                other = agenda.next_task()
            assert other is not None
            agenda.live.remove(other)
            agenda.tell(other.approach, other.trial, state=TrialState.FAIL, reason="made up")
            agenda.sampler = tpe
        rows.append(
            {
                "history": history,
                "live": live,
                "suggest": suggestion,
                "without TPE": bare,
                "seed": seed,
                "look": look,
                "end": end,
            }
        )
    record.close()
    return rows


def of_confirmation(folder: Path, approach: str, seeds: int) -> Cost:
    """What a seed's two results take when so many seeds are confirmed; all blocks are live at the same time."""
    record = Record(folder / f"confirm{seeds}", write=True)
    fill(record, approach, 1)
    confirm = ConfirmAgenda(record, CHALLENGE.named([approach]), lambda trial: None, seeds=seeds)
    tasks: list[Task] = []
    while (task := confirm.next_task()) is not None:
        tasks.append(task)
    whole = cost()
    with whole.one(of=seeds):
        for task in tasks:
            for block in task.blocks:
                for seed in block:
                    for split in (VALIDATION, TEST):
                        confirm.take(task, pretended(seed, split))
            confirm.close(task)
    record.close()
    return whole


def of_resuming(folder: Path, approach: str, history: int, running: int) -> Cost:
    """What taking up each configuration takes that a killed driver left running."""
    record = Record(folder / f"resume{history}", write=True)
    fill(record, approach, history)
    agenda = agenda_on(record, approach, 10**9)
    for _ in range(running):
        agenda.next_task()
    whole = cost()
    with whole.one(of=running):
        agenda_on(record, approach, 10**9)
    record.close()
    return whole


def of_mlflow(folder: Path, trials: int) -> tuple[float, float]:
    """CPU and clock seconds of the MLflow thread a configuration of `SEEDS` seeds."""
    folder.mkdir()
    results = tuple(pretended(seed) for seed in range(SEARCH_SEEDS_FROM, SEARCH_SEEDS_FROM + SEEDS))
    now = time.time_ns() // 1_000_000
    params = dict(CHALLENGE.named(["cnn"])[0].reported.params)
    tracking = Tracking(
        f"sqlite:///{folder / 'mlflow.db'}",
        folder=folder,
        sweep_id="made-up",
        begun_ms=now,
        experiment="scaling",
        tags={},
        approach_tags={},
        sweep_tags={},
        params={},
        test_counts=(234, 390),
        examples=[params],
    )

    def push(first: int, count: int) -> None:
        for number in range(first, first + count):
            tracking.push(
                TrialRecord(
                    approach="cnn",
                    stage="search",
                    number=number,
                    state="COMPLETE",
                    params=params,
                    results=results,
                    reason=None,
                    of_trial=None,
                    started_ms=now,
                    ended_ms=now,
                )
            )
        while tracking.written < first + count:
            time.sleep(0.005)

    push(0, 10)  # With its imports and the database's birth.
    # The thread counts its seconds after each configuration it waited for, so the last ones may be missing.
    seconds, begin = tracking.seconds, time.perf_counter()
    push(10, trials)
    wall = time.perf_counter() - begin
    tracking.close("FINISHED", {}, "", [], ended_ms=now)
    return (tracking.seconds - seconds) / trials, wall / trials


def of_tune(trials: int) -> dict[str, float]:
    """CPU seconds of Tune and of other threads a configuration and a step, from sweeps with few and many steps."""
    rows: list[list[float]] = []
    taken: dict[str, list[float]] = {"tune": [], "threads": [], "ray": []}
    for seeds in (3, 10):
        arguments = [f"--trials={trials}", f"--seeds={seeds}", "--confirm-seeds=3", "--every=20", "--no-stops"]
        found, _ = outside([*arguments, "--sampler=random"])
        samples = during(found)
        first, last = between(samples, 0.25, 1.0)
        rows.append([1.0, (last.steps - first.steps) / (last.trials - first.trials)])
        for name, values in taken.items():
            values.append(a_trial(samples, name, 0.25, 1.0) / 1000)
    parts: dict[str, float] = {}
    for name, values in taken.items():
        a_configuration, a_step = np.linalg.solve(np.array(rows), np.array(values))
        # On a busy machine the difference of two small numbers may be negative.
        parts |= {f"{name} a configuration": float(a_configuration), f"{name} a step": max(float(a_step), 0.0)}
    return parts


def during(found: dict[str, Any]) -> list[Sample]:
    """The samples of a soak's search."""
    samples = [Sample(**each) for each in found["samples"]]
    return [sample for sample in samples if sample.stage == "search" and sample.trials > 0]


def of_waiting(counts: Sequence[int]) -> dict[int, float]:
    """Seconds of one `ray.wait` for the first of so many results, as Tune waits for its workers."""
    import ray

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=40)
    try:

        @ray.remote(resources={"not here": 1})
        def never() -> None:
            pass

        references = [never.remote() for _ in range(max(counts))]
        ready = ray.put(1)
        found = {}
        for count in counts:
            measured = cost()
            for _ in range(30):
                every = [*references[: count - 1], ready]
                with measured.one():
                    random.shuffle(every)
                    ray.wait(every, num_returns=1, timeout=0.1)
            found[count] = measured.wall_ms / 1000
        return found
    finally:
        ray.shutdown()


def made_journal(folder: Path, approach: str, seeds: int) -> Path:
    """A journal of so many seeds: what one real configuration wrote, again and again."""
    source = Record(folder / f"source{seeds}", write=True)
    agenda = agenda_on(source, approach, 2)
    begins = []
    for _ in range(2):
        begins.append(source.path.stat().st_size)
        task = agenda.next_task()
        assert task is not None
        for block in task.blocks:
            for seed in block:
                agenda.take(task, pretended(seed))
        agenda.close(task)
    source.close()
    content = source.path.read_bytes()
    # The second configuration is as Optuna suggested it; the first was given.
    head, repeated = content[: begins[1]], content[begins[1] :].decode()
    number = json.loads(repeated.splitlines()[1])["trial_id"]
    target = folder / f"made{seeds}"
    target.mkdir()
    with (target / JOURNAL).open("wb") as file:
        file.write(head)
        for trial in range(number, seeds // SEEDS):
            file.write(repeated.replace(f'"trial_id":{number},', f'"trial_id":{trial},').encode())
    return target


def opened(folder: Path) -> tuple[float, float, float]:
    """Seconds to open a record and to make its trials, and the MB that it holds; in a process of its own."""
    gc.collect()
    before = status("VmRSS")
    begin = time.perf_counter()
    record = Record(folder, write=False)
    loaded = time.perf_counter()
    held = status("VmRSS")
    trials = record.trials()
    assert trials
    return loaded - begin, time.perf_counter() - loaded, (held - before) / 1024


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives in a fresh process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


@dataclass(frozen=True, kw_only=True)
class Driver:
    """Seconds that the driver takes: for each configuration's start and end, each step, and each seed.

    `aside` is what other threads take a configuration; they share the interpreter, but no worker waits for them.
    """

    configuration: float
    step: float
    seed: float
    aside: float

    def a_configuration(self, steps: int, seeds: int = SEEDS) -> float:
        """All that one configuration takes."""
        return self.configuration + steps * self.step + seeds * self.seed + self.aside


def simulated(
    driver: Driver, workers: int, seconds: float, steps: int, *, seeds: int = SEEDS, rounds: int = 12
) -> float:
    """The part of its time that a worker works.

    Args:
        driver: The one server. What comes in is served in its order; what its threads do aside is served as well.
        workers: How many.
        seconds: A seed's, whose spread is a fifth of that.
        steps: Steps a configuration, each of as many seeds.
        seeds: Seeds a configuration.
        rounds: Configurations a worker, of which the first third is not counted.
    """
    rng = np.random.default_rng(0)
    a_step = seeds / steps
    # When the driver is free; when each worker reports next, and how many steps its configuration has left then.
    free = 0.0
    reports: list[tuple[float, int, int]] = [(0.0, worker, 0) for worker in range(workers)]
    busy: list[tuple[float, float]] = []
    done, begin, end = 0, 0.0, 0.0
    while done < rounds * workers:
        now, worker, left = heapq.heappop(reports)
        free = max(free, now) + (driver.step + a_step * driver.seed if now else 0.0)
        if left == 0:
            # The end of one configuration and the start of the next.
            free += driver.configuration
            left = steps
            done += 1
            begin, end = free if done == rounds * workers // 3 else begin, free
        works = float(rng.normal(seconds * a_step, 0.2 * seconds * np.sqrt(a_step)))
        until = free + max(works, 0.1 * seconds * a_step)
        busy.append((free, until))
        heapq.heappush(reports, (until, worker, left - 1))
        if left == steps:
            free += driver.aside
    inside = sum(max(0.0, min(stop, end) - max(start, begin)) for start, stop in busy)
    return inside / (workers * (end - begin))


def real_point(workers: int, sleep: float, trials: int) -> tuple[float, float, Driver]:
    """Of a real sweep whose seeds sleep: the part of its time that a worker worked, seconds a seed, and its driver."""
    found, _ = outside(
        [
            *(f"--trials={trials}", f"--seeds={SEEDS}", f"--workers={workers}", f"--sleep={sleep}"),
            *("--confirm-seeds=3", "--sampler=random", f"--every={max(trials // 10, 1)}", "--no-stops"),
        ]
    )
    # While the first configurations run, workers still start; at the end some have nothing left to do.
    first, last = between(during(found), 0.4, 0.9)
    busy, trials = last.busy - first.busy, last.trials - first.trials

    def taken(*parts: str) -> float:
        return sum(getattr(last, part) - getattr(first, part) for part in parts) / trials

    # How the main thread's time is shared between steps and the change of configurations matters little.
    a_turn = taken("suggest", "agenda", "tune") / (LOOKS + 1)
    driver = Driver(configuration=a_turn, step=a_turn, seed=0.0, aside=taken("mlflow", "threads"))
    return busy / (workers * (last.wall - first.wall)), busy / (last.seeds - first.seeds), driver


def table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print it, numbers short."""
    texts = [
        {key: f"{value:.3g}" if isinstance(value, float) else str(value) for key, value in row.items()} for row in rows
    ]
    print(f"\n{title}\n\n{aligned(texts, left=())}", flush=True)


def main() -> None:
    """Measure, simulate, and print."""
    parser = argparse.ArgumentParser(description="What the driver costs, and how many workers it feeds.")
    add = parser.add_argument
    add("--approach", default="cnn", help="of challenge 1, whose space is searched (default: cnn)")
    add("--histories", type=int, nargs="+", default=[100, 1000, 5000, 10000], help="finished configurations")
    add("--live", type=int, nargs="+", default=[2, 100, 1000], help="tasks at the same time")
    add("--repeats", type=int, default=10, help="configurations measured in each case (default: 10)")
    add("--journals", type=int, nargs="+", default=[10_000, 100_000], help="seeds in the journals that are opened")
    add("--trials", type=int, default=200, help="configurations that measure Tune and MLflow (default: 200)")
    add("--points", type=int, nargs="+", default=[2, 16], help="workers of the real sweeps that check the simulation")
    add("--quick", action="store_true", help="all of it small: does it run?")
    asked = parser.parse_args()
    if asked.quick:
        asked.histories, asked.live, asked.repeats = [100, 300], [2, 20], 3
        asked.journals, asked.trials, asked.points = [1000, 10_000], 60, [2, 4]
    quiet()
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        measure(asked, Path(folder))


def measure(asked: argparse.Namespace, folder: Path) -> None:
    """All of it."""
    rows = [
        row
        for history in asked.histories
        for row in of_agenda(folder, asked.approach, history, asked.live, asked.repeats)
    ]
    kinds = ("suggest", "without TPE", "seed", "look", "end")
    table(
        f"Optuna and the journal: driver's ms of CPU (on the clock), space of {asked.approach}",
        [
            {"history": row["history"], "live": row["live"]}
            | {kind: f"{row[kind].cpu_ms:.2f} ({row[kind].wall_ms:.2f})" for kind in kinds}
            for row in rows
        ],
    )
    confirmed = {count: of_confirmation(folder, asked.approach, count) for count in (50, 200, 1000)}
    table(
        "Confirmation: ms a seed (both splits)",
        [{"seeds": n, "CPU": each.cpu_ms, "clock": each.wall_ms} for n, each in confirmed.items()],
    )
    resumed = {n: of_resuming(folder, asked.approach, n, 40) for n in asked.histories[:3]}
    table(
        "Resuming: ms for each configuration that a killed driver left running",
        [{"history": n, "CPU": each.cpu_ms, "clock": each.wall_ms} for n, each in resumed.items()],
    )
    mlflow_cpu, mlflow_wall = of_mlflow(folder / "mlflow", asked.trials)
    tune = of_tune(asked.trials)
    waits = of_waiting((4, 200, 2000))
    table(
        "Other parts of the driver, ms",
        [
            {"part": "MLflow's thread, a configuration of 10 seeds", "ms": 1000 * mlflow_cpu},
            {"part": "the same on the clock, with nothing beside it", "ms": 1000 * mlflow_wall},
            *({"part": f"{name}, CPU", "ms": 1000 * value} for name, value in tune.items()),
            *({"part": f"ray.wait on {n} results ({n // 2} workers)", "ms": 1000 * each} for n, each in waits.items()),
        ],
    )
    loads = []
    for seeds in asked.journals:
        path = made_journal(folder, asked.approach, seeds)
        load, make, held = in_own_process(opened, path)
        size = (path / JOURNAL).stat().st_size
        loads.append(
            {"seeds": seeds, "bytes a seed": size / seeds, "MB": size / 1e6, "open, s": load, "trials, s": make}
            | {"held, MB": held, "held, kB a configuration": held * 1024 * SEEDS / seeds}
        )
    last = loads[-1]
    factor = 1_000_000 / last["seeds"]
    loads.append(
        {"seeds": "1e6, extrapolated", "bytes a seed": last["bytes a seed"]}
        | {key: factor * last[key] for key in ("MB", "open, s", "trials, s", "held, MB")}
        | {"held, kB a configuration": last["held, kB a configuration"]}
    )
    table("A journal is opened", loads)
    at_1000 = simulate(asked, rows, tune, waits, mlflow_cpu)
    print("\n" + at_full_size(at_1000, mlflow_cpu, resumed, last, rows))


def simulate(
    asked: argparse.Namespace,
    rows: Sequence[dict[str, Any]],
    tune: dict[str, float],
    waits: dict[int, float],
    mlflow_cpu: float,
) -> Driver:
    """Which part of their time workers work, by the measured parts; the driver of most workers and most history."""

    def driver(history: int | None, workers: int, mlflow: bool = True) -> Driver:
        """With TPE on so much history, or (None) with random suggestions."""
        near = [row for row in rows if row["history"] == (asked.histories[0] if history is None else history)]
        row = min(near, key=lambda row: abs(row["live"] - workers))
        wait = float(np.interp(2 * workers, list(waits), list(waits.values()))) - waits[min(waits)]
        a_step = tune["tune a step"] + wait
        return Driver(
            configuration=(row["without TPE" if history is None else "suggest"].wall_ms + row["end"].wall_ms) / 1000
            + tune["tune a configuration"]
            + wait,
            step=a_step + row["look"].wall_ms / 1000,
            seed=row["seed"].wall_ms / 1000,
            aside=(mlflow_cpu if mlflow else 0.0) + tune["threads a configuration"] + LOOKS * tune["threads a step"],
        )

    checks = []
    for workers in asked.points:
        # More workers than cores take long to start, and would share the cores when they do not sleep.
        for sleep in (0.1, 0.5) if workers <= (os.cpu_count() or 1) else (0.5,):
            real, seconds, own = real_point(workers, sleep, 20 * workers)
            as_simulated = simulated(own, workers, seconds, LOOKS)
            checks.append(
                {"workers": workers, "s a seed": seconds, "real": f"{real:.0%}", "simulated": f"{as_simulated:.0%}"}
            )
    table(
        "Part of its time that a worker works: real sweeps whose seeds sleep, and simulated as their drivers were",
        checks,
    )
    for history in (None, *asked.histories):
        lines = []
        for seconds in (0.1, 1.0, 10.0):
            steps = SEEDS if seconds >= STEP_SECONDS else LOOKS
            line: dict[str, Any] = {"s a seed": seconds}
            for workers in (2, 10, 100, 1000):
                part = simulated(driver(history, workers), workers, seconds, steps)
                line[f"{workers} workers"] = f"{part:.0%}"
            for what, mlflow in (("fed", True), ("without MLflow", False)):
                line[what] = str(fed(partial(driver, history, mlflow=mlflow), seconds, steps))
            line["ms a configuration"] = f"{1000 * driver(history, 100).a_configuration(steps):.0f}"
            lines.append(line)
        what = "random suggestions" if history is None else f"TPE with {history} configurations of that approach"
        table(
            f"Part of their time that workers work, {SEEDS} seeds a configuration, and how many are fed: {what}", lines
        )

    return driver(asked.histories[-1], 1000)


def at_full_size(
    driver: Driver,
    mlflow_cpu: float,
    resumed: dict[int, Cost],
    journal: dict[str, Any],
    rows: Sequence[dict[str, Any]],
) -> str:
    """What 1,000 workers and 100,000 configurations would meet, the worst first; sizes are extrapolated linearly.

    Args:
        driver: With the longest history, which is taken for that of one of about ten approaches.
        mlflow_cpu: Seconds of MLflow's thread a configuration.
        resumed: What taking up a running configuration takes, by history.
        journal: The largest that was opened.
        rows: What the agenda takes.
    """
    workers, configurations = 1000, 100_000
    last = rows[-1]
    turn = driver.a_configuration(LOOKS)
    longest = max(resumed)
    each = resumed[longest].cpu_ms / 1000 * last["history"] / longest
    many = configurations * SEEDS / journal["seeds"]
    looks = (LOOKS - 1) * last["look"].wall_ms / 1000
    return "\n".join(
        [
            f"{workers} workers and {configurations} configurations, {last['history']} of each approach:",
            f"1. The driver's turn, {1000 * turn:.0f} ms a configuration, feeds {workers} workers only if a seed takes "
            f"{turn * workers / SEEDS / FED:.0f} s or more; it alone takes {configurations * turn / 3600:.1f} h. TPE's "
            f"suggestion is {last['suggest'].wall_ms / 1000 / turn:.0%} of it, racing's looks {looks / turn:.0%}, "
            f"journal {SEEDS * last['seed'].wall_ms / 1000 / turn:.0%}, MLflow {mlflow_cpu / turn:.0%}.",
            f"2. The record holds {many * journal['held, MB'] / 1000:.1f} GB of the driver's memory and "
            f"{many * journal['MB'] / 1000:.1f} GB of disk, and is opened in {many * journal['open, s']:.0f} s.",
            f"3. A resumed sweep takes up {workers} running configurations in {workers * each:.0f} s "
            f"({1000 * each:.1f} ms each).",
            f"4. MLflow's thread works {configurations * mlflow_cpu / 3600:.1f} h of the driver's interpreter.",
        ]
    )


def fed(driver: Callable[[int], Driver], seconds: float, steps: int) -> int:
    """The most workers that work at least `FED` of their time."""
    most = int(SEEDS * seconds / driver(100).a_configuration(steps)) + 1
    for part in np.arange(1.2, 0.0, -0.1):
        workers = max(int(part * most), 1)
        if simulated(driver(workers), workers, seconds, steps) >= FED:
            return workers
    return 0


if __name__ == "__main__":
    main()

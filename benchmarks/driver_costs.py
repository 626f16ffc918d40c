"""What each part of a sweep's driver takes, measured by itself: Optuna and the journal, MLflow, Tune."""

from __future__ import annotations

import gc
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from processes import status
from soak import outside
from soak_samples import Sample, a_trial, between, of_search

from sweeps.challenge1 import CHALLENGE
from sweeps.core.seeds import search_seeds
from sweeps.stages.confirmation import ConfirmationStage
from sweeps.stages.outcomes import FAILED
from sweeps.stages.racing import Racing
from sweeps.stages.sampling import at_random, tpe
from sweeps.stages.search import SearchStage
from sweeps.stages.tasks import Task
from sweeps.store.journal import JOURNAL, Journal
from sweeps.store.spec import Source, Spec
from sweeps.store.trials import TrialRecord
from sweeps.tracking.sweep_run import SweepEnd, SweepRun
from sweeps.tracking.tracker import Tracker
from trainables.parts.metrics import METRICS
from trainables.parts.protocol import NUMBERS_VERSION, TEST, VALIDATION, study_protocol
from trainables.parts.results import SeedResult, packed

SEEDS = 10
# Steps of a configuration of so many seeds: blocks end at racing's looks.
LOOKS = len(Racing().looks(SEEDS)) + 1


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
    # Of 1000 images.
    value = round(float(np.clip(level + noise, 0, 1)), 3)
    metrics: Any = dict.fromkeys(METRICS, value)
    hits = packed(np.random.default_rng(seed).random(1000) < value)
    return SeedResult(
        seed=seed, split=split, seconds=0.1234567, timestamp_ms=1764000000000 + seed, hits=hits, **metrics
    )


def stage_on(journal: Journal, approach: str, num_samples: int, racing: Racing | None = None) -> SearchStage:
    """A search without end."""
    approaches = CHALLENGE.named([approach])
    return SearchStage(
        journal, approaches, lambda trial: None, num_samples=num_samples, seeds=SEEDS, search_seed=0, racing=racing
    )


def fill(journal: Journal, approach: str, history: int) -> None:
    """Put finished configurations into the journal as Optuna would have them, each in one line."""
    (row,) = CHALLENGE.named([approach])
    drawn = optuna.create_study(sampler=RandomSampler(seed=0), direction="maximize")
    study = journal.study(approach)
    rng = np.random.default_rng(0)
    for number in range(history):
        trial = drawn.ask()
        row.suggest(trial)
        level = float(rng.uniform(0.6, 0.85))
        results = [pretended(seed, level=level) for seed in search_seeds(0, SEEDS)]
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


def of_stage(folder: Path, approach: str, history: int, lives: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """A row for each number of live tasks: what the stage takes with so many configurations behind it."""
    journal = Journal(folder / f"history{history}", write=True)
    fill(journal, approach, history)
    stage = stage_on(journal, approach, 10**9, racing=Racing())
    rows = []
    for live in lives:
        while len(stage.live) < live - 1:
            stage.next_task()
        suggestion, seed, end, by_tpe = cost(), cost(), cost(), cost()
        look = Cost([], [], statistics.fmean)
        for repeat in range(repeats + 1):
            measured = [suggestion, seed, look, end, by_tpe] if repeat else [cost() for _ in range(5)]
            with measured[0].one():
                task = stage.next_task()
            assert task is not None
            level = 0.7 + 0.01 * (repeat % 7)
            for block in task.blocks:
                results = [pretended(each, level=level) for each in block]
                # A worker reports a block of short seeds in one step, and the dispatcher writes it as one piece.
                with measured[1].one(of=len(block)), journal.together():
                    for result in results:
                        stage.take(task, result)
                with measured[2].one():
                    stage.is_losing(task)
            stage.raced_out.clear()
            with measured[3].one():
                stage.close(task)
            stage.sampler = tpe
            with measured[4].one():
                other = stage.next_task()
            assert other is not None
            stage.live.remove(other)
            stage.end(other.approach, other.trial, FAILED.because("made up"))
            stage.sampler = at_random
        rows.append(
            {
                "history": history,
                "live": live,
                "suggest": suggestion,
                "by TPE": by_tpe,
                "seed": seed,
                "look": look,
                "end": end,
            }
        )
    journal.close()
    return rows


def of_confirmation(folder: Path, approach: str, seeds: int) -> Cost:
    """What a seed's two results take when so many seeds are confirmed; all blocks are live at the same time."""
    journal = Journal(folder / f"confirm{seeds}", write=True)
    fill(journal, approach, 1)
    confirm = ConfirmationStage(journal, CHALLENGE.named([approach]), lambda trial: None, seeds=seeds)
    tasks: list[Task] = []
    while (task := confirm.next_task()) is not None:
        tasks.append(task)
    whole = cost()
    with whole.one(of=seeds):
        for task in tasks:
            for block in task.blocks:
                with journal.together():
                    for seed in block:
                        for split in (VALIDATION, TEST):
                            confirm.take(task, pretended(seed, split))
            confirm.close(task)
    journal.close()
    return whole


def of_resuming(folder: Path, approach: str, history: int, running: int) -> Cost:
    """What taking up each configuration takes that a killed driver left running."""
    journal = Journal(folder / f"resume{history}", write=True)
    fill(journal, approach, history)
    stage = stage_on(journal, approach, 10**9)
    for _ in range(running):
        stage.next_task()
    whole = cost()
    with whole.one(of=running):
        stage_on(journal, approach, 10**9)
    journal.close()
    return whole


def of_mlflow(folder: Path, trials: int) -> tuple[float, float]:
    """CPU and clock seconds of the MLflow thread a configuration of `SEEDS` seeds, while no process writes for it."""
    folder.mkdir()
    now = time.time_ns() // 1_000_000
    (row,) = CHALLENGE.named(["cnn"])
    assert row.published is not None
    made_up = TrialRecord(
        approach="cnn",
        stage="search",
        number=0,
        state="COMPLETE",
        params=dict(row.published.params),
        results=tuple(pretended(seed) for seed in search_seeds(0, SEEDS)),
        reason=None,
        of_trial=None,
        started_ms=now,
        ended_ms=now,
    )
    sweep = SweepRun(
        folder=folder,
        journal_id="made-up",
        begun_ms=now,
        experiment="scaling",
        tags={},
        params={},
        shared_tags={},
        approach_tags={},
        spec=Spec(
            challenge="challenge1",
            numbers_version=NUMBERS_VERSION,
            dataset=Source(source="made up", fingerprint=""),
            protocol=study_protocol(),
            test_counts=(234, 390),
            precision="float32",
            smoke=False,
        ),
        examples=[made_up.params],
    )
    tracker = Tracker(f"sqlite:///{folder / 'mlflow.db'}", sweep)

    def push(first: int, count: int) -> None:
        for number in range(first, first + count):
            tracker.push(replace(made_up, number=number))
        while tracker.written < first + count:
            time.sleep(0.005)

    push(0, 10)  # With its imports and the database's birth.
    # The thread counts its seconds after each configuration it waited for, so the last ones may be missing.
    seconds, begin = tracker.seconds, time.perf_counter()
    push(10, trials)
    wall = time.perf_counter() - begin
    tracker.close(SweepEnd(exit_code=0, metrics={}, note="", files=(), ended_ms=now))
    return (tracker.seconds - seconds) / trials, wall / trials


def of_tune(trials: int) -> dict[str, float]:
    """CPU seconds of Tune and of other threads a configuration and a step, from sweeps with few and many steps."""
    rows: list[list[float]] = []
    taken: dict[str, list[float]] = {"tune": [], "threads": [], "ray": []}
    for seeds in (3, 10):
        arguments = [f"--trials={trials}", f"--seeds={seeds}", "--confirm-seeds=3", "--every=20", "--no-stops"]
        found, _ = outside(arguments)
        samples = search_samples(found)
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


def search_samples(found: dict[str, Any]) -> list[Sample]:
    """The samples of a soak's search."""
    return of_search([Sample(**each) for each in found["samples"]])


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
    source = Journal(folder / f"source{seeds}", write=True)
    stage = stage_on(source, approach, 2)
    begins = []
    for _ in range(2):
        begins.append(source.path.stat().st_size)
        task = stage.next_task()
        assert task is not None
        for block in task.blocks:
            for seed in block:
                stage.take(task, pretended(seed))
        stage.close(task)
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
    """Seconds to open a journal and to make its trials, and the MB that it holds; in a process of its own."""
    gc.collect()
    before = status("VmRSS")
    begin = time.perf_counter()
    journal = Journal(folder, write=False)
    loaded = time.perf_counter()
    held = status("VmRSS")
    trials = journal.trials()
    assert trials
    return loaded - begin, time.perf_counter() - loaded, (held - before) / 1024


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives in a fresh process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)

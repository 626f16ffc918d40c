"""How many workers one driver feeds, and what breaks first when there are more: measured in parts, then simulated.

python benchmarks/scaling.py [--histories 100 1000 5000 10000] [--live 2 100 1000] [--quick]

Nothing here needs a cluster. What the driver does is measured part by part on this machine:

1. Optuna and the journal: a `SearchStage` with so many finished configurations behind it and so many tasks live, whose
   results are pretended. A suggestion (at random, by TPE), a seed, a look of racing, the end of a configuration.
2. A confirmation with more and more seeds.
3. MLflow: what its thread takes a configuration of ten seeds.
4. Tune: two whole sweeps that train nothing (`benchmarks/soak.py`), with few and many steps per configuration; what is
   left of the main thread's CPU time is Tune's. And `ray.wait`, which Tune calls at every event, on many workers.
5. The journal: bytes a seed, and what opening one takes.

Then a discrete-event simulation of one server (the driver) and W workers says which part of its time a worker works,
and is checked against real sweeps whose seeds only sleep. No configuration is stopped early in either. Seconds are of
the CPU where nothing else is said; a journal waits for its disk too, so the simulation takes its seconds on the clock.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from driver_costs import (
    LOOKS,
    SEEDS,
    Cost,
    in_own_process,
    made_journal,
    of_confirmation,
    of_mlflow,
    of_resuming,
    of_stage,
    of_tune,
    of_waiting,
    opened,
    search_samples,
)
from searching import quiet
from simulation import FED, Driver, fed, simulated
from soak import outside
from soak_samples import between

from sweeps.store.journal import JOURNAL
from sweeps.views.text_table import aligned
from trainables.seed_trainable import STEP_SECONDS


def real_point(workers: int, sleep: float, trials: int) -> tuple[float, float, Driver]:
    """Of a real sweep whose seeds sleep: the part of its time that a worker worked, seconds a seed, and its driver."""
    found, _ = outside(
        [
            *(f"--trials={trials}", f"--seeds={SEEDS}", f"--workers={workers}", f"--sleep={sleep}"),
            *("--confirm-seeds=3", f"--every={max(trials // 10, 1)}", "--no-stops"),
        ]
    )
    # While the first configurations run, workers still start; at the end some have nothing left to do.
    first, last = between(search_samples(found), 0.4, 0.9)
    busy, trials = last.busy - first.busy, last.trials - first.trials

    def taken(*parts: str) -> float:
        return sum(getattr(last, part) - getattr(first, part) for part in parts) / trials

    # How the main thread's time is shared between steps and the change of configurations matters little.
    a_turn = taken("suggest", "tasks", "tune") / (LOOKS + 1)
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
        for row in of_stage(folder, asked.approach, history, asked.live, asked.repeats)
    ]
    kinds = ("suggest", "by TPE", "seed", "look", "end")
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
    """Which part of their time workers work, by the measured parts; the driver of 1000 with most history."""

    def driver(history: int, workers: int, suggest: str = "suggest", mlflow: bool = True) -> Driver:
        """With so much history, and suggestions that take what this part of a row says."""
        near = [row for row in rows if row["history"] == history]
        row = min(near, key=lambda row: abs(row["live"] - workers))
        wait = float(np.interp(2 * workers, list(waits), list(waits.values()))) - waits[min(waits)]
        a_step = tune["tune a step"] + wait
        return Driver(
            configuration=(row[suggest].wall_ms + row["end"].wall_ms) / 1000 + tune["tune a configuration"] + wait,
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
                {"workers": workers, "seconds/seed": seconds, "real": f"{real:.0%}", "simulated": f"{as_simulated:.0%}"}
            )
    table(
        "Part of its time that a worker works: real sweeps whose seeds sleep, and simulated as their drivers were",
        checks,
    )
    for history, suggest in ((asked.histories[-1], "suggest"), *((each, "by TPE") for each in asked.histories)):
        lines = []
        for seconds in (0.1, 1.0, 10.0):
            steps = SEEDS if seconds >= STEP_SECONDS else LOOKS
            line: dict[str, Any] = {"seconds/seed": seconds}
            for workers in (2, 10, 100, 1000):
                part = simulated(driver(history, workers, suggest), workers, seconds, steps)
                line[f"{workers} workers"] = f"{part:.0%}"
            for what, mlflow in (("fed", True), ("without MLflow", False)):
                line[what] = str(fed(partial(driver, history, suggest=suggest, mlflow=mlflow), seconds, steps))
            line["ms a configuration"] = f"{1000 * driver(history, 100, suggest).a_configuration(steps):.0f}"
            lines.append(line)
        what = f"{'by TPE' if suggest == 'by TPE' else 'at random'} with {history} configurations of that approach"
        table(
            f"Part of their time that workers work, {SEEDS} seeds per configuration, and how many are fed: {what}",
            lines,
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
        rows: What the stage takes.
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
            f"{turn * workers / SEEDS / FED:.0f} s or more; it alone takes {configurations * turn / 3600:.1f} h. The "
            f"suggestion is {last['suggest'].wall_ms / 1000 / turn:.0%} of it, racing's looks {looks / turn:.0%}, "
            f"journal {SEEDS * last['seed'].wall_ms / 1000 / turn:.0%}, MLflow {mlflow_cpu / turn:.0%}.",
            f"2. The journal holds {many * journal['held, MB'] / 1000:.1f} GB of the driver's memory and "
            f"{many * journal['MB'] / 1000:.1f} GB of disk, and is opened in {many * journal['open, s']:.0f} s.",
            f"3. A resumed sweep takes up {workers} running configurations in {workers * each:.0f} s "
            f"({1000 * each:.1f} ms each).",
            f"4. MLflow's thread works {configurations * mlflow_cpu / 3600:.1f} h of the driver's interpreter.",
        ]
    )


if __name__ == "__main__":
    main()

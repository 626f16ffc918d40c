"""What a sweep costs beyond its arithmetic: the project's own against what one would write with stock Ray Tune.

python benchmarks/stock_tune.py [--dataset PATH] [--configurations 16] [--stock-configurations 2]

Both sides search `cnn` with Optuna over 10 seeds per configuration, log into MLflow (a fresh sqlite file) and run one
trial a core at the same time. Each runs in a fresh process, timed from outside, from its start to its end.

- Ours is the sweep that `sweeps/challenge1.py` runs, from its plan to its tables, without racing and without a
  confirmation, so that it trains exactly 10 seeds per configuration.
- Stock is `tune.Tuner` with a function trainable (the loop of benchmarks/notebook.py), `OptunaSearch` in a `Repeater`,
  so that a seed is a Tune trial, and `MLflowLoggerCallback`.

Either searches the same parameters, except that `steps` is fixed to 50, so that every seed costs the same. Stock is
slow, so it runs fewer configurations; what it takes after its start-up is scaled up to as many seeds as ours has.

Start-up ends when the first seed begins. Training is the sum of the seeds' own seconds, divided by the number of cores.
Each stock trial is a new process, so its seconds include its imports.
What is left is bookkeeping: Tune, Optuna, the journal, MLflow, shutdown, and a core that waits for the last seed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.views.text_table import aligned

if TYPE_CHECKING:
    import numpy as np
    import optuna

SEEDS = 10
STEPS = 50


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the process of one side tells about itself; times are Unix time or seconds."""

    seeds: int
    first_begin: float
    last_end: float
    train_seconds: float
    driver_cpu_seconds: float
    tasks_cpu_seconds: float | None = None
    mlflow_cpu_seconds: float | None = None


def suggest(trial: optuna.Trial) -> None:
    """The main part of the space of `cnn`, with the number of steps fixed."""
    trial.suggest_categorical("normalisation", ["none", "fixed", "zscore", "autocontrast"])
    trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True)
    trial.suggest_float("weight_decay", 1e-6, 1.0, log=True)
    trial.suggest_int("steps", STEPS, STEPS)
    trial.suggest_float("dropout", 0.0, 0.6)


def ours(dataset: str, configurations: int) -> Measured:
    """Run the project's own sweep in the working directory."""
    from sweeps.engine import cluster

    # Ahead of the other imports, as `sweeps/run/start.py` does.
    cluster.start_ray(None, None)

    from types import SimpleNamespace

    from measuring import Clock, watched

    from search_spaces.published.challenge1 import PUBLISHED
    from sweeps.core.challenge import Approach, Challenge
    from sweeps.core.kinds import TPE
    from sweeps.core.signals import exit_code
    from sweeps.run.pipeline import run_given
    from sweeps.run.sweep import sweep_command
    from sweeps.store.journal import Journal
    from sweeps.store.spec import OptionValue
    from sweeps.tracking.tracker import Tracker
    from trainables.small_cnn import CNN

    clock, trackers = Clock(), list[Tracker]()
    command = watched(sweep_command(racing=None), before=clock.on_tasks, tracked=trackers.append)
    space: Any = SimpleNamespace(suggest=suggest)
    approach = Approach(name="cnn", learner=CNN, space=space, seconds_per_seed=0.25, published=PUBLISHED["cnn"])
    challenge = Challenge(name="challenge1", title="Benchmark", approaches=(approach,))
    given: dict[str, OptionValue] = {
        "num_samples": configurations,
        # As the other side's OptunaSearch.
        "sampler": TPE,
        "seeds": SEEDS,
        "finalists": 1,
        "confirm_seeds": 0,
        "dataset": dataset,
        "name": "sweep",
        "tracking_uri": "sqlite:///mlflow.db",
    }
    code = exit_code("benchmark", lambda: run_given(command, challenge, given))
    if code:
        raise RuntimeError(f"The sweep ended with code {code}.")
    cpu = time.process_time()
    results = [result for trial in Journal(Path("results/sweep"), write=False).trials() for result in trial.results]
    failed = [result.error for result in results if result.error]
    if failed:
        raise RuntimeError(f"{len(failed)} seeds failed, the first with {failed[0]}")
    return Measured(
        seeds=len(results),
        first_begin=min(result.timestamp_ms / 1000 - result.seconds for result in results),
        last_end=max(result.timestamp_ms / 1000 for result in results),
        train_seconds=sum(result.seconds for result in results),
        driver_cpu_seconds=cpu,
        tasks_cpu_seconds=clock.seconds["tasks"],
        mlflow_cpu_seconds=trackers[0].seconds,
    )


def train_one_seed(config: dict[str, Any], *, images: np.ndarray, labels: np.ndarray) -> None:
    """A function trainable of stock Ray Tune: one seed of one configuration."""
    begin = time.time()
    from notebook import train_and_validate
    from ray import tune

    params = {key: value for key, value in config.items() if key != "__trial_index__"}
    accuracy = train_and_validate(params, 1000 + config["__trial_index__"], images, labels)
    tune.report({"accuracy": accuracy, "begin": begin, "end": time.time()})


def stock(dataset: str, configurations: int) -> Measured:
    """Run the sweep that one would write with Ray Tune's own parts in the working directory."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search import Repeater
    from ray.tune.search.optuna import OptunaSearch

    from sweeps.inputs.images import find_dataset
    from trainables.parts.image_sets import PIXELS, POOL

    pool = find_dataset(dataset)[0].pixel_sets()[POOL]
    cores = os.cpu_count() or 1
    here = str(Path(__file__).resolve().parent)
    ray.init(address="local", num_cpus=cores, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": here}})
    searcher = OptunaSearch(suggest, metric="accuracy", mode="max")
    results = tune.Tuner(
        tune.with_parameters(train_one_seed, images=pool.view(PIXELS), labels=pool.labels),
        tune_config=tune.TuneConfig(
            search_alg=Repeater(searcher, repeat=SEEDS, set_index=True),
            num_samples=configurations * SEEDS,
            max_concurrent_trials=cores,
        ),
        run_config=tune.RunConfig(
            storage_path=str(Path.cwd() / "ray_results"),
            callbacks=[MLflowLoggerCallback(tracking_uri="sqlite:///mlflow.db", experiment_name="benchmark")],
        ),
    ).fit()
    if results.errors:
        raise results.errors[0]
    reports = [results[number].metrics or {} for number in range(len(results))]
    ray.shutdown()
    return Measured(
        seeds=len(reports),
        first_begin=min(report["begin"] for report in reports),
        last_end=max(report["end"] for report in reports),
        train_seconds=sum(report["end"] - report["begin"] for report in reports),
        driver_cpu_seconds=time.process_time(),
    )


SIDES: dict[str, Callable[[str, int], Measured]] = {"ours": ours, "stock Tune": stock}


def in_fresh_process(side: str, dataset: str, configurations: int, seeds: int) -> dict[str, str]:
    """Run one side in an empty folder; the row of the table, scaled to `seeds`."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        answer = Path(folder, "measured.json")
        arguments = ["--side", side, "--answer", str(answer), "--dataset", dataset]
        command = [sys.executable, __file__, *arguments, "--configurations", str(configurations)]
        # Only this machine is measured: neither side may join a cluster that happens to run.
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        begin = time.time()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        wall = time.time() - begin
        if done.returncode:
            raise RuntimeError(f"The side {side} failed:\n{done.stderr[-3000:]}")
        measured = Measured(**json.loads(answer.read_text()))
    return row(side, measured, begin, wall, seeds)


def row(side: str, measured: Measured, begin: float, wall: float, seeds: int) -> dict[str, Any]:
    """The parts of a side's wall time in seconds, all but the start-up scaled to `seeds`."""
    scale = seeds / measured.seeds
    startup = measured.first_begin - begin
    training = scale * measured.train_seconds / (os.cpu_count() or 1)
    whole = startup + scale * (wall - startup)
    return {
        "side": side,
        "seeds run": measured.seeds,
        "wall": whole,
        "a seed": whole / seeds,
        "start-up": startup,
        "training": training,
        "bookkeeping": whole - startup - training,
        "of it after the last seed": begin + wall - measured.last_end,
        "driver's CPU": measured.driver_cpu_seconds,
        "Optuna's and the journal's CPU": measured.tasks_cpu_seconds,
        "MLflow's CPU": measured.mlflow_cpu_seconds,
    }


def shown(rows: Sequence[dict[str, Any]], seeds: int) -> str:
    """The table of both sides, and the ratio."""
    own, other = rows

    def text(value: Any) -> str:
        return f"{value:.2f}" if isinstance(value, float) else str("" if value is None else value)

    lines = [{"seconds": key} | {each["side"]: text(each[key]) for each in rows} for key in list(own)[1:]]
    return "\n".join(
        [
            f"Seconds for {seeds} seeds; CPU times are those of the seeds that were run",
            "",
            aligned(lines, left=("seconds",)),
            "",
            f"A seed costs stock Tune {other['a seed'] / own['a seed']:.1f} times as much as ours; bookkeeping is "
            f"{own['bookkeeping'] / own['wall']:.0%} of our wall time.",
        ]
    )


def main() -> None:
    """Run both sides and print the table."""
    parser = argparse.ArgumentParser(description="Seconds a seed of a whole sweep: stock Ray Tune against ours.")
    add = parser.add_argument
    add("--dataset", default="phantom", help="path of an .npz file (default: the built-in phantom)")
    add("--configurations", type=int, default=16, help="configurations of ours, 10 seeds each (default: 16)")
    add("--stock-configurations", type=int, default=2, help="configurations of stock Ray Tune (default: 2)")
    add("--side", choices=SIDES, help=argparse.SUPPRESS)
    add("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        measured = SIDES[options.side](options.dataset, options.configurations)
        options.answer.write_text(json.dumps(asdict(measured)))
        return
    dataset = options.dataset if options.dataset == "phantom" else str(Path(options.dataset).resolve())
    seeds = options.configurations * SEEDS
    counts = {"ours": options.configurations, "stock Tune": options.stock_configurations}
    print(shown([in_fresh_process(side, dataset, count, seeds) for side, count in counts.items()], seeds))


if __name__ == "__main__":
    main()

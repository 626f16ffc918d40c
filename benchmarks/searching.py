"""What the benchmarks of the search share: searches in this process, without Ray, whose seeds are never run twice."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import joblib
import numpy as np
import optuna
from scipy import stats

from sweeps.challenge1 import CHALLENGE
from sweeps.core.challenge import Approach
from sweeps.core.seeds import CONFIRM_SEEDS_FROM, further_search_seeds
from sweeps.inputs.images import find_dataset
from sweeps.run.options import SweepOptions
from sweeps.stages.ranking import best_complete, finalists
from sweeps.stages.search import SearchStage
from sweeps.store.journal import Journal
from sweeps.store.trials import TrialRecord
from trainables.parts.datasets import Dataset
from trainables.parts.protocol import NUMBERS_VERSION
from trainables.parts.results import SeedResult
from trainables.parts.run_seed import prepare_worker, run_seed

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One approach and one search seed: what one process does in one go."""

    approach: str
    search_seed: int
    num_samples: int
    seeds: int
    dataset: str
    memory: str


class Laboratory:
    """Runs searches and confirmations of one job; a seed that was run before, by any benchmark, is looked up."""

    def __init__(self, job: Job) -> None:
        quiet()
        prepare_worker()
        self.job = job
        self.approach: Approach = CHALLENGE.named([job.approach])[0]
        self.dataset: Dataset = find_dataset(job.dataset)[0]
        memory = joblib.Memory(job.memory, verbose=0, mmap_mode=None)
        self._remembered = memory.cache(_run, ignore=["dataset"])

    def seed(self, params: dict[str, object], seed: int) -> SeedResult:
        """One seed of one configuration."""
        version = f"{NUMBERS_VERSION} {self.dataset.fingerprint}"
        found: SeedResult = self._remembered(
            self.job.approach, json.dumps(params, sort_keys=True), seed, version, dataset=self.dataset
        )
        return found

    def search(self, **how: object) -> list[TrialRecord]:
        """The trials of a search as `SearchStage` makes it, with one worker; `how` are its further arguments."""
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal(Path(folder) / "sweep", write=True)
            stage = SearchStage(
                journal,
                [self.approach],
                lambda trial: None,
                num_samples=self.job.num_samples,
                seeds=self.job.seeds,
                search_seed=self.job.search_seed,
                **how,  # type: ignore[arg-type]
            )
            while not stage.is_finished():
                task = stage.next_task()
                if task is None:
                    # A space without more.
                    continue
                for block in task.blocks:
                    for seed in block:
                        stage.take(task, self.seed(task.params, seed))
                    if stage.is_losing(task):
                        break
                stage.close(task)
            trials = journal.trials()
            journal.close()
        return trials

    def best(self, trials: Sequence[TrialRecord]) -> TrialRecord:
        """What the search hands on."""
        found = best_complete(trials, self.job.approach)
        assert found is not None
        return found

    def handed_on(self, trials: Sequence[TrialRecord]) -> TrialRecord:
        """The same after the finalists have met further search seeds, as in a sweep by default."""
        further = further_search_seeds(self.job.search_seed, self.job.seeds)
        among = finalists(trials, self.job.approach, SweepOptions.finalists) or [self.best(trials)]

        def mean(trial: TrialRecord) -> float:
            more = [self.seed(trial.params, seed).accuracy for seed in further]
            return float(np.mean([*trial.values("accuracy"), *more]))

        return max(among, key=mean)

    def confirm(self, trial: TrialRecord, seeds: int, begin: int = CONFIRM_SEEDS_FROM) -> np.ndarray:
        """Accuracies in per cent (N,) of a configuration on N fresh seeds, from `begin` up."""
        found = [self.seed(trial.params, seed).accuracy for seed in range(begin, begin + seeds)]
        return 100 * np.array(found, dtype=float)


def quiet() -> None:
    """Let Optuna say nothing of what it finds experimental, nor of each trial."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def _run(approach: str, params: str, seed: int, version: str, *, dataset: Dataset) -> SeedResult:
    """One seed, with the time that its process computed in place of that which passed: the machine may be busy."""
    begin = time.process_time()
    learner = CHALLENGE.named([approach])[0].learner
    (found,) = run_seed(learner, json.loads(params), seed, dataset.pixel_sets())
    return replace(found, seconds=time.process_time() - begin)


def options(
    description: str, approaches: Sequence[str], *, num_samples: int, search_seeds: int, pools: int | None = None
) -> argparse.Namespace:
    """The command line that these benchmarks share; `pools` is the default of an option that one of them has."""
    quiet()
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    known = [each.name for each in CHALLENGE.approaches]
    parser.add_argument("--approaches", nargs="+", choices=known, default=list(approaches), help="which")
    parser.add_argument("--num-samples", type=int, default=num_samples, help="configurations a search")
    parser.add_argument("--seeds", type=int, default=10, help="seeds per configuration")
    parser.add_argument("--search-seeds", type=int, default=search_seeds, help="searches an approach")
    parser.add_argument("--confirm-seeds", type=int, default=50, help="fresh seeds of what a search hands on")
    parser.add_argument("--dataset", default="auto", help="as for a sweep")
    parser.add_argument("--processes", type=int, default=joblib.cpu_count(), help="searches at the same time")
    parser.add_argument("--memory", default="results/benchmarks", help="folder of the seeds that were run before")
    if pools is not None:
        parser.add_argument("--pools", type=int, default=pools, help="pools of images of each size")
    return parser.parse_args()


def on_all(asked: argparse.Namespace, work: Callable[[Job, int], T]) -> dict[str, list[T]]:
    """What `work` gives for each approach and search seed, by approach; jobs run in several processes.

    Args:
        asked: From `options`.
        work: Called with a job and the number of fresh seeds; must be a function of a module.
    """
    jobs = [
        Job(
            approach=approach,
            search_seed=search_seed,
            num_samples=asked.num_samples,
            seeds=asked.seeds,
            dataset=asked.dataset,
            memory=asked.memory,
        )
        for search_seed in range(asked.search_seeds)
        for approach in asked.approaches
    ]
    found = joblib.Parallel(n_jobs=asked.processes, verbose=1)(
        joblib.delayed(work)(j, asked.confirm_seeds) for j in jobs
    )
    by_approach: dict[str, list[T]] = {approach: [] for approach in asked.approaches}
    for job, each in zip(jobs, found, strict=True):
        by_approach[job.approach].append(each)
    return by_approach


def with_t_interval(values: np.ndarray) -> str:
    """The mean and its 95 % interval (Student's t), where there are several values."""
    mean = values.mean()
    if len(values) < 2:
        return f"{mean:+.1f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f})"

"""Ray as the engine: it starts the workers and runs an agenda's tasks on them. The only file that builds a Tuner.

Tune schedules and nothing more: a fresh Tuner each time, no restore, no checkpoints, no retries of its own. What a
worker reports goes into the record through the scheduler's two hooks, which together see every result.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from sweeps.agenda import Agenda, Task
from sweeps.bad_input import BadInput
from sweeps.endings import Terminated
from sweeps.progress import duration
from trainables.any_approach import AnyApproach
from trainables.protocol import STEP_SECONDS, ImageSet, SeedResult, SeedTrainable

STOP_SECONDS = 15.0
PACKAGES = ("trainables", "search_spaces", "sweeps")
# What the head of a cluster that grows on demand has as a custom resource: how many trials it may grow to hold.
MAX_TRIALS = "max_trials"
# How often it is asked how many CPUs there are, and which workers are silent.
SECONDS_BETWEEN_LOOKS = 1.0
# More than any cluster holds at the same time; how many really run is said by `Slots`.
NO_LIMIT = 10**9
OUT_OF_MEMORY = "ran out of memory"


def cluster_address(option: str | None) -> str | None:
    """Where the cluster is: as asked for, else as the environment says; None is this machine alone."""
    return option or os.environ.get("RAY_ADDRESS")


def start_ray(address: str | None, workers: int | None) -> Path | None:
    """Start Ray here, or connect to a running cluster; returns the folder of logs of one that was started here.

    Args:
        address: "host:port" of a cluster's head or "auto"; None is the one in RAY_ADDRESS, else this machine alone.
        workers: CPUs to use here; None is all. A cluster has its own.

    Raises:
        BadInput: No cluster answers there.
    """
    address = cluster_address(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with _sigterm_stays_ours(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not address:
            cpus = workers or os.cpu_count() or 1
            context: Any = ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)
            return Path(context.address_info["session_dir"])
        check_address(address)
        try:
            ray.init(address=address, runtime_env=_runtime_env(), **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            first_line = str(error).strip().splitlines()[0]
            raise BadInput(
                f"Expected a Ray cluster at --address {address}; Ray says: {first_line.rstrip('.')}. "
                "RAY_AUTH_MODE must be the same here as where the cluster was started."
            ) from None
        return None


@contextlib.contextmanager
def _sigterm_stays_ours() -> Iterator[None]:
    """Ray puts a handler of its own in the place of ours, which exits without a word and with another code."""
    ours = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        raise Terminated from None
    finally:
        signal.signal(signal.SIGTERM, ours)


def stop_ray(code: int, logs: Path | None) -> None:
    """Shut Ray down if it runs.

    A signal to the whole process group has killed it already, and Ray would wait a minute for itself and then abort. So
    after `STOP_SECONDS` the process ends here and now, with the exit code it was about to have. Ray's logs, which it
    leaves behind, stay only if something failed.
    """
    if not ray.is_initialized():
        return
    stopping = threading.Thread(target=ray.shutdown, daemon=True)
    stopping.start()
    stopping.join(STOP_SECONDS)
    if stopping.is_alive():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    if logs and code != 1:
        shutil.rmtree(logs, ignore_errors=True)


class Slots:
    """How many trials may run at the same time; nodes come and go, so it is asked again and again.

    As many as a person asked for, else one for each CPU of the cluster, or as many as a cluster that grows on demand
    says it may hold, whichever is more.
    """

    def __init__(self, workers: int | None) -> None:
        self.workers = workers
        self._found, self._until = 1, 0.0

    def __call__(self) -> int:
        """How many now."""
        if self.workers:
            return self.workers
        if time.monotonic() >= self._until:
            resources = ray.cluster_resources()
            self._found = max(int(resources.get("CPU", 0)), int(resources.get(MAX_TRIALS, 0)), 1)
            self._until = time.monotonic() + SECONDS_BETWEEN_LOOKS
        return self._found


def check_address(address: str) -> None:
    """Refuse at once an address at which nothing listens; Ray itself tries for a long time.

    Raises:
        BadInput: It is not "auto", "local" or host:port, or nothing answers.
    """
    if address in ("auto", "local"):
        return
    if "://" in address:
        raise BadInput(
            f"Expected --address as host:port of a cluster that this machine belongs to; got {address!r}. Run the "
            "command on a machine of the cluster, or submit it with `ray job submit`."
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise BadInput(f'Expected --address as host:port or "auto"; got {address!r}.')
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except (OSError, OverflowError, ValueError) as error:
        raise BadInput(
            f"Expected a Ray cluster at --address {address}; nothing answers there ({error}). "
            "Start one with `ray start --head`, or leave the option away to use this machine."
        ) from None


def _runtime_env() -> dict[str, Any]:
    """Send this code to the workers, unless a submitted job has done so already."""
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    here = Path(__file__).resolve().parent.parent
    return {"py_modules": [str(here / package) for package in PACKAGES], "env_vars": {"RAY_CHDIR_TO_TRIAL_DIR": "0"}}


@dataclass
class _Run:
    """A task in Tune's hands, with Tune's own object of it."""

    task: Task
    trial: TuneTrial | None = None
    # Since its worker has reported something, and whether that was too long.
    silent_seconds: float = 0.0
    is_expired: bool = False
    why_lost: str = ""


class _Desk:
    """Between Tune's identities and the agenda's tasks; keeps the first error of the agenda, which ends the run."""

    def __init__(
        self,
        agenda: Agenda,
        slots: Callable[[], int],
        seed_timeout: float,
        watcher: Callable[[], None],
        interrupt: Callable[[], None],
    ) -> None:
        self.agenda = agenda
        self.slots = slots
        self.seed_timeout = seed_timeout
        self.watcher = watcher
        self.interrupt = interrupt
        self.runs: dict[str, _Run] = {}
        self.looked = time.monotonic()
        self.error: Exception | None = None

    def next_task(self, trial_id: str) -> Task | None:
        """The agenda's next task, if a slot is free."""
        task = self.agenda.next_task() if len(self.runs) < self.slots() else None
        if task is not None:
            self.runs[trial_id] = _Run(task)
        return task

    def take(self, trial_id: str, report: Mapping[str, Any]) -> None:
        """Record every seed of a report."""
        run = self.runs.get(trial_id)
        if run is None:
            return
        run.silent_seconds, run.is_expired = 0.0, False
        for result in report.get("results", ()):
            self.agenda.take(run.task, SeedResult(**result))
        self.watcher()

    def end(self, trial_id: str, *, is_lost: bool) -> None:
        """Tune has no more to do for it, or its worker is lost."""
        run = self.runs.pop(trial_id, None)
        if run is None:
            return
        if is_lost and run.is_expired:
            self.agenda.expired(run.task, f"a seed took longer than {duration(self.seed_timeout)} (--seed-timeout)")
        elif is_lost:
            self.agenda.lost(run.task, run.why_lost)
        else:
            self.agenda.close(run.task)
        self.watcher()

    def kill_the_silent(self) -> None:
        """End workers of which nothing was heard for longer than a seed may take; their trials count as lost."""
        now = time.monotonic()
        if now - self.looked < SECONDS_BETWEEN_LOOKS:
            return
        # While this process itself stood still (a laptop that slept) it could hear nobody.
        passed = min(now - self.looked, 2 * SECONDS_BETWEEN_LOOKS)
        self.looked = now
        for run in self.runs.values():
            # One without a worker waits for a CPU, or for a node that is being started.
            worker = run.trial.temporary_state.ray_actor if run.trial else None
            if worker is not None and not run.is_expired:
                run.silent_seconds += passed
                if run.silent_seconds > self.seed_timeout + STEP_SECONDS:
                    run.is_expired = True
                    ray.kill(worker)


def _guarded(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook whose error is kept and stops the run; Tune would take it for the trial's own failure and go on."""

    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.desk.error:
            return None
        try:
            return hook(self, *args, **kwargs)
        except Exception as error:
            self.desk.error = error
            return None

    return guarded


class _Search(Searcher):
    """Tune asks it for configurations; it gives the agenda's tasks."""

    def __init__(self, desk: _Desk) -> None:
        super().__init__()
        self.desk = desk

    def suggest(self, trial_id: str) -> Any:
        config = self._next(trial_id)
        # Told that there is something to wait for, Tune would wait for minutes before it looks at our error.
        return Searcher.FINISHED if self.desk.error else config

    @_guarded
    def _next(self, trial_id: str) -> Any:
        task = self.desk.next_task(trial_id)
        if task is None:
            return Searcher.FINISHED if self.desk.agenda.is_finished() else None
        return {"approach": task.approach, "params": task.params, "blocks": task.blocks, "splits": list(task.splits)}

    @_guarded
    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        # Tune also calls this for a trial it stops before it has run; that one is lost like one whose worker died.
        self.desk.end(trial_id, is_lost=error or result is None)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Scheduler(FIFOScheduler):
    """Tune shows it every report; it records them, and asks the agenda whether to go on."""

    def __init__(self, desk: _Desk) -> None:
        super().__init__()
        self.desk = desk

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        if trial.trial_id in self.desk.runs:
            self.desk.runs[trial.trial_id].trial = trial

    @_guarded
    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        if trial.trial_id in self.desk.runs:
            self.desk.runs[trial.trial_id].why_lost = _why_lost(trial)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        return self._on_result(trial, result) or TrialScheduler.CONTINUE

    @_guarded
    def _on_result(self, trial: TuneTrial, result: dict[str, Any]) -> str | None:
        self.desk.take(trial.trial_id, result)
        run = self.desk.runs.get(trial.trial_id)
        return TrialScheduler.STOP if run and self.desk.agenda.is_losing(run.task) else None

    @_guarded
    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        self.desk.take(trial.trial_id, result)

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _count_memory_deaths() -> None:
    """Have Tune take a worker that Ray ended for want of memory for one that died; it knows no such error and stops."""
    plain = RayActorManager._actor_task_failed

    def failed(self: RayActorManager, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=f"The worker's machine {OUT_OF_MEMORY}: {exception}")
        plain(self, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = failed  # type: ignore[method-assign]


_count_memory_deaths()


def _why_lost(trial: TuneTrial) -> str:
    """What Ray says of the death of a trial's worker, in our words; nothing if it does not know more."""
    text = Path(trial.error_file).read_text() if trial.error_file else ""
    return f"its machine {OUT_OF_MEMORY}" if OUT_OF_MEMORY in text or "low on memory" in text else ""


class _StopOnError(tune.Stopper):
    def __init__(self, desk: _Desk) -> None:
        self.desk = desk

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        # Tune asks here in each round of its loop, between events.
        self.desk.interrupt()
        self.desk.kill_the_silent()
        return self.desk.error is not None

    def __getstate__(self) -> dict[str, Any]:
        return {}


def run(
    agenda: Agenda,
    *,
    trainables: Mapping[str, type[SeedTrainable]],
    image_sets: Mapping[str, ImageSet],
    weights: Mapping[str, ray.ObjectRef],
    slots: Callable[[], int],
    seed_timeout: float,
    watcher: Callable[[], None],
    interrupt: Callable[[], None],
) -> None:
    """Run the agenda's tasks until it is finished.

    Args:
        agenda: What to run, and where results go.
        trainables: Each approach's trainable by its name.
        image_sets: What the workers may see; the test split is among it in confirmation only.
        weights: State dicts of the backbones that are trained further.
        slots: Tasks at the same time, one CPU each; asked before each.
        seed_timeout: Seconds after which a worker that has reported nothing is ended, and its trial fails.
        watcher: Called after each report.
        interrupt: Called about ten times a second where stopping harms nothing; what it raises ends the run.

    Raises:
        Exception: Whatever the agenda raised, for example because the journal cannot be written.
    """
    if agenda.is_finished():
        return
    desk = _Desk(agenda, slots, seed_timeout, watcher, interrupt)
    for name in ("ray.tune", "ray.train", "ray.air"):
        # Ray reports lost trials and missing log files here, which the record knows or never had.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Tune wants a place for files that we do not let it write.
    scratch = tempfile.mkdtemp(prefix="seedsweep-")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tune.Tuner(
                tune.with_parameters(
                    AnyApproach, image_sets=image_sets, trainables=dict(trainables), weights=dict(weights)
                ),
                tune_config=tune.TuneConfig(
                    num_samples=-1,
                    search_alg=_Search(desk),
                    scheduler=_Scheduler(desk),
                    # Without it Tune keeps one trial pending and uses one actor for all. The desk keeps to the slots.
                    max_concurrent_trials=NO_LIMIT,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    name="sweep",
                    storage_path=scratch,
                    verbose=0,
                    stop=_StopOnError(desk),
                    failure_config=tune.FailureConfig(max_failures=0),
                    checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                ),
            ).fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if desk.error:
        raise desk.error
    if not agenda.is_finished():
        # Tune has signals of its own on which it stops.
        raise RuntimeError("Ray Tune ended before the sweep did")

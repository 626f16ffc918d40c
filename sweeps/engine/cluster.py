"""Ray on this machine or on a cluster: started, stopped, and how many trials it has room for."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray._private import utils, worker
from ray._private.node import Node

from sweeps.core.cpus import usable_cpus
from sweeps.core.environment import set_defaults
from sweeps.core.errors import BadInput, first_line
from sweeps.core.signals import ENDING
from sweeps.engine.addresses import check_address, cluster_address
from sweeps.engine.environment import READ_AT_START
from sweeps.engine.lean_ray import without_extras
from sweeps.engine.temp_folder import check_temp_folder

STOP_SECONDS = 15.0
PACKAGES = ("trainables", "search_spaces", "sweeps")
# What the head of a cluster that grows on demand has as a custom resource: how many trials it may grow to hold.
MAX_TRIALS = "max_trials"
# As a worker starts, it imports this.
PRELOADED = "trainables.preloaded"
# How long an idle worker is kept, by Ray itself one second. Tune takes the CPUs 30 ms before its actors take the
# workers, and meanwhile Ray would end those that no CPU is left for.
IDLE_SECONDS = 60
# How often it is asked how many CPUs there are, and which workers are silent.
SECONDS_BETWEEN_LOOKS = 1.0


def start_ray(address: str | None, workers: int | None) -> None:
    """Start Ray here, or connect to a running cluster.

    Args:
        address: "host:port" of a cluster's head or "auto"; None is the one in RAY_ADDRESS, else this machine alone.
        workers: CPUs to use here; None is all that may be used. A cluster has its own.

    Raises:
        BadInput: No cluster answers there, or Ray cannot keep its files here.
    """
    set_defaults(READ_AT_START)
    address = cluster_address(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        check_temp_folder()
    with _signals_are_ours_alone(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not address:
            cpus = workers or usable_cpus().allowed
            with without_extras():
                ray.init(
                    address="local",
                    num_cpus=cpus,
                    include_dashboard=False,
                    _system_config={
                        "preload_python_modules": [PRELOADED],
                        "idle_worker_killing_time_threshold_ms": 1000 * IDLE_SECONDS,
                    },
                    **quiet,
                )
            return
        check_address(address)
        try:
            ray.init(address=address, runtime_env=runtime_env(), **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise BadInput(
                f"Expected a Ray cluster at --address {address}; Ray says: {first_line(error).rstrip('.')}. "
                "RAY_AUTH_MODE must be the same here as where the cluster was started."
            ) from None


def started_here() -> Node | None:
    """Ray's node, if it was started here and not connected to."""
    node: Node | None = worker._global_node
    return node if node is not None and node.head else None


@contextlib.contextmanager
def _signals_are_ours_alone() -> Iterator[None]:
    """Start Ray's processes deaf to what ends a sweep, and let Ray put no handler of SIGTERM in the place of ours.

    A batch system and a process manager send signals to every process, and a driver whose Ray dies with it ends
    wherever it is, with code 1 and no word. One that comes meanwhile, Ctrl-C too, waits until Ray has started, or is
    taken by the thread that takes a sweep's.
    """
    ours, of_ray = signal.getsignal(signal.SIGTERM), utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda handler: None
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        utils.set_sigterm_handler = of_ray
        # Ray's part in C++ has put another one there.
        signal.signal(signal.SIGTERM, ours)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


def stop_ray(code: int, *, keep_logs: bool = False) -> None:
    """Shut Ray down if it runs.

    If its processes have died, Ray waits a minute for them and then aborts. So after `STOP_SECONDS` the process ends
    here and now, with the exit code it was about to have. Ray leaves its logs behind, which go, too.

    Args:
        code: With which the process ends if Ray does not.
        keep_logs: Leave Ray's logs, since something failed.
    """
    if not ray.is_initialized():
        return
    node = started_here()
    stopping = threading.Thread(target=ray.shutdown, daemon=True)
    stopping.start()
    stopping.join(STOP_SECONDS)
    if stopping.is_alive():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    if node is not None and not keep_logs:
        shutil.rmtree(node.get_session_dir_path(), ignore_errors=True)


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


def runtime_env() -> dict[str, Any]:
    """Send this code to the workers, unless a submitted job has done so already."""
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    root = Path(__file__).resolve().parents[2]
    return {"py_modules": [str(root / package) for package in PACKAGES]}

"""Ray on this machine or on a cluster: started, stopped, and how many trials it has room for."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray

from sweeps.core.environment import set_defaults
from sweeps.core.errors import BadInput, first_line
from sweeps.core.signals import Terminated
from sweeps.engine.environment import READ_AT_START

STOP_SECONDS = 15.0
PACKAGES = ("trainables", "search_spaces", "sweeps")
# What the head of a cluster that grows on demand has as a custom resource: how many trials it may grow to hold.
MAX_TRIALS = "max_trials"
# How often it is asked how many CPUs there are, and which workers are silent.
SECONDS_BETWEEN_LOOKS = 1.0


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
    set_defaults(READ_AT_START)
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
            ray.init(address=address, runtime_env=runtime_env(), **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise BadInput(
                f"Expected a Ray cluster at --address {address}; Ray says: {first_line(error).rstrip('.')}. "
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
        BadInput: It is neither "auto" nor host:port, or nothing answers.
    """
    if address == "auto":
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
            "Start one with `ray start --head`, or omit the option to use this machine."
        ) from None


def runtime_env() -> dict[str, Any]:
    """Send this code to the workers, unless a submitted job has done so already."""
    if "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        return {}
    root = Path(__file__).resolve().parents[2]
    return {"py_modules": [str(root / package) for package in PACKAGES]}

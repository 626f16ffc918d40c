"""How many of this machine's CPUs this process may use: a batch system, `taskset` or a container allow it fewer."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# What batch systems tell their jobs: Slurm (of a task, of a job on this node), PBS, LSF, Grid Engine.
VARIABLES = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "NCPUS", "LSB_DJOB_NUMPROC", "NSLOTS")
# Where the two versions of Linux' control groups are mounted, the second one also beside the first.
MOUNTS_V1 = ("cpu", "cpu,cpuacct", "cpuacct,cpu")
MOUNTS_V2 = (".", "unified")


@dataclass(frozen=True, kw_only=True)
class Cpus:
    """CPUs that may be used.

    Attributes:
        allowed: How many, at least 1.
        there: How many the machine has.
        limit: What allows no more; empty if all are allowed.
    """

    allowed: int
    there: int
    limit: str = ""

    def __str__(self) -> str:
        """As the plan says it, "2 of 64 CPUs: SLURM_CPUS_PER_TASK"."""
        return f"{self.allowed} of {self.there} CPUs" + (f": {self.limit}" if self.limit else "")


def usable_cpus(variables: Mapping[str, str] = os.environ, root: Path = Path("/")) -> Cpus:
    """How many CPUs this process may use, and what limits them.

    Args:
        variables: The environment, in which a batch system says what a job was given.
        root: Where `proc` and `sys` are.
    """
    there = os.cpu_count() or 1
    limits = [*_of_batch_systems(variables), *_of_affinity(), *_of_control_groups(root)]
    count, limit = min(limits, key=lambda found: found[0], default=(there, ""))
    return Cpus(allowed=max(count, 1), there=there, limit=limit) if count < there else Cpus(allowed=there, there=there)


def _of_batch_systems(variables: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    for name in VARIABLES:
        value = variables.get(name, "")
        if value.isdecimal() and int(value) > 0:
            yield int(value), name


def _of_affinity() -> Iterator[tuple[int, str]]:
    # macOS has none.
    if hasattr(os, "sched_getaffinity"):
        yield len(os.sched_getaffinity(0)), "the process is bound to them, as by taskset"


def _of_control_groups(root: Path) -> Iterator[tuple[int, str]]:
    """The quota of each group that the process is in, and of those above, rounded down."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, own = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Within a container the path may be the host's, which is not there, but what is mounted is the container's.
        paths = [PurePosixPath(own), *PurePosixPath(own).parents]
        for mount in MOUNTS_V1 if controllers else MOUNTS_V2:
            for path in paths:
                folder = root / "sys/fs/cgroup" / mount / str(path).lstrip("/")
                quota = _quota_v1(folder) if controllers else _quota_v2(folder)
                if quota is not None:
                    yield int(quota), "the CPU quota of its cgroup"


def _quota_v1(folder: Path) -> float | None:
    return _quotient(_words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us"))


def _quota_v2(folder: Path) -> float | None:
    return _quotient(_words(folder / "cpu.max"))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _quotient(quota_and_period: list[str]) -> float | None:
    """Microseconds in so many; None where there is no limit, which is "max" or -1."""
    if len(quota_and_period) != 2 or not all(word.isdecimal() for word in quota_and_period):
        return None
    quota, period = map(int, quota_and_period)
    return quota / period if period else None

"""From the command line to the pipeline. What needs no library is answered without importing one.

PyTorch, Ray and their like take seconds to import. `--help`, `--list` and what can be refused at once do without them,
so this file and what it imports at its top do too (tests/test_start.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sweeps.core.challenge import Challenge
from sweeps.core.interrupts import importing
from sweeps.core.signals import exit_code, ignored, noted_until_the_end
from sweeps.engine.addresses import cluster_address
from sweeps.run import command_line
from sweeps.run.checks import Checked, check, check_workers
from sweeps.run.options import AnyOptions, SweepOptions
from sweeps.views.listing import listing
from trainables.parts.garbage import pause_collection, resume_collection

if TYPE_CHECKING:
    from sweeps.run.command import Command


def sweep(challenge: Challenge, arguments: Sequence[str] | None) -> int:
    """Run a challenge's sweep with these arguments, by default those of the process; returns its exit code."""

    def load() -> Command[SweepOptions]:
        from sweeps.run.sweep import sweep_command

        return sweep_command()

    return start(challenge, SweepOptions, arguments, load)


def start(
    challenge: Challenge,
    options: type[AnyOptions],
    arguments: Sequence[str] | None,
    load: Callable[[], Command[AnyOptions]],
) -> int:
    """Read the options and answer `--list`, or run the command with them.

    Args:
        challenge: What the command is for.
        options: The kind of options that it takes.
        arguments: What was typed; None is what this process was given.
        load: Imports the command.

    Returns:
        The exit code, as `exit_code` has them.
    """
    starts_ahead = False

    def run() -> int:
        nonlocal starts_ahead
        given = command_line.parse(challenge, arguments, options)
        if given.get("list"):
            print(listing(challenge))
            return 0
        checked = check(challenge, given, options)
        # Asked of what was typed alone: trials of a benchmark may sleep, many on one CPU.
        check_workers(checked.options)
        # Nothing is gained if all is imported already.
        starts_ahead = _begins_here(checked) and "torch" not in sys.modules
        with _ray_ahead(checked.options.workers) if starts_ahead else importing():
            from sweeps.run.pipeline import run_checked

            command = load()
        return run_checked(command, checked)

    code = 1
    try:
        code = exit_code(challenge.name, run)
    finally:
        if starts_ahead:
            _stop_ray(code)
    return code


def _begins_here(checked: Checked[AnyOptions]) -> bool:
    """Whether a sweep begins on this machine; one that goes on may have nothing left for workers."""
    options = checked.options
    return not (options.dry_run or checked.earlier.spec or cluster_address(options.address))


@contextmanager
def _ray_ahead(workers: int | None) -> Iterator[None]:
    """Start Ray and then import in this block, as `importing` does: Ray's workers import PyTorch meanwhile."""
    with importing():
        from sweeps.engine import cluster
    with noted_until_the_end():
        # The pipeline tries again, and says what is wrong.
        with suppress(Exception):
            cluster.start_ray(None, workers)
        pause_collection()
        try:
            yield
        finally:
            resume_collection()


def _stop_ray(code: int) -> None:
    """Stop a Ray that started ahead of a pipeline that was never reached: images were refused, or a signal came."""
    from sweeps.engine import cluster

    with ignored():
        cluster.stop_ray(code)

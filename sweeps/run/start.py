"""From the command line to the pipeline. What needs no library is answered without importing one.

PyTorch, Ray and their like take seconds to import. `--help`, `--list` and what can be refused at once do without them,
so this file and what it imports at its top do too (tests/test_start.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sweeps.core.challenge import Challenge
from sweeps.core.interrupts import importing
from sweeps.core.signals import exit_code
from sweeps.engine.addresses import cluster_address
from sweeps.run import command_line
from sweeps.run.checks import Checked, check, check_workers
from sweeps.run.options import AnyOptions, SweepOptions
from sweeps.views.listing import listing

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

    def run() -> int:
        given = command_line.parse(challenge, arguments, options)
        if given.get("list"):
            print(listing(challenge))
            return 0
        checked = check(challenge, given, options)
        # Asked of what was typed alone: trials of a benchmark may sleep, many on one CPU.
        check_workers(checked.options)
        return _go(checked, load)

    return exit_code(challenge.name, run)


def _go(checked: Checked[AnyOptions], load: Callable[[], Command[AnyOptions]]) -> int:
    """Import what is left and run the command.

    Where it will need Ray, Ray starts first: its workers import PyTorch while this process does and looks at the
    images. If those are refused, Ray is stopped again.
    """
    with importing():
        from sweeps.engine import cluster
    try:
        # Nothing is gained if all is imported already.
        if _begins_here(checked) and "torch" not in sys.modules:
            cluster.start_ray(None, checked.options.workers)
        with importing(cluster.kill_ray):
            from sweeps.run.pipeline import run_checked

            command = load()
        return run_checked(command, checked)
    finally:
        # The pipeline has stopped it, if it was reached.
        cluster.stop_ray(2)


def _begins_here(checked: Checked[AnyOptions]) -> bool:
    """Whether a sweep begins on this machine; one that goes on may have nothing left for workers."""
    options = checked.options
    return not (options.dry_run or checked.earlier.spec or cluster_address(options.address))

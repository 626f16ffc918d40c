"""From the command line to the pipeline. What needs no library is answered without importing one.

PyTorch, Ray and their like take seconds to import. `--help`, `--list` and what can be refused at once do without them,
so this file and what it imports at its top do too (tests/test_start.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sweeps.core.challenge import Challenge
from sweeps.core.interrupts import importing
from sweeps.core.signals import exit_code
from sweeps.run import command_line
from sweeps.run.checks import Checked, check, check_workers
from sweeps.run.options import AnyOptions, SweepOptions
from sweeps.views.listing import listing


def sweep(challenge: Challenge, arguments: Sequence[str] | None) -> int:
    """Run a challenge's sweep with these arguments, by default those of the process; returns its exit code."""

    def go(checked: Checked[SweepOptions]) -> int:
        with importing():
            from sweeps.run.pipeline import run_checked
            from sweeps.run.sweep import sweep_command
        return run_checked(sweep_command(), checked)

    return start(challenge, SweepOptions, arguments, go)


def start(
    challenge: Challenge,
    options: type[AnyOptions],
    arguments: Sequence[str] | None,
    go: Callable[[Checked[AnyOptions]], int],
) -> int:
    """Read the options and answer `--list`, or go on with them; returns the exit code, as `exit_code` has them."""

    def run() -> int:
        given = command_line.parse(challenge, arguments, options)
        if given.get("list"):
            print(listing(challenge))
            return 0
        checked = check(challenge, given, options)
        # Asked of what was typed alone: trials of a benchmark may sleep, many on one CPU.
        check_workers(checked.options)
        return go(checked)

    return exit_code(challenge.name, run)

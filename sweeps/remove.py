"""Remove a sweep: its folder, and its runs in MLflow.

python sweeps/remove.py results/NAME
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sweeps.core.interrupts import begin_command, importing

if __name__ == "__main__":
    begin_command()

from sweeps.core.signals import exit_code
from sweeps.run.command_line import OneSentenceParser
from sweeps.run.option_types import non_empty


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if all is gone, 1 if nothing was to be removed or not all could be, 2 for bad input."""

    def run() -> int:
        asked = _parser().parse_args(arguments)
        with importing():
            from sweeps.run.removal import remove
        return remove(asked.folder, tracking_uri=asked.tracking_uri, is_agreed=asked.yes)

    return exit_code("remove", run)


def _parser() -> argparse.ArgumentParser:
    parser = OneSentenceParser(prog="remove.py", description="Remove a sweep: its folder, and its runs in MLflow.")
    parser.add_argument("folder", type=non_empty, help="the sweep's folder, such as results/NAME")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--tracking-uri",
        type=non_empty,
        metavar="URI",
        help="where MLflow keeps the runs, if not where the sweep wrote them, seen from this folder",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

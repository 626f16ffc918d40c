"""Train a sweep's winner again and keep it: a folder that MLflow loads anywhere, with a model card.

python sweeps/export.py results/NAME
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sweeps.core.interrupts import begin_command, importing

if __name__ == "__main__":
    begin_command()

from sweeps import challenge1, challenge2
from sweeps.core.seeds import CONFIRM_SEEDS_FROM, MODEL_SEEDS, MOST_SEEDS
from sweeps.core.signals import exit_code
from sweeps.run.command_line import OneSentenceParser
from sweeps.run.option_types import non_empty, whole_number
from sweeps.run.options import add_places

CHALLENGES = {each.CHALLENGE.name: each.CHALLENGE for each in (challenge1, challenge2)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if the model is there, 1 if another process finds other probabilities, 2 for bad input."""

    def run() -> int:
        asked = _parser().parse_args(arguments)
        with importing():
            from sweeps.run.exporting import export
        return export(asked, CHALLENGES)

    return exit_code("export", run)


def _parser() -> argparse.ArgumentParser:
    parser = OneSentenceParser(prog="export.py", description="Train a sweep's winner again and keep it as a model.")
    add = parser.add_argument
    add("folder", type=non_empty, help="the sweep's folder, such as results/NAME")
    add("--approach", type=non_empty, metavar="NAME", help="whose best configuration (default: the sweep's winner's)")
    add(
        "--seeds",
        type=whole_number(1, MOST_SEEDS),
        default=MODEL_SEEDS,
        metavar="N",
        help=f"how many models are averaged, each trained on the images of one of the seeds from {CONFIRM_SEEDS_FROM} "
        f"on, in their order (default: {MODEL_SEEDS})",
    )
    add(
        "--all-images",
        action="store_true",
        help="train each on all labelled images of the pool instead; none is left to measure the model on",
    )
    add("--to", type=non_empty, metavar="FOLDER", help="where to (default: model-APPROACH in the sweep's folder)")
    add_places(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())

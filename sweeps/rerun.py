"""Train one seed of one configuration again and compare it with the journal.

python sweeps/rerun.py results/NAME --approach cnn_cirillo --trial 7 --seed 1000003
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from sweeps.core.interrupts import begin_command, importing

if __name__ == "__main__":
    begin_command()

from sweeps import challenge1, challenge2, reproduce
from sweeps.core.seeds import CONFIRM_SEEDS_FROM, DECISION_SEEDS_FROM, MOST_SEEDS, SEARCH_SEEDS_FROM, STUDY_SEEDS_FROM
from sweeps.core.signals import exit_code
from sweeps.run.command_line import OneSentenceParser
from sweeps.run.option_types import non_empty, whole_number
from sweeps.run.options import add_places
from trainables.parts.protocol import MOST_POOL

CHALLENGES = {each.CHALLENGE.name: each.CHALLENGE for each in (challenge1, challenge2, reproduce)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 if every number is the recorded one or there is none, 1 if one differs, 2 for bad input."""

    def run() -> int:
        asked = _parser().parse_args(arguments)
        with importing():
            from sweeps.run.one_seed import rerun
        return rerun(asked, CHALLENGES)

    return exit_code("rerun", run)


def _parser() -> argparse.ArgumentParser:
    parser = OneSentenceParser(prog="rerun.py", description="Train one seed of one configuration again.")
    add = parser.add_argument
    add("folder", type=non_empty, help="the sweep's folder, such as results/NAME")
    add("--approach", type=non_empty, required=True, help="name of the approach, as in trials.csv")
    add("--trial", type=whole_number(0), required=True, help="number of the configuration, as in trials.csv")
    add(
        "--seed",
        type=whole_number(0, 2**32 - 1),
        required=True,
        help=f"the seed: from {STUDY_SEEDS_FROM} the study's, from {CONFIRM_SEEDS_FROM} the confirmation's, from "
        f"{DECISION_SEEDS_FROM} the decision's, from {SEARCH_SEEDS_FROM} + {MOST_SEEDS} x --search-seed the search's; "
        "any that the journal lacks is trained without anything to compare with",
    )
    add(
        "--shots",
        type=whole_number(1, MOST_POOL - 1),
        metavar="N",
        help="a point of the shot curve: images of each class to learn from, if not as many as in the sweep",
    )
    add_places(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())

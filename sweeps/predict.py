"""Classify image files with a model that `export.py` made.

python sweeps/predict.py results/NAME/model-cnn_hog FOLDER
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
    """Run the command; 0 if at least one image could be read, 2 for bad input."""

    def run() -> int:
        asked = _parser().parse_args(arguments)
        with importing():
            from sweeps.run.predicting import predict
        return predict(asked)

    return exit_code("predict", run)


def _parser() -> argparse.ArgumentParser:
    parser = OneSentenceParser(prog="predict.py", description="Classify image files with an exported model.")
    add = parser.add_argument
    add("model", type=non_empty, help="the model's folder, such as results/NAME/model-cnn_hog")
    add("folder", type=non_empty, help="image files are looked for here and in all folders below; or one file")
    add("--to", type=non_empty, metavar="FILE", help="the table to write (default: predictions.csv)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

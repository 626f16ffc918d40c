"""The study's numbers beside ours: every published setting of both challenges, on the study's own seeds.

python sweeps/reproduce.py
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sweeps.core.interrupts import begin_command

if __name__ == "__main__":
    begin_command()

from search_spaces import pixel_lstm_256, pixel_rnn_256, vgg11_lstm_hidden_1000, vgg11_rnn_hidden_1000
from search_spaces.published import challenge2 as challenge2_published
from sweeps import challenge1, challenge2
from sweeps.challenge2 import on_demand
from sweeps.core.challenge import Challenge, with_published
from sweeps.run.options import ReproduceOptions
from sweeps.run.start import start
from trainables.parts.lazy import lazily

if TYPE_CHECKING:
    from sweeps.run.command import Command

with lazily():
    from trainables.pixel_sequences import PixelLSTM, PixelRNN, VGG11LSTMHidden1000, VGG11RNNHidden1000

# What the study had at a size that sweeps cannot afford, by the name of its small version.
AT_FULL_SIZE = dict(
    zip(
        ("vgg11_rnn_hidden", "vgg11_lstm_hidden", "pixel_rnn", "pixel_lstm"),
        with_published(
            challenge2_published.PUBLISHED,
            on_demand(
                name="vgg11_rnn_hidden_1000",
                learner=VGG11RNNHidden1000,
                space=vgg11_rnn_hidden_1000,
                seconds_per_seed=150.0,
            ),
            on_demand(
                name="vgg11_lstm_hidden_1000",
                learner=VGG11LSTMHidden1000,
                space=vgg11_lstm_hidden_1000,
                seconds_per_seed=600.0,
            ),
            on_demand(name="pixel_rnn_256", learner=PixelRNN, space=pixel_rnn_256, seconds_per_seed=1.3),
            on_demand(name="pixel_lstm_256", learner=PixelLSTM, space=pixel_lstm_256, seconds_per_seed=1.3),
        ),
        strict=True,
    )
)


def _with_full_size(challenge: Challenge) -> Challenge:
    """The challenge with each approach's version of full size behind it, if it has one."""
    pairs = [(approach, AT_FULL_SIZE.get(approach.name)) for approach in challenge.approaches]
    return replace(challenge, approaches=tuple(each for pair in pairs for each in pair if each))


# A table each.
TABLES = (challenge1.CHALLENGE, _with_full_size(challenge2.CHALLENGE))
CHALLENGE = Challenge(
    name="reproduce",
    title="The study's numbers beside ours, at its settings and on its seeds",
    # Each once. All but the largest run by default, and nothing must run so that the others can be compared with it.
    approaches=tuple(
        replace(approach, is_default=approach not in AT_FULL_SIZE.values(), is_baseline=False)
        for approach in {each.name: each for table in TABLES for each in table.approaches}.values()
        if approach.published is not None
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, as `exit_code` has them."""

    def load() -> Command[ReproduceOptions]:
        from sweeps.run.reproduction import reproduction_command

        return reproduction_command(TABLES)

    return start(CHALLENGE, ReproduceOptions, arguments, load)


if __name__ == "__main__":
    sys.exit(main())

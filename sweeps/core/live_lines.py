"""Lines at the bottom of a terminal that are drawn again and again, with bars; at the end they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

MOST_LINES = 12
BAR_WIDTH = 12


@dataclass(frozen=True, kw_only=True)
class Line:
    """A name, a bar that is full when `done` is `total`, and more text."""

    name: str
    done: int
    total: int
    text: str


class LiveLines:
    """The lines on one terminal. Only who calls a method draws: a thread would write when the terminal has closed."""

    def __init__(self, stream: TextIO) -> None:
        """Begin without a line; nothing is drawn yet."""
        self._console = Console(file=stream, markup=False, emoji=False, highlight=False)
        # What others print goes where they print it to.
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )

    @property
    def can_be_drawn(self) -> bool:
        """Whether the terminal can go back to a line."""
        return self._console.is_interactive

    @property
    def room(self) -> int:
        """How many lines it has room for."""
        return max(1, min(MOST_LINES, self._console.height - 1))

    def draw(self, lines: Sequence[Line]) -> None:
        """Draw these in the place of those that were there; one that is too long is cut."""
        table = Table.grid(padding=(0, 1))
        for _ in range(3):
            table.add_column(no_wrap=True, overflow="ellipsis")
        # The one that gets narrower where there is no room.
        table.add_column()
        for line in lines:
            share = f"{100 * line.done / max(line.total, 1):3.0f}%"
            bar = ProgressBar(total=line.total, completed=line.done, width=BAR_WIDTH)
            table.add_row(Text(line.name), Text(share), bar, Text(line.text, no_wrap=True, overflow="ellipsis"))
        if not self._live.is_started:
            self._live.start()
            # A process that is killed would leave the terminal without one.
            self._console.show_cursor(True)
        self._live.update(table, refresh=True)

    def say(self, text: str) -> None:
        """Print above them."""
        self._console.print(text, soft_wrap=True)

    def clear(self) -> None:
        """Take them away."""
        self._live.stop()

    def leave(self) -> None:
        """Let them stand, with what somebody else has written below them."""
        self._console.file.write("\n")
        self._console.file.flush()

"""What is shown while a sweep runs: a line, and on a terminal one more for each approach."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeps.core.live_lines import LiveLines

# Where the line cannot be redrawn (a log file), a new one is printed this seldom.
SECONDS_BETWEEN_LINES = 30.0
# Where it can, this often.
SECONDS_BETWEEN_DRAWS = 0.25


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one approach has done of the whole, how much it has to do, and a note."""

    name: str
    done: int
    total: int
    is_running: bool
    note: str = ""


class Progress:
    """A bar over seeds or images, with what is left and a note; in a log file, a line now and then."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        """Begin at 0 of `total` units."""
        self._begin = self._printed = time.monotonic()
        self._drawn = -math.inf
        self._what, self._unit = what, unit
        self._lines = _lines()
        self.show(0, total)

    def show(
        self,
        done: int,
        total: int,
        seconds_left: float | None = None,
        note: str = "",
        parts: Sequence[Part] = (),
    ) -> None:
        """Set the position.

        Args:
            done: Units.
            total: Units.
            seconds_left: None means: at the pace so far, and infinite: nobody knows yet.
            note: Behind all else.
            parts: What the whole consists of, if it is several. A terminal shows those that have begun; if it has no
                room for them, those that run.
        """
        now = time.monotonic()
        if seconds_left is None and done:
            seconds_left = (now - self._begin) / done * (total - done)
        left = [] if seconds_left is None or math.isinf(seconds_left) else [f"about {duration(seconds_left)} left"]
        texts = [*left, *([note] if note else [])]
        if self._lines is not None:
            if now - self._drawn >= SECONDS_BETWEEN_DRAWS:
                self._drawn = now
                so_far = f"{done}/{total} {self._unit} in {duration(now - self._begin)}"
                self._draw(self._lines, done, total, ", ".join([so_far, *texts]), parts)
        elif now - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = now
            print(", ".join([f"{self._what}: {done} of {total} {self._unit}", *texts]), file=sys.stderr, flush=True)

    def _draw(self, lines: LiveLines, done: int, total: int, text: str, parts: Sequence[Part]) -> None:
        from sweeps.core.live_lines import Line

        of_parts = [
            Line(
                name=f"  {part.name}",
                done=part.done,
                total=part.total,
                text=", ".join([f"{part.done}/{part.total}", *([part.note] if part.note else [])]),
            )
            for part in fitting(parts, lines.room - 1)
        ]
        lines.draw([Line(name=self._what, done=done, total=total, text=text), *of_parts])

    def __enter__(self) -> Progress:
        _shown.append(self._lines)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _shown.pop()
        if self._lines is None:
            return
        if kind is None or issubclass(kind, Exception):
            self._lines.clear()
        else:
            # A person has stopped it, and been told so below the lines.
            self._lines.leave()


# Of the progress that is being shown: its lines on a terminal.
_shown: list[LiveLines | None] = []


def _lines() -> LiveLines | None:
    """Lines on the terminal; None where there is none, or a poor one."""
    if not sys.stderr.isatty():
        return None
    from sweeps.core.live_lines import LiveLines

    found = LiveLines(sys.stderr)
    return found if found.can_be_drawn else None


def fitting(parts: Sequence[Part], room: int) -> list[Part]:
    """The parts that are shown in so many lines: those that have begun, or that run; none of a single one."""
    if len(parts) < 2:
        return []
    begun = [part for part in parts if part.done or part.is_running]
    if len(begun) > room:
        begun = [part for part in begun if part.is_running]
    return begun[:room]


def say(text: str) -> None:
    """Tell a person something at once, above the progress."""
    lines = _shown[-1] if _shown else None
    if lines is None:
        print(text, file=sys.stderr, flush=True)
    else:
        lines.say(text)


def duration(seconds: float) -> str:
    """A time as a person says it: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

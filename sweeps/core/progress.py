"""The one line that is shown while a sweep runs."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType

from tqdm import tqdm

# Where the line cannot be redrawn (a log file), a new one is printed this seldom.
SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """A bar over seeds or images, with what is left and a note; in a log file, a line now and then."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        """Begin at 0 of `total` units."""
        self._begin = self._printed = time.monotonic()
        self._what, self._unit = what, unit
        self._bar = tqdm(
            desc=what,
            total=total,
            unit=unit,
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
            leave=False,
            dynamic_ncols=True,
            mininterval=0.2,
            bar_format="{desc} {percentage:3.0f}% |{bar:20}| {n_fmt}/{total_fmt} {unit} in {elapsed}{postfix}",
        )

    def show(self, done: int, total: int, seconds_left: float | None = None, note: str = "") -> None:
        """Set the position; `seconds_left` None means: at the pace so far, and infinite: nobody knows yet."""
        now = time.monotonic()
        if seconds_left is None and done:
            seconds_left = (now - self._begin) / done * (total - done)
        left = [] if seconds_left is None or math.isinf(seconds_left) else [f"about {duration(seconds_left)} left"]
        parts = [*left, *([note] if note else [])]
        if not self._bar.disable:
            self._bar.total = total
            self._bar.set_postfix_str(", ".join(parts), refresh=False)
            self._bar.update(done - self._bar.n)
        elif now - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = now
            print(", ".join([f"{self._what}: {done} of {total} {self._unit}", *parts]), file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


def say(text: str) -> None:
    """Tell a person something at once, above the progress line."""
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()


def duration(seconds: float) -> str:
    """A time as a person says it: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

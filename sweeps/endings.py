"""How a command ends: its exit codes, and what Ctrl-C and SIGTERM do."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import optuna

from sweeps.bad_input import BadInput


class Terminated(BaseException):
    """SIGTERM: stop as for Ctrl-C. Not an Exception, so that nothing takes it for a configuration's failure."""


# What a command ends with after each, as shells have it: 128 and the signal's number.
ENDED_BY: dict[type[BaseException], int] = {KeyboardInterrupt: 130, Terminated: 143}


def exit_code(command: str, run: Callable[[], int]) -> int:
    """Run a command with our own lines as its only output.

    0 is done, 1 failed, 2 bad input (one sentence on stderr, nothing started), 130 after Ctrl-C and 143 after SIGTERM.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return run()
    except BadInput as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2
    except tuple(ENDED_BY) as signalled:
        return ENDED_BY[type(signalled)]


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


class Signals:
    """Ctrl-C and SIGTERM while a sweep runs."""

    def __init__(self) -> None:
        # The signal that came, as the exception it means.
        self.came: type[BaseException] | None = None
        self.last_words = ""

    def listen(self, last_words: str) -> None:
        """Let them stop the sweep. To be called again when somebody else has put handlers in the place of ours.

        Args:
            last_words: What a person is told if there is no time for more.
        """
        self.last_words = last_words
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        """Note it; at the second one end at once.

        An exception in the middle of Ray's or Optuna's code would be lost, come out as another one, or leave a lock.
        And nothing that ends this process harms the record.
        """
        again = self.came is not None
        self.came = KeyboardInterrupt if number == signal.SIGINT else Terminated
        # Not `print`, which may be in the middle of another line.
        if again:
            os.write(2, f"{self.last_words}\n".encode())
            os._exit(ENDED_BY[self.came])
        os.write(2, b"\nStopping; what is finished is saved. (Again: at once.)\n")

    def stop_if_one_came(self) -> None:
        """Where stopping harms nothing, stop if a signal has come.

        Raises:
            BaseException: KeyboardInterrupt or Terminated, whichever the signal means.
        """
        if self.came:
            raise self.came

    def restore(self) -> None:
        """Let them do what they do in any Python program."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

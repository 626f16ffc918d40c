"""How a command ends: its exit codes, and what Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 do."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

import optuna

from sweeps.core.errors import BadInput
from sweeps.core.output import print_for_whoever_reads


class Terminated(BaseException):
    """SIGTERM: stop as for Ctrl-C. Not an Exception, so that nothing takes it for a configuration's failure."""


class HungUp(Terminated):
    """SIGHUP: the terminal was closed, or the connection to it was lost."""


class Warned(Terminated):
    """SIGUSR1: a batch system says that the job's time will soon be over."""


# How long a sweep has to come to where it can stop.
STOP_SECONDS = 8.0
# What a command ends with after each, as shells have it: 128 and the signal's number.
ENDED_BY: dict[type[BaseException], int] = {KeyboardInterrupt: 130, Terminated: 143, HungUp: 129, Warned: 138}
# What each signal means.
ENDING: dict[signal.Signals, type[BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
    signal.SIGHUP: HungUp,
    signal.SIGUSR1: Warned,
}
# With these somebody insists. A terminal that closes may send its own twice, and so may a batch system that warns.
AT_ONCE = (signal.SIGINT, signal.SIGTERM)


def exit_code(command: str, run: Callable[[], int]) -> int:
    """Run a command with our own lines as its only output.

    0 is done, 1 failed, 2 bad input (one sentence on stderr, no sweep begun), 130 after Ctrl-C, 143 after SIGTERM, 129
    after SIGHUP and 138 after SIGUSR1.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    _raise_at_once()
    print_for_whoever_reads()
    try:
        return run()
    except BadInput as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 2
    except tuple(ENDED_BY) as signalled:
        return ENDED_BY[type(signalled)]


def _raise_at_once() -> None:
    """Let a signal raise what it means, wherever the main thread is."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)
    for each in (signal.SIGHUP, signal.SIGUSR1):
        # What was ignored stays so, as `nohup` asks for.
        if signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, _terminate)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise ENDING[signal.Signals(number)]


def _tell(text: str) -> None:
    """Write a line to stderr, whatever else is being written there, if anybody is there to read it."""
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode())


def _heeded() -> list[signal.Signals]:
    """The signals that end a sweep, but those that whoever started it has asked to ignore."""
    return [each for each in ENDING if signal.getsignal(each) != signal.SIG_IGN]


class Signals:
    """Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 while a sweep runs.

    A thread takes them: Python's own handlers wait for the main thread, which a call of Ray's may keep for a minute
    when Ray's processes have died. And an exception in the middle of Ray's or Optuna's code would be lost, come out as
    another one, or leave a lock.
    """

    def __init__(self) -> None:
        # The signal that came, as the exception it means, and whether the main thread has seen it.
        self.came: type[BaseException] | None = None
        self.is_seen = False
        # What a person is told if there is no time for more.
        self.last_words = ""
        # The end of the pipe that Python writes each signal's number into.
        self.written: int | None = None

    def listen(self) -> None:
        """Let them stop the sweep."""
        if self.written is None:
            arriving, self.written = os.pipe()
            os.set_blocking(self.written, False)
            signal.set_wakeup_fd(self.written, warn_on_full_buffer=False)
            threading.Thread(target=self._take, args=(arriving,), name="signals", daemon=True).start()
        for each in _heeded():
            # Python tells the pipe of it, and only if there is some handler.
            signal.signal(each, lambda number, frame: None)

    def _take(self, arriving: int) -> None:
        """Note the first signal; end the process if somebody insists, or if the first is not seen in time.

        Nothing that ends this process harms the journal.
        """
        pipe = select.poll()
        pipe.register(arriving, select.POLLIN)
        while True:
            is_awaited = self.came is not None and not self.is_seen
            ready = pipe.poll(STOP_SECONDS * 1000 if is_awaited else None)
            numbers = os.read(arriving, 1) if ready else b""
            if ready and not numbers:
                os.close(arriving)
                return
            if numbers and numbers[0] not in ENDING:
                continue
            if self.came is None:
                self.came = ENDING[signal.Signals(numbers[0])]
                again = " (Again: at once.)" if numbers[0] in AT_ONCE else ""
                _tell(f"\nStopping; what is finished is saved.{again}")
            elif numbers[0] in AT_ONCE if numbers else not self.is_seen:
                _tell(self.last_words)
                os._exit(ENDED_BY[self.came])

    def stop_if_one_came(self) -> None:
        """Where stopping harms nothing, stop if a signal has come.

        Raises:
            BaseException: What the signal means, as `ENDING` has it.
        """
        if self.came:
            self.is_seen = True
            raise self.came

    def restore(self) -> None:
        """Let them do what they do in any Python program; nothing if one has come, since Python itself is ending."""
        signal.set_wakeup_fd(-1)
        if self.written is not None:
            os.close(self.written)
            self.written = None
        for each in _heeded():
            plain = signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL
            signal.signal(each, signal.SIG_IGN if self.came else plain)


@contextlib.contextmanager
def noted_until_the_end() -> Iterator[None]:
    """Let a signal that comes in this block raise what it means at the block's end: within, it would do harm.

    As while a sweep runs, the process ends at once if somebody insists, or if the end does not come in time.
    """
    signals = Signals()
    signals.listen()
    try:
        yield
        signals.stop_if_one_came()
    finally:
        signals.restore()
        if not signals.came:
            _raise_at_once()


@contextlib.contextmanager
def ignored() -> Iterator[None]:
    """Ignore them in this block, with which a process that has said why it ends."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in _heeded()}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

"""What the value of an option may be: each function reads one from the command line, or says what it expected."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from sweeps.core.files import FEATURES, LEDGER, LEDGER_LOCK
from sweeps.core.narrowing import Setting

# More than anybody has time for.
MOST_NUMBER, MOST_HOURS = 10**9, 10**5


def whole_number(least: int, most: int = MOST_NUMBER) -> Callable[[str], int]:
    """A whole number within these limits."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}; got {text!r}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """A time such as 90s, 20m or 1.5h, in seconds."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|)", text)
    value = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if not 0 < value <= MOST_HOURS * 3600:
        raise argparse.ArgumentTypeError(
            f"expected a time such as 90s, 20m or 1.5h, above 0 and of at most {MOST_HOURS}h; got {text!r}"
        )
    return value


def sweep_name(text: str) -> str:
    """A name that can be a folder's, and is not one that something else is kept under."""
    if text == FEATURES:
        raise argparse.ArgumentTypeError(f"expected another name, since features are kept under {text!r}")
    if text in (LEDGER, LEDGER_LOCK):
        raise argparse.ArgumentTypeError(f"expected another name, since what was tested on is kept under {text!r}")
    if "/" in text:
        raise argparse.ArgumentTypeError(f"expected the name of a sweep, such as t1, not a path; got {text!r}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", text):
        raise argparse.ArgumentTypeError(f"expected letters, digits and _ . - (at most 100); got {text!r}")
    return text


def non_empty(text: str) -> str:
    """Any text that could be a path or a name."""
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError(f"expected something; got {text!r}")
    return text


def named_source(*names: str) -> Callable[[str], str]:
    """One of these names and what it stands for, NAME=WHAT."""

    def parse(text: str) -> str:
        name, equals, what = text.partition("=")
        if name not in names or not equals or not what.strip() or "\0" in text:
            raise argparse.ArgumentTypeError(f"expected NAME=WHAT with NAME from {', '.join(names)}; got {text!r}")
        return text

    return parse


def one_number_of(*numbers: int) -> Callable[[str], int]:
    """One of these numbers."""

    def parse(text: str) -> int:
        if text not in map(str, numbers):
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(map(str, numbers))}; got {text!r}")
        return int(text)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(words)}; got {text!r}")
        return text

    return parse


def setting(text: str) -> str:
    """What fixes a parameter, or makes its range narrower."""
    try:
        return Setting.read(text).text
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

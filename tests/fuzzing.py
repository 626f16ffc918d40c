"""What the fuzz tests share: Hypothesis makes up what a person gives, and every refusal is one sentence.

The examples are the same in every run. `SEEDSWEEP_FUZZ=100` looks for new ones, and a hundred times as many.
"""

from __future__ import annotations

import contextlib
import os
import signal
import warnings

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sweeps.core.errors import BadInput
from sweeps.core.signals import ENDING

HUNT = int(os.environ.get("SEEDSWEEP_FUZZ", "0"))
# A slow machine is no failure, and a fixture that an example leaves as it was may serve the next one.
LENIENT = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def examples(count):
    """So many of them, always the same; or many more, never the same."""
    return settings(**LENIENT, max_examples=count * max(HUNT, 1), derandomize=not HUNT)


class Hung(BaseException):
    """Nothing happened for a long time."""


def hung(number, frame):
    raise Hung


@contextlib.contextmanager
def within_seconds(seconds=60):
    """What takes longer hangs, and is ended; signal handlers that are set meanwhile are forgotten."""
    before = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGALRM)}
    signal.signal(signal.SIGALRM, hung)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def is_one_sentence(text):
    """Whether it can stand on one line of a terminal, whole and harmless."""
    return text.isprintable() and text.endswith(".") and len(text) <= 1000 and "Traceback" not in text


def refusal(find, *arguments, **more):
    """What is found, and why nothing was; one of them is None. It neither hangs nor warns."""
    with within_seconds(), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            found, why = find(*arguments, **more), None
        except BadInput as error:
            found, why = None, str(error)
    assert [str(each.message) for each in warned] == []
    assert why is None or is_one_sentence(why), why
    return found, why


# Texts that nobody expects, and bytes that came about by accident.
LONG = st.builds(str.__mul__, st.sampled_from(["9", "x", "x/", "../", "~", "é", "\x1b", "%"]), st.integers(0, 5000))
TEXTS = (
    st.text(max_size=20)
    | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Nd", "Po"]), max_size=8)
    | st.text("aA0-_.,/~%:@[]*?#\\ =", min_size=1, max_size=12)
    | st.integers().map(str)
    | st.floats().map(str)
    | LONG
)


class Unseen(list):
    """A list that is left out of what Hypothesis prints of an example."""

    def __repr__(self):
        return "..."


def mutated(content, changes):
    """The content with bytes flipped, cut out, put in or repeated; places are shares of what is there."""
    content = bytearray(content)
    for kind, share, size, value in changes:
        at = int(share * len(content))
        if kind == "flip":
            content[at : at + 1] = bytes(each ^ (value or 1) for each in content[at : at + 1])
        elif kind == "cut":
            del content[at : at + size]
        elif kind == "put":
            content[at:at] = bytes([value]) * size
        elif kind == "repeat":
            content[at:at] = content[at : at + size]
        elif kind == "end":
            del content[at:]
    return bytes(content)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "flip", "flip", "cut", "put", "repeat", "end"]),
        # Headers stand at the beginning and a zip file's directory at the end.
        st.floats(0, 1) | st.floats(0, 0.02) | st.floats(0.98, 1),
        st.integers(1, 300),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=6,
)


class TinyBackbone(torch.nn.Module):
    """In the place of every backbone, whose thousands of numbers would only take time."""

    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2))


TINY = TinyBackbone()


def contents(folder):
    """Every file in it with what changes when it is written."""
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}

"""Errors as a person reads them."""

from __future__ import annotations

import pytest

from sweeps.core.errors import first_line, in_one_line


@pytest.mark.parametrize(
    ("message", "line"),
    [("a\nb", "a"), ("\n a. \nb", "a. "), ("", "no reason given"), (" \n", "no reason given"), ("a", "a")],
)
def test_the_first_line_of_any_message(message, line):
    assert first_line(message) == first_line(ValueError(message)) == line


def test_an_empty_message_may_have_another_word():
    assert first_line(KeyError(), "KeyError") == "KeyError"


def test_an_error_in_one_line_has_its_kind():
    assert in_one_line(OSError("disk full\nmore")) == "OSError: disk full"
    assert in_one_line(OSError("disk full"), 4) == "OSError: disk"

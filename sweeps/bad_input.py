"""What a person gave that cannot be used."""

from __future__ import annotations

from pathlib import Path


class BadInput(ValueError):
    """Something a person gave is not usable. The message is one sentence: expected, got, what to do."""


def path_of(text: str) -> Path:
    """The path a person means; `~` is their home.

    Raises:
        BadInput: It names the home of a user who does not exist.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise BadInput(f"Expected a path; got {text!r}, the home of an unknown user.") from None

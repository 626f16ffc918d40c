"""What a person gave that cannot be used."""

from __future__ import annotations

from pathlib import Path


class BadInput(ValueError):
    """Something a person gave is not usable. The message is one sentence: expected, got, what to do."""


def path_of(text: str) -> Path:
    """The path a person means; `~` is their home.

    Raises:
        BadInput: It names the home of a user who does not exist, or cannot be a path at all.
    """
    try:
        path = Path(text).expanduser()
        path.exists()
    except (RuntimeError, OSError, ValueError) as error:
        raise BadInput(f"Expected a path; got {text[:60]!r} ({error}).") from None
    return path

"""What a person gave that cannot be used."""

from __future__ import annotations

from pathlib import Path

# As much of a message as a person reads; what they gave can be longer.
MOST_CHARACTERS = 900
# Systems take paths of 4096 bytes, of which what we put into a folder needs some; nor can folders be made at any depth.
LONGEST_PATH = 1000


class BadInput(ValueError):
    """Something a person gave is not usable. The message is one sentence: expected, got, what to do.

    What they gave stands in it, so what is not printable becomes its escape, and the middle of a very long one is left
    out: a terminal is neither coloured nor flooded.
    """

    def __init__(self, message: str) -> None:
        line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in message)
        half = MOST_CHARACTERS // 2
        super().__init__(line if len(line) <= MOST_CHARACTERS else f"{line[:half]} ... {line[-half:]}")


def path_of(text: str) -> Path:
    """The path a person means; `~` is their home.

    Raises:
        BadInput: It names the home of a user who does not exist, cannot be a path at all, leads in a circle, is very
            long, or could not be printed.
    """
    try:
        text.encode()
        path = Path(text).expanduser()
        path.exists()
        if len(str(path.resolve()).encode()) > LONGEST_PATH:
            raise ValueError(f"more than {LONGEST_PATH} bytes")
    except (RuntimeError, OSError, ValueError) as error:
        raise BadInput(f"Expected a path; got {text[:60]!r} ({error}).") from None
    return path


def first_line(message: BaseException | str, otherwise: str = "no reason given") -> str:
    """The first line of a message, which may be an error's; `otherwise` where it is empty."""
    return (str(message).strip() or otherwise).splitlines()[0]


def in_one_line(error: BaseException, most: int | None = None) -> str:
    """The kind of an error and the first line of its message, of at most so many characters."""
    return f"{type(error).__name__}: {first_line(error)[:most]}"

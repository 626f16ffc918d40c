"""What a class may be called: its name goes into tables, file names of figures and tags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sweeps.core.errors import BadInput

LONGEST_NAME = 100


def check_names(names: Sequence[str], where: Path) -> None:
    """Refuse names that cannot be shown.

    Raises:
        BadInput: One is very long or cannot be printed.
    """
    for name in names:
        if not name.isprintable() or len(name) > LONGEST_NAME:
            raise BadInput(
                f"Expected names of at most {LONGEST_NAME} printable characters as those of classes in {where}; got "
                f"{name.encode(errors='backslashreplace').decode()[:LONGEST_NAME]!r}."
            )

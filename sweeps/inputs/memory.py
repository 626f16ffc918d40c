"""What images may take of this machine's memory: small files can hold very much."""

from __future__ import annotations

import os
from pathlib import Path

from sweeps.core.errors import BadInput

MOST_OF_MEMORY = 0.5


def check_fits(path: Path, size: int, how: str) -> None:
    """Refuse images of so many bytes that would not fit into memory, before they are read.

    Args:
        path: Where they are.
        size: Their bytes once they are read.
        how: As what they have so many.

    Raises:
        BadInput: They would not.
    """
    most = MOST_OF_MEMORY * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > most:
        raise BadInput(
            f"Expected images that fill at most half of this machine's memory ({most / 2**30:.1f} GiB) in {path}; "
            f"{how} they are {size / 2**30:.1f} GiB. Give fewer or smaller ones."
        )

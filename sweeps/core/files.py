"""Files: where what all sweeps share lies, and writing one whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The folder of the backbones' features, beside those of sweeps.
FEATURES = "features"
# The ledger of what was tested on, and the file that its writer holds.
LEDGER = "test-openings.jsonl"
LEDGER_LOCK = f"{LEDGER}.lock"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Another path in the same folder, whose file takes the place of `path` when the block ends without an error.

    Whoever reads `path` finds what was there before, or all of the new content.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    # Of this process alone, so that two that write the same file do not write into one unfinished one.
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def put_in_place(complete: Path, path: Path) -> None:
    """Give a complete file in the same folder the name `path`, unless a file has it by now.

    Of two processes that do so at the same time, the file of one stays.

    Raises:
        FileExistsError: One has it; the complete file is still where it was.
        OSError: It cannot be put there.
    """
    try:
        os.link(complete, path)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems, such as exFAT, have no links.
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        complete.replace(path)
    else:
        complete.unlink()


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all, as `whole` does it.

    Text is written as UTF-8 with its new lines as they are. The folder must exist.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    with whole(path) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)

"""Where Ray keeps what it needs while it runs here, looked at without importing Ray.

Ray itself finds out too late: after the plan, with a traceback, or with sockets that no process can reach.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from sweeps.core.errors import BadInput

# The variables that name the folder, in Ray's order, and what it is without them; in it Ray makes this one.
VARIABLES = ("RAY_TMPDIR", "TMPDIR")
OTHERWISE = "/tmp"
RAYS_OWN = "ray"
# What a socket's path may have, without the zero at its end.
MOST_BYTES = (104 if sys.platform == "darwin" else 108) - 1


def longest_socket() -> str:
    """The longest path of a socket that Ray makes below its folder, with this process's number in it."""
    session = f"session_{datetime(2000, 1, 1, microsecond=1):%Y-%m-%d_%H-%M-%S_%f}_{os.getpid()}"
    return f"{session}/sockets/plasma_store"


def check_temp_folder() -> None:
    """Refuse a folder in which Ray could not start.

    Raises:
        BadInput: Its path is relative or too long for the sockets in it, or it cannot be written.
    """
    name = next((each for each in VARIABLES if each in os.environ), "")
    given = os.environ.get(name, OTHERWISE)
    remedy = "Set RAY_TMPDIR to a short path of a folder that you may write, such as /tmp/$USER."
    if name and not Path(given).is_absolute():
        raise BadInput(f"Expected an absolute path in {name}; got {given!r}. {remedy}")
    folder = Path(given) / RAYS_OWN
    most = MOST_BYTES - len(f"/{RAYS_OWN}/{longest_socket()}")
    found = len(os.fsencode(folder.parent))
    if found > most:
        raise BadInput(
            f"Expected at most {most} bytes in {name}, since a socket's path has at most {MOST_BYTES}, and Ray makes "
            f"its sockets there; got {found}: {given!r}. {remedy}"
        )
    try:
        tempfile.TemporaryFile(dir=next(each for each in (folder, *folder.parents) if each.exists())).close()
    except OSError as error:
        raise BadInput(
            f"Expected to be able to write into {folder}, where Ray keeps its sockets and logs"
            f"{f' by {name}' if name else ''}; got: {error.strerror}. {remedy}"
        ) from None

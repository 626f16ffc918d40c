"""Downloads: only the driver makes any, and a person is told of each in our words."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeps.core.errors import first_line

# What the options for images and weights call "what is here, else a download, else a substitute with a notice".
AUTO = "auto"
DOWNLOAD_TIMEOUT_S = 10.0


@contextmanager
def downloading(what: str) -> Iterator[None]:
    """Say what is being fetched, in our words instead of the library's, and do not wait for ever."""
    print(f"Fetching {what} ...", file=sys.stderr, flush=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)


def fetch_anew(path: Path, what: str, fetch: Callable[[], object]) -> None:
    """Replace a file that is not the published one.

    Args:
        path: The file.
        what: Is in it, for the person who waits.
        fetch: Puts the published one there, whole or not at all.

    Raises:
        OSError: It cannot be had; the message names the file, and says why.
    """
    try:
        with downloading(f"{what} anew, since {path} is not the published file"):
            fetch()
    except Exception as error:
        why = certificate_trouble(error) or first_line(error, type(error).__name__)
    else:
        return
    # Out here it has no cause: what is wrong is the file.
    raise OSError(f"{path} is not the published file, by its checksum, and cannot be fetched anew ({why}); delete it")


def certificate_trouble(error: BaseException) -> str | None:
    """What to do if a download failed at a certificate, however deep in the error that is; None if it did not.

    urllib, by which data sets and torchvision's weights come, and the Hugging Face hub's library read the same
    variable: `SSL_CERT_FILE`.
    """
    had = os.environ.get("SSL_CERT_FILE")
    why = next((why for each in _causes(error) if (why := _of_certificate(each, had))), None)
    if why is None:
        return None
    return (
        f"the certificate of the server, or of a proxy that signs in its place, is not trusted ({why}); set "
        "SSL_CERT_FILE to a PEM file with the public certificates and your network's own, "
        f"{f'instead of {had}' if had else 'which is not set now'}"
    )


def _of_certificate(error: BaseException, file: str | None) -> str | None:
    """What is wrong with a certificate, if that is what the error is about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.library == "X509":
        return f"there is none in {file}"
    if isinstance(error, FileNotFoundError) and file and not Path(file).exists():
        return f"there is no file {file}"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that it was made of."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            inner = (one.__cause__, one.__context__, getattr(one, "reason", None))
            waiting += [each for each in inner if isinstance(each, BaseException)]

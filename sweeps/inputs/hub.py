"""The weights that timm publishes: files of the Hugging Face hub, or of the web where they are not on the hub."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import torch
from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

from sweeps.inputs.downloads import DOWNLOAD_TIMEOUT_S, downloading, fetch_anew
from trainables.parts.timm_models import Published

# What a file of weights may be called on the hub, the safest first.
HUB_NAMES = ("model.safetensors", "pytorch_model.bin")


def cached_file(published: Published) -> Path | None:
    """The file, if it is in the hub's or torch's own cache."""
    if published.hub_id:
        found = [try_to_load_from_cache(published.hub_id, name) for name in HUB_NAMES]
        return next((Path(path) for path in found if isinstance(path, str)), None)
    if not published.url:
        return None
    path = _in_torch_s_cache(published.url)
    return path if path.is_file() else None


def published_file(published: Published) -> Path:
    """The file, from a cache or downloaded; checked as far as its name is a checksum.

    The hub keeps a file under the SHA-256 that it says the file has; files of the web have its first digits in their
    name, or none. Of what is in the cache the hub is not asked for a newer version.

    Raises:
        OSError: It cannot be had (ConnectionError if nobody answers), or is another than the published one.
    """
    if not (published.hub_id or published.url):
        raise OSError("timm publishes no weights of it")
    what = f"weights of {published.name}"
    path = cached_file(published)
    if path is None:
        with downloading(what):
            path = _fetch(published)
    elif not _is_published(path):
        fetch_anew(path.resolve(), what, lambda: _fetch(published, again=True))
        path = cached_file(published) or path
    if not _is_published(path):
        raise OSError(f"{path.resolve()} is not the published file, by its checksum; delete it")
    return path


def _fetch(published: Published, *, again: bool = False) -> Path:
    return _from_hub(published.hub_id, again=again) if published.hub_id else _from_web(str(published.url))


def _from_hub(hub_id: str, *, again: bool) -> Path:
    for name in HUB_NAMES:
        try:
            # The download tries again for minutes if nobody answers, and this asks once.
            get_hf_file_metadata(hf_hub_url(hub_id, name), timeout=DOWNLOAD_TIMEOUT_S)
            return Path(hf_hub_download(hub_id, name, force_download=again))
        except EntryNotFoundError as error:
            # It is also what the download makes of a connection that breaks.
            if not isinstance(error, HfHubHTTPError):
                raise ConnectionError(f"the Hugging Face hub broke off: {error}") from None
        except HfHubHTTPError as error:
            raise OSError(f"the Hugging Face hub refuses {hub_id}: {error}") from None
        except Exception as error:
            raise ConnectionError(f"the Hugging Face hub cannot be reached: {error}") from None
    raise OSError(f"{hub_id} on the Hugging Face hub has none of {', '.join(HUB_NAMES)}")


def _in_torch_s_cache(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def _from_web(url: str) -> Path:
    path = _in_torch_s_cache(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(url, str(path), _checksum_in(path.name), progress=False)
    return path


def _checksum_in(name: str) -> str | None:
    """The SHA-256, or its first digits, that a file's name says; None if it says none."""
    found = re.fullmatch(r"(?:|.*-)([0-9a-f]{8,64})(?:|\.\w+)", name)
    # Of a small file the hub says another checksum, of 40 digits.
    return found[1] if found and len(found[1]) != 40 else None


def _is_published(path: Path) -> bool:
    """Whether a file has the checksum in its name, or there is none."""
    # In the hub's cache the name is that of a link to the file.
    file = path.resolve()
    wanted = _checksum_in(file.name)
    if not wanted:
        return True
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest().startswith(wanted)

"""Labelled images in one or more views, wherever their arrays lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from trainables.parts.protocol import Protocol as SeedProtocol

PIXELS = "pixels"
# The image set that seeds draw their training and validation images from. It is no split: a seed's validation images
# are a part of it.
POOL = "pool"
# What backbones and wide ResNets may compute in, by PyTorch's names.
PRECISIONS = ("float32", "bfloat16")


class StoredElsewhere(Protocol):
    """Something that lies elsewhere, for example in an object store, and is fetched when it is needed."""

    def load(self) -> Any:
        """Fetch it; zero-copy where that is possible."""


def loaded(what: Any) -> Any:
    """What is stored elsewhere, fetched; anything else as it is."""
    return what.load() if hasattr(what, "load") else what


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images of another data set: the first view (N, ...), and labels, int64 (N,), in that data set's own meaning.

    Both may be read-only, since all trials share them.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Labelled images in one or more views; a view is an array (N, ...), or one that is stored elsewhere.

    `protocol` says which images of the pool a seed learns from and is scored on; other sets have none. `precision` is
    what wide networks compute in that learn from the pool, one of `PRECISIONS`.
    """

    labels: np.ndarray
    views: Mapping[str, np.ndarray | StoredElsewhere]
    protocol: SeedProtocol | None = None
    precision: str = "float32"
    # Views that this process has fetched, each once.
    _loaded: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False, compare=False)

    def for_confirmation(self) -> ImageSet:
        """The pool as fresh seeds are drawn from it; another set as it is."""
        return replace(self, protocol=self.protocol.for_confirmation()) if self.protocol else self

    def view(self, name: str) -> np.ndarray:
        """The array of that view, (N, ...); read-only if it lies in an object store."""
        if name not in self._loaded:
            self._loaded[name] = loaded(self.views[name])
        return self._loaded[name]

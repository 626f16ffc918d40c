"""Named random streams: all randomness of a seed comes from them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


class Streams:
    """The random streams of one seed: independent of each other, and found by name, so adding one moves no other."""

    def __init__(self, seed: int, _path: tuple[int, ...] = ()) -> None:
        self.seed = seed
        self._path = _path

    def within(self, name: str) -> Streams:
        """Streams for a part, for example one member of an ensemble: independent of those of every other part."""
        return Streams(self.seed, (*self._path, zlib.crc32(name.encode())))

    def integer(self, name: str) -> int:
        """A number of 64 bits that starts the named stream in any library."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(*self._path, zlib.crc32(name.encode())))
        return int(sequence.generate_state(1, np.uint64)[0])

    def generator(self, name: str) -> torch.Generator:
        """The named stream for torch functions that take a generator."""
        return torch.Generator().manual_seed(self.integer(name))

    @contextmanager
    def torch_default(self, name: str) -> Iterator[None]:
        """Within it, torch's own generator is the named stream (layer initialisation and dropout take no other)."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.integer(name))
            yield

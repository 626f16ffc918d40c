"""Attributes of other people's modules and classes, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(*instead: tuple[Any, str, Any]) -> Iterator[None]:
    """Set attributes, each given as (owner, name, value), and afterwards set them back."""
    plain = [(owner, name, getattr(owner, name)) for owner, name, _ in instead]
    for owner, name, value in instead:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in plain:
            setattr(owner, name, value)

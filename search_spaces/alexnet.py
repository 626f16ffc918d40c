"""Space of `alexnet`."""

from __future__ import annotations

from search_spaces.shared import suggest_head as suggest

__all__ = ["suggest"]

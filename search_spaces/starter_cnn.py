"""Space of `starter_cnn`."""

from __future__ import annotations

from search_spaces.shared import suggest_scratch_network as suggest

__all__ = ["suggest"]

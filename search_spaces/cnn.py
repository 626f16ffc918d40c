"""Space of `cnn`."""

from __future__ import annotations

from search_spaces.shared import suggest_cnn as suggest

__all__ = ["suggest"]

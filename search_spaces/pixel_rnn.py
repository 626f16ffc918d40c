"""Space of `pixel_rnn`."""

from __future__ import annotations

from search_spaces.shared import suggest_pixel_sequence as suggest

__all__ = ["suggest"]

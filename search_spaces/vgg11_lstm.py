"""Space of `vgg11_lstm`."""

from __future__ import annotations

from search_spaces.shared import suggest_recurrent_head as suggest

__all__ = ["suggest"]

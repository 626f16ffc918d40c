"""Space of `pixel_lstm_256`."""

from __future__ import annotations

from search_spaces.pixel_rnn_256 import suggest

__all__ = ["suggest"]

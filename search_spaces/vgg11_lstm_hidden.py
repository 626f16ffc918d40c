"""Space of `vgg11_lstm_hidden`."""

from __future__ import annotations

from search_spaces.shared import suggest_features_and_pixels as suggest

__all__ = ["suggest"]

"""Space of `vgg11_lstm_hidden_1000`."""

from __future__ import annotations

from search_spaces.vgg11_rnn_hidden_1000 import suggest

__all__ = ["suggest"]

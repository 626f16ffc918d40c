"""Space of `vgg11_bn`."""

from __future__ import annotations

from search_spaces.shared import suggest_head as suggest

__all__ = ["suggest"]

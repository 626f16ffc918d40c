"""Space of `vgg11_vgg16`."""

from __future__ import annotations

from search_spaces.shared import suggest_two_backbones as suggest

__all__ = ["suggest"]

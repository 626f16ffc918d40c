"""The kinds of `--allocation`, apart from what they do, since options are read before any library is imported."""

from __future__ import annotations

# As many configurations for each approach, or none any more for those that fall behind.
EVEN, ADAPTIVE = "even", "adaptive"

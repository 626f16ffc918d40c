"""The kinds of `--allocation` and `--sampler`, apart from what they do: options are read before any library is."""

from __future__ import annotations

# As many configurations for each approach, or none any more for those that fall behind.
EVEN, ADAPTIVE = "even", "adaptive"
# Configurations that know nothing of each other, or each near what was good before.
AT_RANDOM, TPE = "random", "tpe"

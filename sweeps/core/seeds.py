"""Which seeds are whose.

The study's, the search's and the confirmation's seeds lie in blocks that never mix, since none of the three has more
than `MOST_SEEDS` seeds.
"""

from __future__ import annotations

STUDY_SEEDS_FROM = 0
SEARCH_SEEDS_FROM = 1000
CONFIRM_SEEDS_FROM = 2000
MOST_SEEDS = 1000

assert STUDY_SEEDS_FROM + MOST_SEEDS <= SEARCH_SEEDS_FROM
assert SEARCH_SEEDS_FROM + MOST_SEEDS <= CONFIRM_SEEDS_FROM

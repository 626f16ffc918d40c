"""Which seeds are whose.

Blocks of at most `MOST_SEEDS` seeds that never mix: the study's, the confirmation's, the decision's, the control's, and
one for each `--search-seed`, so that the difficulty of one block of seeds is not in every search.
"""

from __future__ import annotations

from trainables.parts.protocol import Protocol

MOST_SEEDS = 1000
STUDY_SEEDS_FROM = 0
CONFIRM_SEEDS_FROM = 2000
DECISION_SEEDS_FROM = 6000
# Those that tell what the control has on most draws of images. Nothing is chosen or quoted on them.
CONTROL_SEEDS = range(7000, 7400)
SEARCH_SEEDS_FROM = 1_000_000
# So many models are averaged where a winner is kept, unless a person wants others.
MODEL_SEEDS = 5
# With groups each seed is scored on as many images as its groups leave; so many tell how many those are.
TRIED_SEEDS = 50
# NumPy takes seeds below 2^32.
MOST_SEARCH_SEED = 4_000_000

assert STUDY_SEEDS_FROM + MOST_SEEDS <= CONFIRM_SEEDS_FROM
assert CONFIRM_SEEDS_FROM + MOST_SEEDS <= DECISION_SEEDS_FROM
assert CONTROL_SEEDS.start >= DECISION_SEEDS_FROM + MOST_SEEDS
assert CONTROL_SEEDS.stop <= SEARCH_SEEDS_FROM
assert SEARCH_SEEDS_FROM + (MOST_SEARCH_SEED + 1) * MOST_SEEDS <= 2**32


def search_seeds(search_seed: int, number: int) -> range:
    """The first seeds of a search's block: the same for all its approaches, others for any other `--search-seed`."""
    first = SEARCH_SEEDS_FROM + MOST_SEEDS * search_seed
    return range(first, first + number)


def further_search_seeds(search_seed: int, number: int) -> range:
    """The seeds of a search's block that follow its first `number`: as many again, or what the block has left."""
    first = search_seeds(search_seed, 0).start
    return range(first + number, first + min(2 * number, MOST_SEEDS))


def is_of_a_search(seed: int) -> bool:
    """Whether the seed lies in some search's block."""
    return seed >= SEARCH_SEEDS_FROM


def scored(protocol: Protocol) -> str:
    """How many images of each class a seed is scored on: "500", or "12 to 20" where groups leave some seeds fewer."""
    least, most = protocol.scored(range(CONFIRM_SEEDS_FROM, CONFIRM_SEEDS_FROM + TRIED_SEEDS))
    return f"{least}" if least == most else f"{least} to {most}"

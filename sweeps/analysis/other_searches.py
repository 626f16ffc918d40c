"""What searches of the same sweep with another `--search-seed` found: whether the winner is the search's luck."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sweeps.analysis.intervals import Estimate
from sweeps.core.formatting import percent
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec, Stored, differences, validated

SUMMARY = "summary.json"


class OtherSearch(Stored):
    """Another sweep that differs in its search seed alone.

    Attributes:
        sweep: Its name.
        search_seed: Its own.
        best: The approach that it finds best.
        quoted: What ranks, on the fresh seeds that measure that approach there.
    """

    sweep: str
    search_seed: int
    best: str
    quoted: Estimate


def other_searches(journal: Journal, approaches: Sequence[str]) -> tuple[OtherSearch, ...]:
    """Those in the same results folder that have ended and have the same approaches, by search seed.

    Args:
        journal: Of the sweep that is compared with them.
        approaches: Names of its approaches.
    """
    spec = journal.spec
    paths = sorted(path for path in journal.folder.parent.glob(f"*/{SUMMARY}") if path.parent != journal.folder)
    found = (each for path in paths for each in _read(path, spec, set(approaches)))
    return tuple(sorted(found, key=lambda other: (other.search_seed, other.sweep)))


def _read(path: Path, spec: Spec, approaches: set[str]) -> Iterator[OtherSearch]:
    try:
        content: Any = json.loads(path.read_bytes())
        other = validated(Spec, content["spec"], str(path))
        rows = content["approaches"]
        best = rows[0]
        is_same = other.challenge == spec.challenge and {row["approach"] for row in rows} == approaches
        what = {difference.part for difference in differences(spec, other)}
        if is_same and what == {"search_seed"} and best["is_confirmed"] and other.search_seed is not None:
            quoted = Estimate(**(best["decided"] or best["confirmed"]))
            yield OtherSearch(
                sweep=path.parent.name, search_seed=other.search_seed, best=best["approach"], quoted=quoted
            )
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        # A summary of another version, or half of one: the sweep in it can write it anew.
        return


def in_words(best: str, others: Sequence[OtherSearch]) -> str:
    """Whether they find the same approach best; empty if there are none."""
    if not others:
        return ""
    texts = [
        f"{other.sweep} (search seed {other.search_seed}) finds {other.best}, {percent(other.quoted.mean)} %"
        for other in others
    ]
    same = sum(other.best == best for other in others)
    searches = "Another search" if len(others) == 1 else f"{len(others)} other searches"
    if same == len(others):
        change = "the winner does not change"
    elif same:
        change = f"the winner is the same in {same} of them"
    else:
        change = "the winner changes with the search's luck"
    return f"{searches} of the same sweep with other search seeds: {'; '.join(texts)}. So {change}."

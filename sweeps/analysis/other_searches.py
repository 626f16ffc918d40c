"""What searches of the same sweep with another `--search-seed` found: whether the winner is the search's luck."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sweeps.analysis.decision import Decision
from sweeps.analysis.intervals import Estimate
from sweeps.core.formatting import percent
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec, Start, Stored, differences

# What two starts must have in common to be the same sweep, beside what their numbers depend on.
SAME_OPTIONS = ("num_samples", "confirm_seeds", "finalists", "allocation", "sampler")


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


class _Row(BaseModel):
    """What is needed of an approach's summary."""

    model_config = ConfigDict(extra="ignore")

    approach: str
    best_trial: int | None
    is_confirmed: bool
    confirmed_failure: str | None
    confirmed: Estimate | None
    decided: Estimate | None

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to be confirmed."""
        return self.best_trial is None or self.is_confirmed or self.confirmed_failure is not None


class _Summary(BaseModel):
    """What is needed of a sweep's `summary.json`."""

    model_config = ConfigDict(extra="ignore")

    spec: Spec
    starts: tuple[Start, ...] = Field(min_length=1)
    approaches: tuple[_Row, ...] = Field(min_length=1)
    decision: Decision | None

    @property
    def is_over(self) -> bool:
        """Whether it names a best approach that no fresh seed will change."""
        is_decided = self.decision is None or self.decision.is_complete
        return is_decided and self.approaches[0].is_confirmed and all(row.is_over for row in self.approaches)


def other_searches(journal: Journal, approaches: Sequence[str]) -> tuple[OtherSearch, ...]:
    """Those in the same results folder that have named a best approach, by search seed; the first by name of each.

    They have the same approaches, as many configurations and fresh seeds, and everything else that numbers depend on.

    Args:
        journal: Of the sweep that is compared with them.
        approaches: Names of its approaches.
    """
    paths = sorted(path for path in journal.folder.parent.glob("*/summary.json") if path.parent != journal.folder)
    found = filter(None, (_other_search(path, journal, set(approaches)) for path in paths))
    # Two with one search seed have the same configurations: they are one search that was run twice.
    of_seed: dict[int, OtherSearch] = {}
    for other in sorted(found, key=lambda other: (other.search_seed, other.sweep)):
        of_seed.setdefault(other.search_seed, other)
    return tuple(of_seed.values())


def _other_search(path: Path, journal: Journal, approaches: set[str]) -> OtherSearch | None:
    try:
        other = _Summary.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        # A summary of another version, or half of one: resuming that sweep writes it anew.
        return None
    spec, seed = other.spec, other.spec.search_seed
    if spec.challenge != journal.spec.challenge or {row.approach for row in other.approaches} != approaches:
        return None
    options, own = other.starts[-1].remembered, journal.starts[-1].remembered
    is_same = all(options.get(name) == own.get(name) for name in SAME_OPTIONS)
    different = {difference.part for difference in differences(journal.spec, spec)}
    best = other.approaches[0]
    quoted = best.decided or best.confirmed
    if not is_same or different != {"search_seed"} or not other.is_over or quoted is None or seed is None:
        return None
    return OtherSearch(sweep=path.parent.name, search_seed=seed, best=best.approach, quoted=quoted)


def in_words(best: str, others: Sequence[OtherSearch]) -> str:
    """Whether these, one at least, find the same approach best."""
    texts = [
        f"{other.sweep} (search seed {other.search_seed}) finds {other.best}, {percent(other.quoted.mean)} %"
        for other in others
    ]
    same = sum(other.best == best for other in others)
    what = (
        "Another search of the same sweep, with another search seed"
        if len(others) == 1
        else f"{len(others)} other searches of the same sweep, with other search seeds"
    )
    if same == len(others):
        change = "the winner does not change"
    elif same:
        change = f"the winner is the same in {same} of them"
    else:
        change = "the winner changes with the search's luck"
    return f"{what}: {'; '.join(texts)}. So {change}."

"""How often the test split of these images was opened, by which sweeps, and what that does to what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sweeps.store.journal import Journal
from sweeps.store.openings import is_counted, read_openings, searched_number
from sweeps.store.spec import Stored
from sweeps.store.trials import TrialRecord
from trainables.parts.protocol import TEST


class OtherSweep(Stored):
    """Another sweep of the same images: its name when it opened their test split, and for how many configurations."""

    name: str
    configurations: int


class SplitOpenings(Stored):
    """For how many configurations the test split was opened in a results folder.

    Attributes:
        here: Of this sweep.
        others: Of other sweeps of the same images, also of those that were deleted, in the order of their first one.
        is_synthetic: Whether the images are the phantom, of which nothing is counted.
    """

    here: int
    others: tuple[OtherSweep, ...] = ()
    is_synthetic: bool = False

    @property
    def total(self) -> int:
        """All of them."""
        return self.here + sum(other.configurations for other in self.others)


def split_openings(journal: Journal, trials: Sequence[TrialRecord]) -> SplitOpenings:
    """Count the openings of a sweep's images: its own by its journal and the ledger, those of others by the ledger."""
    own = {
        (trial.approach, searched_number(trial))
        for trial in trials
        if any(result.split == TEST for result in trial.results)
    }
    spec = journal.spec
    if not is_counted(spec):
        return SplitOpenings(here=len(own), is_synthetic=True)
    others: Counter[str] = Counter()
    names = {}
    for opening in read_openings(journal.folder.parent, spec.dataset.fingerprint):
        if opening.sweep_id == journal.id:
            own.add((opening.approach, opening.trial))
        else:
            others[opening.sweep_id] += 1
            names[opening.sweep_id] = opening.sweep
    found = (OtherSweep(name=names[sweep], configurations=count) for sweep, count in others.items())
    return SplitOpenings(here=len(own), others=tuple(found))


def in_words(openings: SplitOpenings) -> str:
    """How often, by which sweeps, and what follows, in a sentence or two."""
    if openings.is_synthetic:
        return "The phantom's test split is synthetic: looking at it uses nothing up, so that openings are not counted."
    if openings.total == 0:
        return "The test split of these images has not been opened in this results folder."
    if openings.total == 1:
        return (
            "The test split of these images was opened for one configuration in this results folder. It was chosen "
            "without it, so that its test number is unbiased."
        )
    others = ", ".join(f"{other.configurations} in {other.name}" for other in openings.others)
    by = f"{openings.here} in this sweep, {others}" if others else "all in this sweep"
    return (
        f"The test split of these images was opened for {openings.total} configurations in this results folder ({by}): "
        f"{openings.total} looks. A test number is unbiased for its own configuration if that was chosen without any "
        "of them; the best of them is not, nor is whatever is chosen after having seen one."
    )

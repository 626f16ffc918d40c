"""What a check of a sweep is, and what it looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.analysis.approach_summary import ApproachSummary
from sweeps.analysis.summary import Summary
from sweeps.store.trials import TrialRecord, searched

LOOK, KNOW, FINE = "look at this", "keep in mind", "fine"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check: `mark` is LOOK, KNOW or FINE, `title` says what was checked, `text` what was found, `items` where."""

    mark: str
    title: str
    text: str
    items: tuple[str, ...] = ()


def look_or_fine(title: str, trouble: str, fine: str, items: Sequence[str] = ()) -> Check:
    """To look at where there is trouble, else fine."""
    return Check(mark=LOOK if trouble else FINE, title=title, text=trouble or fine, items=tuple(items))


def of_choosing(sweep: CheckedSweep, title: str, trouble: str, fine: str) -> Check:
    """To look at where there is trouble; fine only where what choosing did is known of all that chose."""
    unknown = [row.approach for row in sweep.rows if row.optimism is None and row.configurations.tried > 1]
    if trouble or not unknown:
        return look_or_fine(title, trouble, fine)
    text = f"Not known of {', '.join(unknown)}: too few complete configurations or seeds."
    is_any = any(row.optimism for row in sweep.rows)
    return Check(mark=KNOW, title=title, text=f"{fine} {text}" if is_any else text)


@dataclass(frozen=True, kw_only=True)
class CheckedSweep:
    """What the checks look at: the summary, and the journal's trials of the approaches in it."""

    summary: Summary
    trials: Sequence[TrialRecord]

    @property
    def rows(self) -> Sequence[ApproachSummary]:
        """The approaches, confirmed ones first, best first."""
        return self.summary.approaches

    def best_trial(self, row: ApproachSummary) -> TrialRecord | None:
        """The search trial of an approach's best configuration."""
        own = searched(self.trials, row.approach)
        return next((trial for trial in own if trial.number == row.best_trial), None)

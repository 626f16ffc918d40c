"""What a sweep found, as one typed record: made from the journal, written to `summary.json`, read back validated.

From beside the journal come how often the test split was opened and what other searches found.

Accuracies are fractions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.analysis import caveats, decision
from sweeps.analysis.approach_summary import ApproachSummary, summarise_approach
from sweeps.analysis.comparisons import Comparison
from sweeps.analysis.decision import Decision
from sweeps.analysis.intervals import estimates
from sweeps.analysis.lucky_seeds import adjusted
from sweeps.analysis.openings import SplitOpenings, split_openings
from sweeps.analysis.other_searches import OtherSearch, other_searches
from sweeps.analysis.robustness import Robustness, robustness
from sweeps.analysis.shot_curve import ShotCurve, shot_curve
from sweeps.core.challenge import Approach
from sweeps.core.errors import BadInput, first_line
from sweeps.core.provenance import without_password
from sweeps.core.seeds import CONTROL_SEEDS
from sweeps.stages.control import ZSCORE_RIDGE
from sweeps.stages.control import scores as control_scores
from sweeps.stages.ranking import confirmed_results, failure, fresh_scores
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec, Start, Stored, validated
from sweeps.store.trials import CONFIRM, DECIDE, TrialRecord
from trainables.parts.protocol import TEST, VALIDATION


class Summary(Stored):
    """What a sweep is and what it found.

    Attributes:
        sweep: Its name.
        spec: What its numbers depend on.
        caveats: What must be said beside every number, by kind.
        starts: Every start and resumption, without passwords.
        baseline: The plain baseline's name, if the challenge has one.
        approaches: Those that are confirmed first, best first.
        openings: Of the test split of these images, by all sweeps of the results folder.
        comparisons: Of all pairs of confirmed approaches, clearest first: on the second block those that are in it.
        decision: The second block of fresh seeds; None if the first one was enough.
        shot_curve: What the best configurations make of other numbers of images to learn from, if that was asked for.
        robustness: What changed test images cost the best configurations, unless that was switched off.
        other_searches: Sweeps beside it that differ in their search seed alone.
        processors: The kinds of processor that it ran on, those of workers included.
    """

    sweep: str
    spec: Spec
    caveats: Mapping[str, str]
    starts: tuple[Start, ...]
    baseline: str | None
    approaches: tuple[ApproachSummary, ...]
    comparisons: tuple[Comparison, ...]
    openings: SplitOpenings = SplitOpenings(here=0)
    shot_curve: ShotCurve | None = None
    decision: Decision | None = None
    robustness: Robustness | None = None
    other_searches: tuple[OtherSearch, ...] = ()
    processors: tuple[str, ...] = ()

    def seeds_there(self, row: ApproachSummary) -> str:
        """How many of the fresh seeds that were asked for one of its approaches has: "12 of 50"."""
        return f"{row.confirmed.n if row.confirmed else 0} of {self.starts[-1].confirm_seeds}"

    @property
    def warnings(self) -> list[str]:
        """The caveats that forbid taking a number at face value, in capitals."""
        return caveats.warnings(self.spec)


def read_summary(folder: Path) -> Summary:
    """The summary of a sweep in its folder.

    Raises:
        BadInput: There is none, or it is damaged or of another version.
    """
    path = folder / "summary.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"Expected the summary of a finished sweep at {path}; got {first_line(error)}. Go on with the sweep by "
            "--resume, which writes it."
        ) from None
    return validated(Summary, found, f"the summary in {path}")


def summarise(journal: Journal, approaches: Sequence[Approach]) -> Summary:
    """Summarise a sweep from its journal."""
    trials = journal.trials([approach.name for approach in approaches])
    spec, starts = journal.spec, journal.starts
    wanted = starts[-1].confirm_seeds
    rows = ranked(
        [
            summarise_approach(trials, each, wanted, spec, journal.stopped(each.name), journal.behind(each.name))
            for each in approaches
        ]
    )
    confirmed = _best_of(rows)
    first = decision.compared(trials, confirmed, CONFIRM, spec)
    decided, rows, comparisons = _decided(trials, rows, first, _baseline(approaches), wanted, spec)
    control = control_scores(journal.trials([ZSCORE_RIDGE.name]), spec.ranked_by)
    rows = _adjusted(trials, rows, control)
    winners = {row.approach: row.best_trial for row in rows if row.best_trial is not None}
    return Summary(
        sweep=journal.folder.name,
        spec=spec,
        caveats=caveats.of_sweep(spec),
        starts=tuple(without_password_in(start) for start in starts),
        baseline=_baseline(approaches),
        approaches=tuple(rows),
        comparisons=tuple(comparisons),
        openings=split_openings(journal, trials),
        processors=journal.processors(),
        shot_curve=shot_curve(trials, winners, wanted, spec, decision.as_quoted(first, comparisons), control),
        decision=decided,
        # The others may have been scored on changed images beside a confirmation that failed, or has not ended.
        robustness=robustness(trials, {name: winners[name] for name in winners if name in confirmed}, wanted, spec),
        other_searches=other_searches(journal, [approach.name for approach in approaches]),
    )


def undecided(journal: Journal, approaches: Sequence[Approach]) -> tuple[str, ...]:
    """The approaches that are to meet the second block of fresh seeds, by the first one."""
    trials = journal.trials([approach.name for approach in approaches])
    spec, wanted = journal.spec, journal.starts[-1].confirm_seeds
    rows = ranked([summarise_approach(trials, approach, wanted, spec) for approach in approaches])
    return _members(trials, rows, decision.compared(trials, _best_of(rows), CONFIRM, spec), _baseline(approaches))[1]


def _baseline(approaches: Sequence[Approach]) -> str | None:
    return next((approach.name for approach in approaches if approach.is_baseline), None)


def _members(
    trials: Sequence[TrialRecord], rows: Sequence[ApproachSummary], first: Sequence[Comparison], baseline: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The candidates and all that meet the second block, by the first block's comparisons.

    Where a candidate failed on the second block, those are candidates too that cannot be told from the best of the
    others.
    """
    confirmed = [row.approach for row in rows if row.is_confirmed]
    lost = {name for name, number in _best_of(rows).items() if failure(trials, name, number, DECIDE)}
    left = decision.candidates([name for name in confirmed if name not in lost], first)
    found = decision.candidates(confirmed, first)
    if lost & {*found}:
        found = tuple(name for name in confirmed if name in found or name in left)
    return found, decision.members(found, confirmed, baseline)


def _decided(
    trials: Sequence[TrialRecord],
    rows: Sequence[ApproachSummary],
    first: Sequence[Comparison],
    baseline: str | None,
    wanted: int,
    spec: Spec,
) -> tuple[Decision | None, list[ApproachSummary], Sequence[Comparison]]:
    """The decision, the rows as it ranks them, best first, and the comparisons that are quoted."""
    candidates, members = _members(trials, rows, first, baseline)
    if not members:
        return None, _with_shares(trials, rows, spec), first
    measured = [_with_decision(trials, row, spec) if row.approach in members else row for row in rows]
    inside = [row for row in measured if row.approach in members and row.is_confirmed]
    is_complete = all(row.decided is not None and row.decided.n >= wanted for row in inside)
    ranks = ranked(measured)
    named = ranks[0].approach if ranks[0].is_confirmed else candidates[0]
    found = Decision(named=named, candidates=candidates, members=members, is_complete=is_complete)
    lost = {row.approach for row in measured if not row.is_confirmed}
    kept = [pair for pair in first if not {pair.better, pair.worse} & lost]
    if not is_complete:
        nothing: dict[str, Any] = {"decided": None, "decided_validation": {}, "decided_test": {}}
        rows = [row.model_copy(update=nothing) for row in ranks]
        # The second chance that pairs are to have counts already.
        return found, _with_shares(trials, rows, spec), decision.quoted(kept, [])
    comparisons = decision.quoted(kept, decision.compared(trials, _best_of(inside), DECIDE, spec))
    means = {row.approach: row.decided.mean for row in inside if row.decided}
    best = decision.overtaker(named, comparisons, means)
    rows = sorted(ranks, key=lambda row: row.approach != best) if best else ranks
    return found, _with_shares(trials, rows, spec), comparisons


def _with_decision(trials: Sequence[TrialRecord], row: ApproachSummary, spec: Spec) -> ApproachSummary:
    """With what the second block says; one that fails there is ranked no more than one that fails on the first."""
    assert row.best_trial is not None
    failed = failure(trials, row.approach, row.best_trial, DECIDE)
    if failed is not None:
        return row.model_copy(update={"is_confirmed": False, "confirmed_failure": failed})
    results = confirmed_results(trials, row.approach, row.best_trial, DECIDE)
    validation = estimates(results, VALIDATION, DECIDE, spec)
    of_test = estimates(results, TEST, DECIDE, spec)
    found = {"decided": validation.get(spec.ranked_by), "decided_validation": validation, "decided_test": of_test}
    return row.model_copy(update=found)


def _with_shares(trials: Sequence[TrialRecord], rows: Sequence[ApproachSummary], spec: Spec) -> list[ApproachSummary]:
    """The rows with the share of resamples in which each comes first: of all, or of those of a complete decision."""
    inside = [row for row in rows if row.decided] or rows
    shares = decision.shares(trials, _best_of(inside), spec)
    return [row.model_copy(update={"first_share": shares.get(row.approach)}) for row in rows]


def _adjusted(
    trials: Sequence[TrialRecord], rows: Sequence[ApproachSummary], control: Mapping[int, float]
) -> list[ApproachSummary]:
    """The rows with what is quoted of them without its seeds' luck, which the control's scores by seed tell."""

    def with_it(row: ApproachSummary) -> ApproachSummary:
        if not row.is_confirmed or row.best_trial is None:
            return row
        own = fresh_scores(trials, row.approach, row.best_trial, DECIDE if row.decided else CONFIRM)
        return row.model_copy(update={"adjusted": adjusted(row.quoted, own, control, CONTROL_SEEDS)})

    return [with_it(row) for row in rows]


def ranked(rows: Sequence[ApproachSummary]) -> list[ApproachSummary]:
    """The approaches, best first.

    Confirmed ones come before the others, and then the greatest mean score on the first block of fresh seeds comes
    first, whatever the second one says: what is quoted of an approach must not be what it was chosen for. Equals, and
    those without a fresh seed, stay in the order of the rows, which is the challenge's.
    """
    return sorted(rows, key=lambda row: (not row.is_confirmed, _rank(row)))


def _rank(row: ApproachSummary) -> float:
    return -row.confirmed.mean if row.confirmed else 0.0


def without_password_in(start: Start) -> Start:
    """The start as others may see it."""
    uri = start.options.get("tracking_uri")
    if not isinstance(uri, str):
        return start
    return start.model_copy(update={"options": {**start.options, "tracking_uri": without_password(uri)}})


def _best_of(rows: Sequence[ApproachSummary]) -> dict[str, int]:
    """The number of the best configuration of each confirmed approach."""
    return {row.approach: row.best_trial for row in rows if row.is_confirmed and row.best_trial is not None}

"""The study's numbers beside ours, as typed tables.

The study's numbers are in per cent, as it prints them; ours are fractions, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from search_spaces.published.settings import Published, Setting
from sweeps.analysis import caveats
from sweeps.analysis.approach_summary import PublishedNumber, published_number
from sweeps.analysis.comparisons import ERROR, holm
from sweeps.analysis.intervals import Estimate, estimate
from sweeps.analysis.summary import summarise, without_password_in
from sweeps.analysis.unpaired import LEAST_CORRELATION, MOST_CORRELATION, p_value, standard_error
from sweeps.core.challenge import Approach, Challenge
from sweeps.core.errors import BadInput, path_of
from sweeps.stages.reproduction import study_seeds
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec, Start, Stored, differences
from sweeps.store.trials import TrialRecord, searched

# Over how many seeds a number is taken to be where the study does not say: the fewest that it states for any.
FEWEST_SEEDS = 10


class StudyRow(Stored):
    """One published setting of one approach: the study's number and ours.

    Attributes:
        approach: Its name.
        variant: Which of its settings; None is the main one.
        trial: Number of our trial; None before it began.
        weights: Where its backbones' weights come from.
        published: What the study gives.
        ours: Our accuracy at the same setting; None without a seed.
        seeds_wanted: Over how many seeds ours shall be.
        is_complete: Whether all of them are there.
        failure: Why our trial failed, if it did.
        difference_points: Ours less the study's; None where they cannot be compared.
        errors_points: Standard error of the difference, if the study's seeds and ours, which are the same, are as much
            correlated as is plausible, and if they are not.
        p: Of the t tests of both means with these errors, in the same order; the second is Welch's.
        p_holm: The same, corrected for the table's rows.
        noise_explains_it: Whether the two means may be the same, by both tests; None where that was not tested.
        after_the_sweep: What a sweep confirmed for the approach; it stands in the row of the main setting only.
    """

    approach: str
    variant: str | None
    trial: int | None
    weights: tuple[str, ...]
    published: PublishedNumber
    ours: Estimate | None
    seeds_wanted: int
    is_complete: bool
    failure: str | None
    difference_points: float | None
    errors_points: tuple[float, float] | None
    p: tuple[float, float] | None
    p_holm: tuple[float, float] | None = None
    noise_explains_it: Literal["yes", "no", "depends"] | None = None
    after_the_sweep: Estimate | None

    @property
    def label(self) -> str:
        """What names the row."""
        return f"{self.approach}, {self.variant}" if self.variant else self.approach


class StudyTable(Stored):
    """The rows of one challenge.

    Attributes:
        challenge: Its name.
        title: Its title.
        warnings: The caveats that forbid taking its numbers at face value, in capitals.
        rows: Each approach's main setting, followed by its variants.
        faults: Why the study's number of an approach is wrong, where it is known to be.
    """

    challenge: str
    title: str
    warnings: tuple[str, ...]
    rows: tuple[StudyRow, ...]
    faults: Mapping[str, str]


class StudySummary(Stored):
    """All tables of the study's numbers beside ours, and what ours depend on.

    Attributes:
        sweep: Name of the run.
        spec: What our numbers depend on.
        caveats: What must be said beside every number, by kind.
        starts: Every start and resumption, without passwords.
        tables: One for each challenge.
    """

    sweep: str
    spec: Spec
    caveats: Mapping[str, str]
    starts: tuple[Start, ...]
    tables: tuple[StudyTable, ...]

    @property
    def rows(self) -> list[StudyRow]:
        """Those of all tables."""
        return [row for table in self.tables for row in table.rows]


def find(trials: Sequence[TrialRecord], approach: Approach, setting: Setting) -> TrialRecord | None:
    """The last trial of an approach at a published setting."""
    own = [trial for trial in searched(trials, approach.name) if trial.params == dict(setting.params)]
    return own[-1] if own else None


def summarise_study(
    journal: Journal,
    challenges: Sequence[Challenge],
    approaches: Sequence[Approach],
    confirmed: Mapping[str, Estimate],
) -> StudySummary:
    """The tables with everything that is known of each row; an approach of which nothing is published has none.

    Args:
        journal: Where ours come from.
        challenges: Each has a table; an approach stands in that of the first challenge that has it.
        approaches: Those in the tables.
        confirmed: What sweeps confirmed, by approach, as `confirmed_elsewhere` finds it.
    """
    spec = journal.spec
    trials = journal.trials([approach.name for approach in approaches])
    table_of = {each.name: challenge.name for challenge in reversed(challenges) for each in challenge.approaches}
    tables = []
    for challenge in challenges:
        own = [each for each in approaches if table_of[each.name] == challenge.name and each.published]
        if own:
            tables.append(_table(challenge, spec, trials, own, confirmed))
    return StudySummary(
        sweep=journal.folder.name,
        spec=spec,
        caveats=caveats.of_sweep(spec),
        starts=tuple(without_password_in(start) for start in journal.starts),
        tables=tuple(tables),
    )


def _table(
    challenge: Challenge,
    spec: Spec,
    trials: Sequence[TrialRecord],
    approaches: Sequence[Approach],
    confirmed: Mapping[str, Estimate],
) -> StudyTable:
    rows: list[StudyRow] = []
    faults = {}
    for approach in approaches:
        published = approach.published
        assert published is not None
        rows += [_row(spec, trials, approach, published, variant, confirmed) for variant in published.settings()]
        if published.fault:
            faults[approach.name] = published.fault
    return StudyTable(
        challenge=challenge.name,
        title=challenge.title,
        warnings=tuple(caveats.of_table(spec, approaches)),
        rows=tuple(_corrected(rows)),
        faults=faults,
    )


def _corrected(rows: Sequence[StudyRow]) -> list[StudyRow]:
    """The rows of one table with Holm's correction over those that were tested."""
    tested = [row.p for row in rows if row.p is not None]
    adjusted = iter(zip(*(holm(p_values) for p_values in zip(*tested, strict=True)), strict=True))
    found = []
    for row in rows:
        if row.p is not None:
            p_holm = next(adjusted)
            row = row.model_copy(update={"p_holm": p_holm, "noise_explains_it": in_both_directions(*p_holm)})
        found.append(row)
    return found


def in_both_directions(p: float, other_p: float) -> Literal["yes", "no", "depends"]:
    """Whether noise explains a difference, given its p-values at the ends of what is plausible."""
    if p >= ERROR and other_p >= ERROR:
        return "yes"
    return "no" if p < ERROR and other_p < ERROR else "depends"


def _row(
    spec: Spec,
    trials: Sequence[TrialRecord],
    approach: Approach,
    published: Published,
    variant: str,
    confirmed: Mapping[str, Estimate],
) -> StudyRow:
    setting = published.settings()[variant]
    trial = find(trials, approach, setting)
    ours = estimate(trial.values("accuracy")) if trial else None
    is_complete = trial is not None and trial.state == "COMPLETE"
    difference = errors = p = None
    if is_complete and ours and setting.mean_percent is not None and published.is_class_accuracy:
        difference = 100 * ours.mean - setting.mean_percent
        errors, p = tested(setting, ours) or (None, None)
    return StudyRow(
        approach=approach.name,
        variant=variant or None,
        trial=trial.number if trial else None,
        weights=tuple(caveats.weights(spec, approach)),
        published=published_number(published, variant),
        ours=ours,
        seeds_wanted=len(study_seeds(setting, smoke=spec.smoke)),
        is_complete=is_complete,
        failure=trial.reason if trial and trial.state == "FAIL" else None,
        difference_points=difference,
        errors_points=errors,
        p=p,
        # A sweep searches among all variants, so that its result stands once, beside the main setting.
        after_the_sweep=confirmed.get(approach.name) if not variant else None,
    )


def tested(setting: Setting, ours: Estimate) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Standard errors in points, and two-sided p-values, of the difference: most correlation, then none.

    The study gives its mean and sd, in per cent. None with one seed of ours, or where the study has no sd.
    """
    if setting.mean_percent is None or setting.sd_percent is None or ours.sd is None:
        return None
    difference = 100 * ours.mean - setting.mean_percent
    moments = (setting.sd_percent, setting.seeds or FEWEST_SEEDS, 100 * ours.sd, ours.n)
    most, least = (
        (float(standard_error(*moments, correlation)), float(p_value(difference, *moments, correlation)))
        for correlation in (MOST_CORRELATION, LEAST_CORRELATION)
    )
    return (most[0], least[0]), (most[1], least[1])


def confirmed_elsewhere(folders: Sequence[str], challenges: Sequence[Challenge], spec: Spec) -> dict[str, Estimate]:
    """What these sweeps confirmed, by approach; of an approach in several, what the first one did.

    Raises:
        BadInput: One of them is no sweep of these challenges, or its numbers cannot be compared with those of `spec`.
    """
    found: dict[str, Estimate] = {}
    by_name = {challenge.name: challenge for challenge in challenges}
    for folder in folders:
        journal = Journal(path_of(folder), write=False)
        challenge = by_name.get(journal.spec.challenge)
        if challenge is None:
            raise BadInput(f"Expected --sweep as the folder of a sweep of {' or '.join(by_name)}; got {folder}.")
        _check_comparable(folder, journal.spec, spec)
        own = [approach for approach in challenge.approaches if approach.name in journal.approaches()]
        for row in summarise(journal, own).approaches:
            if row.is_confirmed and row.quoted:
                found.setdefault(row.approach, row.quoted)
    return found


def _check_comparable(folder: str, of_sweep: Spec, ours: Spec) -> None:
    for difference in differences(of_sweep, ours):
        # What the sweep does not have cannot differ.
        if difference.before is not None:
            raise BadInput(
                f"Expected --sweep as a sweep with the same {difference.what} as this run ({difference.now}); {folder} "
                f"has {difference.before}. Name another sweep, or omit --sweep."
            )

"""What a sweep found, as one typed record: made from the journal, written to `summary.json`, read back validated.

From beside the journal come how often the test split was opened and what other searches found.

Accuracies are fractions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search_spaces.published.settings import Published
from sweeps.analysis import caveats, decision
from sweeps.analysis.comparisons import Comparison
from sweeps.analysis.decision import Decision
from sweeps.analysis.intervals import Estimate, estimates, score
from sweeps.analysis.openings import SplitOpenings, split_openings
from sweeps.analysis.optimism import Optimism, optimism
from sweeps.analysis.other_searches import OtherSearch, other_searches
from sweeps.analysis.robustness import Robustness, robustness
from sweeps.analysis.shot_curve import ShotCurve, shot_curve
from sweeps.core.challenge import Approach
from sweeps.core.provenance import without_password
from sweeps.stages.ranking import best_complete, confirmed_results
from sweeps.stages.repeats import has_no_more
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec, Start, Stored
from sweeps.store.trials import CONFIRM, CURVE, DECIDE, REPEAT, SEARCH, TrialRecord, searched
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult


class Configurations(Stored):
    """How many distinct configurations a search has, by how they ended.

    `repeats` were suggested again and not trained again; they count in no other number. `is_all` says that the search
    ended before it had as many as were asked for, since its space gave nothing but repeats.
    """

    complete: int
    raced_out: int
    failed: int
    unfinished: int
    repeats: int = 0
    is_all: bool = False

    @property
    def tried(self) -> int:
        """Those that tell something: complete or raced out."""
        return self.complete + self.raced_out

    @property
    def begun(self) -> int:
        """All of them."""
        return self.tried + self.failed + self.unfinished


class PublishedNumber(Stored):
    """What the study gives for an approach at a setting: its accuracy, None where it gives no number.

    Where `is_of_the_study` is False it has no such approach, and the setting is ours.
    """

    mean_percent: float | None
    sd_percent: float | None
    seeds: int | None
    params: Mapping[str, Any]
    note: str
    is_class_accuracy: bool
    is_of_the_study: bool


class ApproachSummary(Stored):
    """What came out for one approach.

    Attributes:
        approach: Its name.
        about: What it is, in one sentence.
        weights: Where its backbones' weights come from.
        configurations: Of its search.
        stopped: Why its search was stopped early, if it was.
        best_trial: Number of its best complete configuration; None if there is none.
        best_params: That configuration.
        search: What ranks, on the search's seeds.
        confirmed: What ranks, on fresh seeds: those of the first block, which names the best.
        is_confirmed: Whether all its fresh seeds are there; only then it is ranked.
        confirmed_failure: Why its confirmation failed, or its decision, if one did.
        optimism: How much choosing flattered it in the search; None where that cannot be estimated.
        confirmed_validation: Every metric on fresh seeds.
        test: Every metric on the test split.
        test_openings: How many of its configurations were scored on the test split.
        decided: What ranks, on the second block of fresh seeds; None where that was not needed or is not complete.
        decided_validation: Every metric on them.
        decided_test: Every metric of the same models on the test split.
        first_share: In what share of resamples of its fresh seeds and of the images it comes first, among those that
            meet the second block where there is one; None for the others.
        start: The configuration that its search starts from; None where the sampler begins by itself.
        published: What the study gives; None for an approach that it does not have, or if these are not its images.
        at_published_setting: Ours at the setting that the search starts from, on the search's seeds.
        seeds_run: Seeds that were trained, in all its configurations.
        seconds: What they took, each on one CPU.
        seconds_per_seed: Median time of one seed, with its validation.
    """

    approach: str
    about: str
    weights: tuple[str, ...]
    configurations: Configurations
    stopped: str | None
    best_trial: int | None
    best_params: Mapping[str, Any] | None
    search: Estimate | None
    confirmed: Estimate | None
    is_confirmed: bool
    confirmed_failure: str | None
    optimism: Optimism | None
    confirmed_validation: Mapping[str, Estimate]
    test: Mapping[str, Estimate]
    test_openings: int
    start: Mapping[str, Any] | None
    published: PublishedNumber | None
    at_published_setting: Estimate | None
    seeds_run: int
    seconds: float
    seconds_per_seed: float | None
    decided: Estimate | None = None
    decided_validation: Mapping[str, Estimate] = {}
    decided_test: Mapping[str, Estimate] = {}
    first_share: float | None = None

    @property
    def quoted(self) -> Estimate | None:
        """What ranks, on the block of fresh seeds that measures: the second where there is one, else the first."""
        return self.decided or self.confirmed

    @property
    def quoted_validation(self) -> Mapping[str, Estimate]:
        """Every metric on that block."""
        return self.decided_validation if self.decided else self.confirmed_validation

    @property
    def test_accuracy(self) -> Estimate | None:
        """Balanced accuracy of that block's models on the test split."""
        return (self.decided_test if self.decided else self.test).get("balanced_accuracy")

    @property
    def is_best_at_start(self) -> bool:
        """Whether nothing better was found than the configuration that the search started from."""
        return self.best_params is not None and self.best_params == self.start


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

    @property
    def warnings(self) -> list[str]:
        """The caveats that forbid taking a number at face value, in capitals."""
        return caveats.warnings(self.spec)


def summarise(journal: Journal, approaches: Sequence[Approach]) -> Summary:
    """Summarise a sweep from its journal."""
    trials = journal.trials([approach.name for approach in approaches])
    spec, starts = journal.spec, journal.starts
    wanted = starts[-1].confirm_seeds
    rows = ranked(
        [_summarise(trials, approach, wanted, spec, journal.stopped(approach.name)) for approach in approaches]
    )
    first = decision.compared(trials, _best_of(rows), CONFIRM, spec)
    decided, rows, comparisons = _decided(trials, rows, first, _baseline(approaches), wanted, spec)
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
        shot_curve=shot_curve(trials, winners, wanted, spec, first),
        decision=decided,
        robustness=robustness(trials, winners, wanted, spec),
        other_searches=other_searches(journal, [approach.name for approach in approaches]),
    )


def undecided(journal: Journal, approaches: Sequence[Approach]) -> tuple[str, ...]:
    """The approaches that are to meet the second block of fresh seeds, by the first one."""
    trials = journal.trials([approach.name for approach in approaches])
    spec, wanted = journal.spec, journal.starts[-1].confirm_seeds
    rows = ranked([_summarise(trials, approach, wanted, spec, None) for approach in approaches])
    return _members(rows, decision.compared(trials, _best_of(rows), CONFIRM, spec), _baseline(approaches))[1]


def _baseline(approaches: Sequence[Approach]) -> str | None:
    return next((approach.name for approach in approaches if approach.is_baseline), None)


def _members(
    rows: Sequence[ApproachSummary], first: Sequence[Comparison], baseline: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The candidates and all that meet the second block, by the first block's comparisons."""
    confirmed = [row.approach for row in rows if row.is_confirmed]
    found = decision.candidates(confirmed, first)
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
    candidates, members = _members(rows, first, baseline)
    if not members:
        return None, _with_shares(trials, rows, spec), first
    measured = [_with_decision(trials, row, spec) if row.approach in members else row for row in rows]
    inside = [row for row in measured if row.approach in members and row.is_confirmed]
    is_complete = all(row.decided is not None and row.decided.n >= wanted for row in inside)
    ranks = ranked(measured, candidates)
    named = ranks[0].approach if ranks[0].is_confirmed else candidates[0]
    found = Decision(named=named, candidates=candidates, members=members, is_complete=is_complete)
    lost = {row.approach for row in measured if not row.is_confirmed}
    kept = [pair for pair in first if not {pair.better, pair.worse} & lost]
    if not is_complete:
        nothing: dict[str, Any] = {"decided": None, "decided_validation": {}, "decided_test": {}}
        rows = [row.model_copy(update=nothing) for row in ranks]
        return found, _with_shares(trials, rows, spec), kept
    comparisons = decision.quoted(kept, decision.compared(trials, _best_of(inside), DECIDE, spec))
    means = {row.approach: row.decided.mean for row in inside if row.decided}
    best = decision.overtaker(named, comparisons, means)
    rows = sorted(ranks, key=lambda row: row.approach != best) if best else ranks
    return found, _with_shares(trials, rows, spec), comparisons


def _with_decision(trials: Sequence[TrialRecord], row: ApproachSummary, spec: Spec) -> ApproachSummary:
    """With what the second block says; one that fails there is ranked no more than one that fails on the first."""
    assert row.best_trial is not None
    failure = decision.failure(trials, row.approach, row.best_trial)
    if failure is not None:
        return row.model_copy(update={"is_confirmed": False, "confirmed_failure": failure})
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


def ranked(rows: Sequence[ApproachSummary], candidates: Sequence[str] = ()) -> list[ApproachSummary]:
    """The approaches, best first.

    Confirmed ones come before the others, candidates of the decision before those, and then the greatest mean score on
    the first block of fresh seeds comes first, whatever the second one says: what is quoted of an approach must not be
    what it was chosen for. Equals, and those without a fresh seed, stay in the order of the rows, which is the
    challenge's.
    """
    return sorted(rows, key=lambda row: (not row.is_confirmed, row.approach not in candidates, _rank(row)))


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


def _summarise(
    trials: Sequence[TrialRecord], approach: Approach, wanted: int, spec: Spec, stopped: str | None
) -> ApproachSummary:
    name = approach.name
    own = [trial for trial in trials if trial.approach == name]
    in_search = searched(own, name)
    states = [trial.state for trial in in_search]
    best = best_complete(own, name)
    confirmed = confirmed_results(own, name, best.number) if best else ()
    search = score(best.results, SEARCH, spec) if best else None
    validation = estimates(confirmed, VALIDATION, CONFIRM, spec)
    found = validation.get(spec.ranked_by)
    failed = [t.reason for t in own if t.stage == CONFIRM and best and t.of_trial == best.number and t.state == "FAIL"]
    all_results = [result for trial in own for result in trial.results]
    opened = {trial.of_trial for trial in own if any(result.split == TEST for result in trial.results)}
    return ApproachSummary(
        approach=name,
        about=approach.about,
        weights=tuple(caveats.weights(spec, approach)),
        configurations=Configurations(
            complete=states.count("COMPLETE"),
            raced_out=states.count("PRUNED"),
            failed=states.count("FAIL"),
            unfinished=states.count("RUNNING"),
            repeats=states.count(REPEAT),
            is_all=has_no_more(own, approach),
        ),
        stopped=stopped,
        best_trial=best.number if best else None,
        best_params=best.params if best else None,
        search=search,
        confirmed=found,
        is_confirmed=bool(found and found.n >= wanted and not failed),
        confirmed_failure=failed[0] if failed else None,
        optimism=optimism(in_search),
        confirmed_validation=validation,
        test=estimates(confirmed, TEST, CONFIRM, spec),
        test_openings=len(opened),
        start=approach.start,
        published=published_number(approach.published) if approach.published and spec.is_of_the_study else None,
        at_published_setting=_at_published_setting(in_search, approach, spec),
        seeds_run=len({(r.seed, trial.stage, trial.number) for trial in own for r in trial.results}),
        seconds=math.fsum(result.seconds for result in all_results),
        # More shots may take longer, so that the curve's seeds are not asked.
        seconds_per_seed=_median_seconds([result for trial in own if trial.stage != CURVE for result in trial.results]),
    )


def published_number(published: Published, variant: str = "") -> PublishedNumber:
    """What the study gives for one of an approach's published settings, the main one under ""."""
    setting = published.settings()[variant]
    return PublishedNumber(
        mean_percent=setting.mean_percent,
        sd_percent=setting.sd_percent,
        seeds=setting.seeds,
        params=setting.params,
        note=published.note,
        is_class_accuracy=published.is_class_accuracy,
        is_of_the_study=published.is_of_the_study,
    )


def _at_published_setting(in_search: Sequence[TrialRecord], approach: Approach, spec: Spec) -> Estimate | None:
    """Ours at the published setting, on the search's seeds; it is the first configuration of every search."""
    for trial in in_search:
        if approach.start is not None and trial.params == dict(approach.start) and trial.state == "COMPLETE":
            return score(trial.results, SEARCH, spec)
    return None


def _median_seconds(results: Sequence[SeedResult]) -> float | None:
    seconds = [result.seconds for result in results if result.split == VALIDATION and result.error is None]
    return float(np.median(seconds)) if seconds else None

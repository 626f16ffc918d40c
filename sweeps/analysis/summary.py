"""What a sweep found, as one typed record: made from the journal, written to `summary.json`, read back validated.

Accuracies are fractions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search_spaces.published.settings import Published
from sweeps.analysis import caveats
from sweeps.analysis.comparisons import Comparison, compare_all
from sweeps.analysis.image_error import hits_of
from sweeps.analysis.intervals import Estimate, estimates, score
from sweeps.analysis.optimism import Optimism, optimism
from sweeps.analysis.shot_curve import ShotCurve, shot_curve
from sweeps.core.challenge import Approach
from sweeps.core.provenance import without_password
from sweeps.stages.ranking import best_complete, confirmed_results, fresh_scores
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec, Start, Stored
from sweeps.store.trials import CONFIRM, CURVE, SEARCH, TrialRecord, searched
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult


class Configurations(Stored):
    """How many configurations a search has, by how they ended."""

    complete: int
    raced_out: int
    failed: int
    unfinished: int

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
        confirmed: What ranks, on fresh seeds.
        is_confirmed: Whether all its fresh seeds are there; only then it is ranked.
        confirmed_failure: Why its confirmation failed, if it did.
        optimism: How much choosing flattered it in the search; None if it was not chosen among others.
        confirmed_validation: Every metric on fresh seeds.
        test: Every metric on the test split.
        test_openings: How many of its configurations were scored on the test split.
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

    @property
    def test_accuracy(self) -> Estimate | None:
        """Balanced accuracy on the test split."""
        return self.test.get("balanced_accuracy")

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
        comparisons: Of all pairs of confirmed approaches, clearest first.
        shot_curve: What the best configurations make of other numbers of images to learn from, if that was asked for.
    """

    sweep: str
    spec: Spec
    caveats: Mapping[str, str]
    starts: tuple[Start, ...]
    baseline: str | None
    approaches: tuple[ApproachSummary, ...]
    comparisons: tuple[Comparison, ...]
    shot_curve: ShotCurve | None = None

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
    comparisons = compared(trials, rows, spec)
    winners = {row.approach: row.best_trial for row in rows if row.best_trial is not None}
    return Summary(
        sweep=journal.folder.name,
        spec=spec,
        caveats=caveats.of_sweep(spec),
        starts=tuple(without_password_in(start) for start in starts),
        baseline=next((approach.name for approach in approaches if approach.is_baseline), None),
        approaches=tuple(rows),
        comparisons=tuple(comparisons),
        shot_curve=shot_curve(trials, winners, wanted, spec, comparisons),
    )


def ranked(rows: Sequence[ApproachSummary]) -> list[ApproachSummary]:
    """The approaches, best first.

    Confirmed ones come before the others, and among either the greatest mean score on fresh seeds comes
    first. Equals, and those without a fresh seed, stay in the order of the rows, which is the challenge's.
    """
    return sorted(rows, key=_rank)


def _rank(row: ApproachSummary) -> tuple[bool, float]:
    return not row.is_confirmed, -row.confirmed.mean if row.confirmed else 0.0


def without_password_in(start: Start) -> Start:
    """The start as others may see it."""
    uri = start.options.get("tracking_uri")
    if not isinstance(uri, str):
        return start
    return start.model_copy(update={"options": {**start.options, "tracking_uri": without_password(uri)}})


def compared(trials: Sequence[TrialRecord], rows: Sequence[ApproachSummary], spec: Spec) -> list[Comparison]:
    """Every pair of confirmed approaches on their common fresh seeds, by what ranks, on validation images.

    AUROC is no share of hits, so that its comparisons speak of the seeds alone.
    """
    best = {row.approach: row.best_trial for row in rows if row.is_confirmed and row.best_trial is not None}
    hits = {
        name: hits_of(confirmed_results(trials, name, number), VALIDATION, CONFIRM, spec)
        for name, number in best.items()
    }
    return compare_all(
        {name: fresh_scores(trials, name, number) for name, number in best.items()},
        {name: found.table(found.shares) for name, found in hits.items() if found and spec.ranked_by == "accuracy"},
    )


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

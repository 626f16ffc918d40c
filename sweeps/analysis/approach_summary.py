"""What came out for one approach: its record, and how it is made from its trials.

Accuracies are fractions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from search_spaces.published.settings import Published
from sweeps.analysis import caveats
from sweeps.analysis.intervals import Estimate, estimates, score
from sweeps.analysis.lucky_seeds import Adjusted
from sweeps.analysis.optimism import Finalists, Optimism, optimism
from sweeps.core.challenge import Approach
from sweeps.stages.ranking import best_complete, confirmed_results, failure, further_results
from sweeps.stages.repeats import has_no_more
from sweeps.store.spec import Spec, Stored
from sweeps.store.trials import CONFIRM, CURVE, INTENSIFY, REPEAT, SEARCH, TrialRecord, searched
from trainables.parts.protocol import TEST, VALIDATION
from trainables.parts.results import SeedResult


class Configurations(Stored):
    """How many distinct configurations a search has, by how they ended.

    `repeats` were suggested again and not trained again; they count in no other number. `is_all` says that the search
    ended before it had as many as were asked for, since its space gave nothing but repeats, `behind_after` after how
    many it got no more, since its best was behind another approach's.
    """

    complete: int
    raced_out: int
    failed: int
    unfinished: int
    repeats: int = 0
    is_all: bool = False
    behind_after: int | None = None

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
        search: What ranks, on all its search seeds: the further ones that finalists meet are among them, if it has met
            them.
        intensified: The same on those further ones alone; None where it has met none.
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
        adjusted: What ranks, on the block of fresh seeds that measures, without that block's luck; None where too few
            seeds tell it.
        start: The configuration that its search starts from; None where the sampler begins by itself.
        published: What the study gives; None for an approach that it does not have, or if these are not its images.
        at_published_setting: Ours at the setting that the search starts from, on all its search seeds.
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
    intensified: Estimate | None = None
    decided: Estimate | None = None
    decided_validation: Mapping[str, Estimate] = {}
    decided_test: Mapping[str, Estimate] = {}
    first_share: float | None = None
    adjusted: Adjusted | None = None

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
    def is_partly_confirmed(self) -> bool:
        """Whether some of its fresh seeds are there, and the others still to be run."""
        return self.confirmed is not None and not self.is_confirmed and self.confirmed_failure is None

    @property
    def is_best_at_start(self) -> bool:
        """Whether nothing better was found than the configuration that the search started from."""
        return self.best_params is not None and self.best_params == self.start


def summarise_approach(
    trials: Sequence[TrialRecord],
    approach: Approach,
    wanted: int,
    spec: Spec,
    stopped: str | None = None,
    behind_after: int | None = None,
) -> ApproachSummary:
    """Summarise one approach's search and its confirmation.

    Args:
        trials: Of all approaches and stages.
        approach: Which one.
        wanted: How many fresh seeds each best configuration is to have.
        spec: Of the sweep.
        stopped: Why the approach's search was stopped early, if it was.
        behind_after: After how many configurations it fell behind the others and got no more, if it did.
    """
    name = approach.name
    own = [trial for trial in trials if trial.approach == name]
    in_search = searched(own, name)
    states = [trial.state for trial in in_search]
    best = best_complete(own, name)
    confirmed = confirmed_results(own, name, best.number) if best else ()
    intensified = further_results(own, name)
    further = intensified.get(best.number, ()) if best else ()
    validation = estimates(confirmed, VALIDATION, CONFIRM, spec)
    found = validation.get(spec.ranked_by)
    failed = failure(own, name, best.number) if best else None
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
            behind_after=behind_after,
        ),
        stopped=stopped,
        best_trial=best.number if best else None,
        best_params=best.params if best else None,
        search=score(best.results + further, SEARCH, spec) if best else None,
        intensified=score(further, INTENSIFY, spec),
        confirmed=found,
        is_confirmed=bool(found and found.n >= wanted and failed is None),
        confirmed_failure=failed,
        optimism=optimism(in_search, Finalists.of(list(intensified.values()))),
        confirmed_validation=validation,
        test=estimates(confirmed, TEST, CONFIRM, spec),
        test_openings=len(opened),
        start=approach.start,
        published=published_number(approach.published) if approach.published and spec.is_of_the_study else None,
        at_published_setting=_at_published_setting(own, approach, spec),
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


def _at_published_setting(trials: Sequence[TrialRecord], approach: Approach, spec: Spec) -> Estimate | None:
    """Ours at the published setting, on its search seeds; it is the first configuration of every search."""
    for trial in searched(trials, approach.name):
        if approach.start is not None and trial.params == dict(approach.start) and trial.state == "COMPLETE":
            return score(trial.results + further_results(trials, approach.name).get(trial.number, ()), SEARCH, spec)
    return None


def _median_seconds(results: Sequence[SeedResult]) -> float | None:
    seconds = [result.seconds for result in results if result.split == VALIDATION and result.error is None]
    return float(np.median(seconds)) if seconds else None

"""Which approaches meet a second block of fresh seeds, and what is quoted then.

The block of seeds on which an approach is the best of several flatters it: that is why it is the best there. So the
first block (the confirmation) names the best, and the second one (the decision) measures it and what it is compared
with. A second block that named the best again would flatter it again; `benchmarks/decision.py` has the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweeps.analysis.comparisons import ERROR, FIRST_BLOCK, SECOND_BLOCK, Comparison, compare_all, holm
from sweeps.analysis.first_shares import first_shares
from sweeps.analysis.hits import Hits, hits_of
from sweeps.stages.ranking import confirmed_results, fresh_scores
from sweeps.store.spec import Spec, Stored
from sweeps.store.trials import CONFIRM, DECIDE, TrialRecord
from trainables.parts.protocol import VALIDATION

# Two approaches may be told apart by either block, so that each gets half of the error.
BLOCKS = 2


class Decision(Stored):
    """The second block of fresh seeds.

    Attributes:
        named: The best by the first block, of those that did not fail on the second.
        candidates: The best by the first block and those that it does not show to be worse, best first.
        members: All that meet the second block: the candidates and the plain baseline.
        is_complete: Whether all members have all its seeds; only then it is quoted.
    """

    named: str
    candidates: tuple[str, ...]
    members: tuple[str, ...]
    is_complete: bool


def candidates(ranked: Sequence[str], comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """The best and those not shown to be worse than it, at half of the error, corrected for all pairs.

    Args:
        ranked: The confirmed approaches, best first.
        comparisons: Of their pairs, on the first block; a pair that has none is not told apart.
    """
    if not ranked:
        return ()
    best = ranked[0]
    told = {pair.worse for pair in comparisons if pair.better == best and pair.p_holm < ERROR / BLOCKS}
    return tuple(name for name in ranked if name not in told)


def members(found: Sequence[str], ranked: Sequence[str], baseline: str | None) -> tuple[str, ...]:
    """Those that meet the second block; nobody if one candidate is left."""
    if len(found) < 2:
        return ()
    also = [baseline] if baseline in ranked and baseline not in found else []
    return (*found, *filter(None, also))


def quoted(first: Sequence[Comparison], second: Sequence[Comparison]) -> list[Comparison]:
    """The second block's comparisons, and the first block's of all other pairs, clearest first.

    Holm's correction is over all of them, and each p-value counts double, since each pair has met two chances to be
    shown: those of the first block that were shown there are quoted, the others have a second one. What the first block
    shows at half of the error stays shown of a pair that did not meet the second one: it is not said to be alike. (Of a
    pair that met it, the second block alone decides.) That makes no more wrong claims: with the lesser p-value of both
    blocks for each pair, doubled, Holm's correction holds the error, and claims no less.
    """
    measured = {frozenset((pair.better, pair.worse)) for pair in second}
    pairs = [pair for pair in first if frozenset((pair.better, pair.worse)) not in measured]
    pairs += [replace(pair, block=SECOND_BLOCK) for pair in second]
    # Each is no greater than the first block's own, where it is of that one.
    of_first = [pair.p_holm if pair.block == FIRST_BLOCK else 1.0 for pair in pairs]
    adjusted = map(min, holm([pair.p for pair in pairs]), of_first)
    return sorted(
        (replace(pair, p_holm=min(BLOCKS * p, 1.0)) for pair, p in zip(pairs, adjusted, strict=True)),
        key=lambda pair: (pair.p_holm, pair.p),
    )


def as_quoted(first: Sequence[Comparison], of_both: Sequence[Comparison]) -> list[Comparison]:
    """The first block's comparisons, each shown where what is quoted of its pair, `of_both` blocks, is shown.

    A pair whose quoted difference has the other sign is not.
    """
    p_holm = {(pair.better, pair.worse): pair.p_holm for pair in of_both}
    return [replace(pair, p_holm=p_holm.get((pair.better, pair.worse), 1.0)) for pair in first]


def overtaker(named: str, comparisons: Sequence[Comparison], means: Mapping[str, float]) -> str | None:
    """The approach that the second block shows to be better than the one that the first block named; None if none is.

    Of several the one with the greatest mean. That is a choice by the block that measures, too, but a rare one.
    """
    shown = [
        pair.better
        for pair in comparisons
        if pair.worse == named and pair.is_shown and pair.block == SECOND_BLOCK and pair.better in means
    ]
    return max(shown, key=lambda name: means[name], default=None)


def compared(trials: Sequence[TrialRecord], best: Mapping[str, int], stage: str, spec: Spec) -> list[Comparison]:
    """Every pair of these configurations on their common fresh seeds of a stage, by what ranks, on validation images.

    AUROC is no share of hits, so that its comparisons speak of the seeds alone.
    """
    results = {name: confirmed_results(trials, name, number, stage) for name, number in best.items()}
    is_of_hits = spec.ranked_by == "accuracy"
    hits = {name: hits_of(own, VALIDATION, stage, spec) for name, own in results.items() if is_of_hits}
    return compare_all(
        {name: fresh_scores(trials, name, number, stage) for name, number in best.items()},
        {name: found.table(found.shares) for name, found in hits.items() if found},
    )


def shares(trials: Sequence[TrialRecord], best: Mapping[str, int], spec: Spec) -> dict[str, float]:
    """In what share of resamples of the fresh seeds, and of the images, each of these configurations comes first.

    All fresh seeds count that they have in common, of both blocks: nothing is measured by which one comes first, and
    from the second block alone the one that the first block named would look less sure than it is.
    """
    stages = (CONFIRM, DECIDE)
    scores: dict[str, dict[int, float]] = {name: {} for name in best}
    hits: dict[str, Hits | None] = {}
    for name, number in best.items():
        for stage in stages:
            scores[name] |= fresh_scores(trials, name, number, stage)
        if spec.ranked_by == "accuracy":
            results = [result for stage in stages for result in confirmed_results(trials, name, number, stage)]
            hits[name] = hits_of(results, VALIDATION, CONFIRM, spec)
    return first_shares(scores, hits)

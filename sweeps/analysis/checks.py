"""What a careful reader would check before believing a sweep, checked: one sentence each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sweeps.analysis import confirmation_checks, input_checks, search_checks
from sweeps.analysis.check import FINE, KNOW, LOOK, Check, CheckedSweep
from sweeps.analysis.summary import Summary
from sweeps.store.trials import TrialRecord

CHECKS: tuple[Callable[[CheckedSweep], Check], ...] = (
    input_checks.images,
    input_checks.content,
    input_checks.weights,
    input_checks.smoke,
    confirmation_checks.confirmation,
    confirmation_checks.baseline,
    confirmation_checks.separation,
    confirmation_checks.optimism,
    search_checks.edges,
    search_checks.improving,
    search_checks.few_tried,
    search_checks.gain,
    search_checks.regret,
    search_checks.failures,
    search_checks.unfinished,
    confirmation_checks.test_openings,
    input_checks.code,
    confirmation_checks.intervals,
)


def checks(summary: Summary, trials: Sequence[TrialRecord]) -> list[Check]:
    """Every check, those to look at first, then what to keep in mind, then what is fine.

    Args:
        summary: Of the sweep.
        trials: The journal's, of the approaches in it.
    """
    sweep = CheckedSweep(summary=summary, trials=trials)
    order = (LOOK, KNOW, FINE)
    return sorted((check(sweep) for check in CHECKS), key=lambda found: order.index(found.mark))

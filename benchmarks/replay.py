"""Searches replayed on a table of real results, thousands a minute: nothing is trained, and no study is kept.

A search draws configurations of the table at random, the first one where real searches start, and a block of its seeds
that all of them share. They run one after the other, raced as `sweeps/stages/search.py` does it: the best complete ones
so far, by their means over the block, are the rivals of the next, and the best one at the end is handed on. That
workers run at the same time is left out. `tests/test_replay.py` compares this with the real search.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from scipy import stats
from tables import NETWORKS, TABLE, Table, read_all

from sweeps.stages.racing import EXACT_DIGITS, Racing, p_of_less

# Up to so many differences scipy's test counts all signs where there are ties or zeros; above, it takes the normal law.
ALL_SIGNS = 13
# How many points worse make a configuration e times rarer after the startup of a search that concentrates.
SCALE = 1.0
STARTUP = 10
# Kinds of searches, by arguments of `drawn`: at random after the approach's start; without it, since a good start
# leaves nothing to lose; and with closer rivals.
KINDS: dict[str, dict[str, bool]] = {
    "random": {},
    "random, start too": {"start": False},
    "concentrated": {"concentrated": True},
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a configuration is stopped: at the looks of `racing`, if the test's p-value is below its `p`.

    Attributes:
        racing: As in a sweep.
        test: The moderated t test, or Wilcoxon's as Optuna's pruner applies it.
    """

    racing: Racing
    test: Literal["moderated", "wilcoxon"] = "moderated"


@dataclass(frozen=True, kw_only=True)
class Searches:
    """S searches of C configurations on N seeds each.

    Attributes:
        scores: (S, C, N), of the search's own seeds, in points.
        truth: (S, C), the mean over the table's other seeds.
        fresh: (S, C, M), of M of those other seeds, which further seeds are drawn from; M may be 0.
    """

    scores: np.ndarray
    truth: np.ndarray
    fresh: np.ndarray

    def of(self, chosen_S: np.ndarray) -> np.ndarray:
        """The true mean (S,) of one configuration of each search."""
        return np.take_along_axis(self.truth, chosen_S[:, None], axis=1)[:, 0]


@dataclass(frozen=True, kw_only=True)
class Raced:
    """What came of searches: seeds run (S, C), and the number of the configuration that each hands on (S,)."""

    ran: np.ndarray
    best: np.ndarray


def drawn(
    table: Table,
    searches: int,
    *,
    configurations: int = 50,
    seeds: int = 10,
    fresh: int = 0,
    start: bool = True,
    concentrated: bool = False,
    judged: Table | None = None,
    rng: np.random.Generator,
) -> Searches:
    """Searches drawn from a table.

    Args:
        table: Of one approach.
        searches: How many.
        configurations: Of each search, none of them twice.
        seeds: Of each configuration.
        fresh: Seeds that are kept for further use; they are not part of the truth either.
        start: Whether the table's first configuration comes first; else it is drawn like the others.
        concentrated: Whether those after the tenth are good more often, as in a search by TPE: one that is a point
            worse is e times rarer.
        judged: The same table with scores of more images, which say what is true; None is `table`.
        rng: Draws.

    Raises:
        ValueError: The table has fewer configurations or seeds.
    """
    total, available = table.accuracies.shape
    if configurations > total or seeds + fresh >= available:
        raise ValueError(f"Expected at most {total} configurations and {available - 1} seeds, as the table has")
    true = (judged or table).accuracies
    means = true.mean(axis=1)
    shape = (searches, configurations)
    scores, held = np.empty((*shape, seeds)), np.empty((*shape, fresh))
    truth = np.empty(shape)
    for search in range(searches):
        numbers = rng.permutation(total)
        if start:
            numbers = np.concatenate([[0], numbers[numbers > 0]])
        if concentrated:
            late = numbers[STARTUP:]
            # Gumbel's maxima: draws without replacement whose weights are exp(mean / scale).
            numbers[STARTUP:] = late[np.argsort(-(means[late] / SCALE + rng.gumbel(size=len(late))))]
        own = numbers[:configurations]
        mine = table.accuracies[own]
        order = rng.permutation(available)
        scores[search] = mine[:, order[:seeds]]
        held[search] = mine[:, order[seeds : seeds + fresh]]
        truth[search] = true[own][:, order[seeds + fresh :]].mean(axis=1)
    return Searches(scores=scores, truth=truth, fresh=held)


def replayed(scores_SCN: np.ndarray, rule: Rule | None) -> Raced:
    """The searches with these scores, raced by this rule; None lets every configuration run to its end."""
    searches, configurations, seeds = scores_SCN.shape
    ran = np.full((searches, configurations), seeds)
    if rule is not None:
        for number in range(1, configurations):
            before = scores_SCN[:, :number]
            best_SR, is_complete_SR = best_complete(before, ran[:, :number], rule.racing.rivals)
            scores_SRN = np.take_along_axis(before, best_SR[:, :, None], axis=1)
            rivals = np.where(is_complete_SR[:, :, None], scores_SRN, np.nan)
            alive = np.arange(searches)
            for look in rule.racing.looks(seeds):
                losing = is_losing(scores_SCN[alive, number, :look], rivals[alive], rule)
                ran[alive[losing], number] = look
                alive = alive[~losing]
    return Raced(ran=ran, best=complete_means(scores_SCN, ran).argmax(axis=1))


def complete_means(scores_SCN: np.ndarray, ran_SC: np.ndarray) -> np.ndarray:
    """The means (S, C) of complete configurations; minus infinity for those that were stopped."""
    return np.where(ran_SC == scores_SCN.shape[2], scores_SCN.mean(axis=2), -np.inf)


def best_complete(scores_SCN: np.ndarray, ran_SC: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The best complete ones of each search (S, R), best first, and where they are complete: there may be fewer."""
    means_SC = complete_means(scores_SCN, ran_SC)
    best_SR = np.argsort(-means_SC, axis=1, kind="stable")[:, :number]
    return best_SR, np.take_along_axis(means_SC, best_SR, axis=1) > -np.inf


def with_more_seeds(
    scores_SCN: np.ndarray, further_SCM: np.ndarray, ran_SC: np.ndarray, finalists: int
) -> tuple[np.ndarray, np.ndarray]:
    """What each search hands on (S,) when its best complete ones have met further seeds, and how many have (S,).

    The one with the greatest mean over all its seeds is handed on.
    """
    best_SF, is_complete_SF = best_complete(scores_SCN, ran_SC, finalists)
    sums_SC = scores_SCN.sum(axis=2) + further_SCM.sum(axis=2)
    sums_SF = np.where(is_complete_SF, np.take_along_axis(sums_SC, best_SF, axis=1), -np.inf)
    chosen_S = np.take_along_axis(best_SF, sums_SF.argmax(axis=1)[:, None], axis=1)[:, 0]
    return chosen_S, is_complete_SF.sum(axis=1)


def is_losing(own_SL: np.ndarray, rivals_SRN: np.ndarray, rule: Rule) -> np.ndarray:
    """Whether each configuration is stopped after its L first seeds, as a sweep decides it.

    Its rivals are complete and come with the best one first; those that are missing are NaN.
    """
    looked = own_SL.shape[1]
    best_SN, rival_SN = rivals_SRN[:, 0], np.nanmean(rivals_SRN, axis=1)
    number_S = np.isfinite(rivals_SRN[:, :, 0]).sum(axis=1)
    differences = own_SL - rival_SN[:, :looked]
    if rule.test == "wilcoxon":
        p_values = wilcoxon(differences.round(EXACT_DIGITS))
    else:
        p_values = p_of_less(differences, best_SN.std(axis=1, ddof=1), rule.racing.prior)
    ahead = (own_SL.mean(axis=1) - rival_SN.mean(axis=1)).round(EXACT_DIGITS) >= 0
    return (p_values < rule.racing.p * number_S) & ~ahead


def wilcoxon(differences_DN: np.ndarray) -> np.ndarray:
    """One-sided p-values (D,) that differences are below zero, as `scipy.stats.wilcoxon` has them with "zsplit"."""
    if not len(differences_DN):
        return np.empty(0)
    number = differences_DN.shape[1]
    sizes = np.abs(differences_DN)
    order = np.argsort(sizes, axis=1)
    sizes = np.take_along_axis(sizes, order, axis=1)
    # Which neighbours are ties, and whether the first group is of zeros: with that the law of the ranks' sum is known.
    pattern = np.column_stack([sizes[:, 1:] == sizes[:, :-1], sizes[:, 0] == 0])
    if number > ALL_SIGNS:
        return _of_many(differences_DN, pattern.any(axis=1))
    codes, which = np.unique(pattern @ (1 << np.arange(number)), return_inverse=True)
    laws = [_law(number, int(code)) for code in codes]
    ranks_KN, below_KR = (np.stack(each) for each in zip(*laws, strict=True))
    positive = np.take_along_axis(differences_DN, order, axis=1) > 0
    return below_KR[which, (ranks_KN[which] * positive).sum(axis=1)]


def _of_many(differences_DN: np.ndarray, tied_D: np.ndarray) -> np.ndarray:
    p = np.empty(len(differences_DN))
    for some, method in ((tied_D, "asymptotic"), (~tied_D, "exact")):
        if some.any():
            how = {"alternative": "less", "zero_method": "zsplit", "method": method, "axis": 1}
            p[some] = stats.wilcoxon(differences_DN[some], **how).pvalue
    return p


@cache
def _law(number: int, code: int) -> tuple[np.ndarray, np.ndarray]:
    """Twice the ranks (N,) of ascending sizes, 0 for those that are zero, and how often their sum is at most R, (R,).

    What zeros add is the same whatever the signs, so they are left out of the sum.
    """
    sizes = np.cumsum([0, *(1 - (code >> place & 1) for place in range(number - 1))])
    ranks = np.rint(2 * stats.rankdata(sizes)).astype(int)
    if code >> (number - 1):
        ranks[sizes == 0] = 0
    counts = np.zeros(number * (number + 1) + 1)
    counts[0] = 1.0
    for rank in ranks[ranks > 0]:
        counts[rank:] += counts[:-rank].copy()
    return ranks, np.minimum(counts.cumsum() / counts.sum(), 1.0)


def with_interval(values: np.ndarray) -> str:
    """The mean and its 95 % interval over searches."""
    half = 1.96 * float(stats.sem(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():+.2f} ({values.mean() - half:+.2f} to {values.mean() + half:+.2f})"


def tables_asked(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, dict[str, Table]]:
    """What a command line of a replay asks, and its tables."""
    parser.add_argument("--tables", nargs="+", type=Path, default=[TABLE, NETWORKS], help="made by make_table.py")
    parser.add_argument("--searches", type=int, default=1000, help="replayed of each kind")
    asked = parser.parse_args()
    return asked, read_all(asked.tables)

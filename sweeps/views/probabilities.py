"""What the models of confirmed approaches say of each test image, as a table, and which class they take for which.

N = images of the test split, S = seeds, K = classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.approach_summary import ApproachSummary
from sweeps.analysis.summary import Summary
from sweeps.core.errors import BadInput
from sweeps.core.formatting import PROBABILITY
from sweeps.stages.ranking import confirmed_results
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec
from sweeps.store.trials import CONFIRM, DECIDE, TrialRecord
from trainables.parts.protocol import TEST
from trainables.parts.results import SeedResult, unpacked_hits, unpacked_probabilities


def probabilities_frame(journal: Journal, summary: Summary, names: Sequence[str]) -> pd.DataFrame:
    """One row for each test image and confirmed approach, class by class; no row where no seed has probabilities.

    They are of the block of fresh seeds that is quoted in the printed table, `stage`. `probability_CLASS` is the mean
    over its seeds' models, to about three digits, `right` the share of them that give the image its class, and `seeds`
    how many they are.

    Args:
        journal: Of the sweep.
        summary: Of the same.
        names: Of the N images, class by class.

    Raises:
        BadInput: The journal has probabilities or hits of another number of images.
    """
    spec, trials, frames = journal.spec, journal.trials(), []
    for row in summary.approaches:
        kept = _kept(row, trials)
        if kept:
            what = {"approach": row.approach, "stage": _stage(row), "trial": row.best_trial}
            frames.append(pd.DataFrame({**what, **_of_images(kept, names, spec)}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def taken_for(row: ApproachSummary, trials: Sequence[TrialRecord], spec: Spec) -> np.ndarray | None:
    """What share of each class's test images its models give each class, (K, K), by class and by what it is taken for.

    The mean over the seeds of the quoted block; None where no seed has probabilities.
    """
    kept = _kept(row, trials)
    if not kept:
        return None
    p_SNK, hits_SN = _unpacked(kept, spec)
    labels_N = np.repeat(np.arange(len(spec.protocol.classes)), spec.test_counts)
    images_N = np.arange(len(labels_N))
    # Three digits may make ties; the hits tell whether it is the image's own class.
    p_SNK[:, images_N, labels_N] = np.where(hits_SN, 2.0, -1.0)
    called_SN = p_SNK.argmax(2)
    is_called_SNK = called_SN[:, :, None] == np.arange(p_SNK.shape[2])
    return np.stack([is_called_SNK[:, labels_N == label].mean((0, 1)) for label in range(p_SNK.shape[2])])


def _stage(row: ApproachSummary) -> str:
    """The block of fresh seeds that is quoted."""
    return DECIDE if row.decided else CONFIRM


def _kept(row: ApproachSummary, trials: Sequence[TrialRecord]) -> list[SeedResult]:
    """Of a confirmed approach, what its models of that block say of the test images, where it was kept."""
    if not row.is_confirmed or row.best_trial is None:
        return []
    results = confirmed_results(trials, row.approach, row.best_trial, _stage(row))
    return [each for each in results if each.split == TEST and None not in (each.probabilities, each.hits)]


def _of_images(results: Sequence[SeedResult], names: Sequence[str], spec: Spec) -> dict[str, Any]:
    """The columns about the images (N,), from the results of one configuration's seeds."""
    classes = spec.protocol.classes
    p_SNK, hits_SN = _unpacked(results, spec)
    return {
        "image": names,
        "label": np.repeat(classes, spec.test_counts),
        **{f"{PROBABILITY}{name}": p_N for name, p_N in zip(classes, p_SNK.mean(0).T, strict=True)},
        "right": hits_SN.mean(0),
        "seeds": len(results),
    }


def _unpacked(results: Sequence[SeedResult], spec: Spec) -> tuple[np.ndarray, np.ndarray]:
    """Each seed's probabilities (S, N, K) and hits (S, N)."""
    classes, count = spec.protocol.classes, sum(spec.test_counts)
    p_SNK, hits_SN = [], []
    for result in results:
        assert result.probabilities is not None
        assert result.hits is not None
        try:
            p_SNK.append(unpacked_probabilities(result.probabilities, count, len(classes)))
            hits_SN.append(unpacked_hits(result.hits, count))
        except ValueError as error:
            raise BadInput(
                f"Expected each seed's probabilities in the journal as this version writes them; those of seed "
                f"{result.seed} are not ({error}). It is damaged, or of another version: begin a new sweep."
            ) from None
    return np.stack(p_SNK), np.stack(hits_SN)

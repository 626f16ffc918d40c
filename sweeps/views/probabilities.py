"""What the models of confirmed approaches say of each test image, as a table.

N = images of the test split, S = seeds, K = classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.summary import Summary
from sweeps.core.errors import BadInput
from sweeps.core.formatting import PROBABILITY
from sweeps.stages.ranking import confirmed_results
from sweeps.store.journal import Journal
from sweeps.store.spec import Spec
from sweeps.store.trials import CONFIRM, DECIDE
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
        if not row.is_confirmed or row.best_trial is None:
            continue
        stage = DECIDE if row.decided else CONFIRM
        results = confirmed_results(trials, row.approach, row.best_trial, stage)
        kept = [each for each in results if each.split == TEST and None not in (each.probabilities, each.hits)]
        if kept:
            what = {"approach": row.approach, "stage": stage, "trial": row.best_trial}
            frames.append(pd.DataFrame({**what, **_of_images(kept, names, spec)}))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _of_images(results: Sequence[SeedResult], names: Sequence[str], spec: Spec) -> dict[str, Any]:
    """The columns about the images (N,), from the results of one configuration's seeds."""
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
    return {
        "image": names,
        "label": np.repeat(classes, spec.test_counts),
        **{f"{PROBABILITY}{name}": p_N for name, p_N in zip(classes, np.mean(p_SNK, axis=0).T, strict=True)},
        "right": np.mean(hits_SN, axis=0),
        "seeds": len(results),
    }

"""What the images of the test split add to an error: against a known truth."""

from __future__ import annotations

import numpy as np
import pytest

from made_up import SPEC, changed
from sweeps.analysis.hits import hits_of
from sweeps.analysis.intervals import estimates
from test_image_error import protocol
from trainables.parts.protocol import TEST
from trainables.parts.results import SeedResult, packed


def on_test(hits_SN, counts, seeds=range(1000, 1020)):
    """Results on a test split, with what two classes have."""
    return [
        SeedResult(
            seed=seed,
            split=TEST,
            seconds=1.0,
            timestamp_ms=0,
            hits=packed(hits),
            accuracy=float(hits.mean()),
            balanced_accuracy=float((hits[: counts[0]].mean() + hits[counts[0] :].mean()) / 2),
            specificity=float(hits[: counts[0]].mean()),
            sensitivity=float(hits[counts[0] :].mean()),
        )
        for seed, hits in zip(seeds, hits_SN, strict=True)
    ]


def test_the_test_split_has_an_error_of_its_own():
    rng = np.random.default_rng(11)
    counts, chance = (20, 40), np.clip(rng.normal(0.8, 0.3, 60), 0, 1)
    own = on_test(rng.uniform(size=(30, 60)) < chance, counts, range(1000, 1030))
    found = estimates(own, TEST, "confirm", changed(SPEC, {"protocol": protocol((300, 300)), "test_counts": counts}))
    assert found["accuracy"].images_error == pytest.approx(chance.std(ddof=1) / np.sqrt(60), rel=0.15)
    assert found["sensitivity"].images_error == pytest.approx(chance[20:].std(ddof=1) / np.sqrt(40), rel=0.15)


def test_a_class_of_one_image_leaves_the_others_images_their_error():
    """The single image can say nothing of its class; the most that it can add is reckoned with."""
    rng = np.random.default_rng(12)
    counts = (1, 300)
    chance = rng.uniform(size=301) < 0.9
    hits = np.where(rng.uniform(size=(20, 301)) < 0.97, chance, ~chance)
    hits[:, 0] = True
    spec = changed(SPEC, {"protocol": protocol((300, 300)), "test_counts": counts})
    found = estimates(on_test(hits, counts), TEST, "confirm", spec)
    of_images = hits[:, 1:].mean(0).std() / np.sqrt(300)
    assert found["accuracy"].images_error == pytest.approx(of_images, rel=0.05)
    assert found["sensitivity"].images_error == pytest.approx(of_images, rel=0.05)
    assert found["accuracy"].high - found["accuracy"].low > 3 * of_images
    # One hit, and one hit and one miss more: a share of 2 of 3.
    assert found["specificity"].images_error == pytest.approx(np.sqrt(2 / 9))
    assert found["specificity"].low < 0.05
    assert found["balanced_accuracy"].images_error == pytest.approx(np.sqrt(2 / 9) / 2, rel=0.01)
    table = hits_of(on_test(hits, counts), TEST, "confirm", spec).table(np.array([1.0, 0.0]))
    assert table.less(table).bound == 2 * table.bound


def test_test_images_of_one_patient_stand_together():
    """Ten images of each of 20 patients, alike: the interval holds the truth of other patients."""
    rng = np.random.default_rng(14)
    counts, patients = (100, 100), tuple(np.repeat(np.arange(20), 10).tolist())
    single = changed(SPEC, {"protocol": protocol((300, 300)), "test_counts": counts})
    grouped = changed(single, {"test_groups": patients})
    held = {}
    for name, spec in (("grouped", grouped), ("single", single)):
        found = []
        for _ in range(150):
            chance = rng.beta(2.4, 0.6, 20)[list(patients)]
            own = on_test(rng.uniform(size=(10, 200)) < chance, counts, range(1000, 1010))
            found.append(estimates(own, TEST, "confirm", spec, ("accuracy",))["accuracy"])
        held[name] = np.mean([each.low <= 0.8 <= each.high for each in found])
    assert 0.9 < held["grouped"] <= 0.99
    assert held["single"] < 0.7
